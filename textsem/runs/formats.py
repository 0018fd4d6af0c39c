"""How figures are written in reports and headlines."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["DASH", "interval", "number", "percent", "points", "rate_interval"]

DASH = "\u2013"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in percent."""
    return DASH if share is None else f"{100 * share:.{digits}f}%"


def points(difference: float) -> str:
    """Write a difference of two shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with at most so many decimals."""
    return DASH if value is None else f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def interval(rates: Mapping[str, Any]) -> str:
    """Write the interval of the success rate of a summary or of one of its groups."""
    return _from_to(rates["attack_success_interval"])


def rate_interval(rate: Mapping[str, Any]) -> str:
    """Write the interval of a rate of ``summarise_validity``."""
    return _from_to(rate["interval"])


def _from_to(bounds: Sequence[float]) -> str:
    return f"{percent(bounds[0])} to {percent(bounds[1])}"
