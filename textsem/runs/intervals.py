"""Statistics of proportions and of two samples that tables of text and images share."""

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ks_statistic", "proportion", "wilson_interval"]


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion; (0, 1) where nothing was tried.

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Wilson 1927, without continuity correction.

    Args:
        successes: How many succeeded, 0 to n.
        n: How many were tried.
        confidence: Two-sided coverage, in (0, 1).

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(10, 100)]
        [0.0552, 0.1744]
    """
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 <= successes <= n, got {successes} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"expected confidence in (0, 1), got {confidence}")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = successes / n
    centre = p + z**2 / (2 * n)
    reach = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)
    # At 0 and at n the bound is exact; rounding would leave 1e-18 there.
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def proportion(count: int, of: int, confidence: float = 0.95) -> dict[str, Any]:
    """Return a rate with what it is made of and Wilson's interval, as plain JSON types; the rate of nothing is None.

    Raises:
        ValueError: If a number is out of range.
    """
    interval = list(wilson_interval(count, of, confidence))
    return {"count": count, "of": of, "rate": count / of if of else None, "interval": interval}


def ks_statistic(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic: the largest gap between the empirical distributions."""
    first, second = np.sort(np.ravel(a)), np.sort(np.ravel(b))
    if not len(first) or not len(second):
        raise ValueError(f"expected values on both sides, got {len(first)} and {len(second)}")
    points = np.concatenate([first, second])
    below = [np.searchsorted(side, points, side="right") / len(side) for side in (first, second)]
    return float(np.abs(below[0] - below[1]).max())
