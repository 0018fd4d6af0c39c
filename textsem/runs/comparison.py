"""Two runs held against each other: as independent samples, and pair by pair."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from textsem.runs.intervals import wilson_interval

__all__ = ["PairedComparison", "ProportionComparison", "compare_paired", "compare_proportions"]


@dataclass(frozen=True)
class ProportionComparison:
    """Two success rates held against each other.

    Args:
        difference: First rate minus second.
        interval: Newcombe's 95% interval of the difference.
        p_value: Two-sided, pooled z test; 1 where both rates are 0 or both are 1.
        is_above: Whether the first rate's Wilson interval lies wholly above the second's: stricter than the test.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    is_above: bool


def compare_proportions(successes: int, n: int, control_successes: int, control_n: int) -> ProportionComparison:
    """Compare a success rate with a control's, as if the two samples were independent.

        d - sqrt((p1 - l1)^2 + (u2 - p2)^2)  to  d + sqrt((u1 - p1)^2 + (p2 - l2)^2)

    Newcombe 1998, method 10, over the Wilson bounds l, u.  A control that attacks the same pairs is usually positively
    correlated with the method, which makes this comparison the cautious one.

    Raises:
        ValueError: If a count is out of range or a side has no trials.
    """
    if n < 1 or control_n < 1:
        raise ValueError(f"expected trials on both sides, got {n} and {control_n}")
    (l1, u1), (l2, u2) = wilson_interval(successes, n), wilson_interval(control_successes, control_n)
    p1, p2 = successes / n, control_successes / control_n
    d = p1 - p2
    low, high = d - math.hypot(p1 - l1, u2 - p2), d + math.hypot(u1 - p1, p2 - l2)
    pooled = (successes + control_successes) / (n + control_n)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / control_n))
    p_value = math.erfc(abs(d) / deviation / math.sqrt(2)) if deviation > 0 else 1.0
    return ProportionComparison(d, (low, high), p_value, l1 > u2)


@dataclass(frozen=True)
class PairedComparison:
    """Two runs on the same pairs, held against each other pair by pair.

    Args:
        only_first: Pairs on which the first run succeeded and the second did not.
        only_second: The other way round.
        difference: First success rate minus second.
        p_value: Two-sided, exact; 1 where the runs differ on no pair.
    """

    only_first: int
    only_second: int
    difference: float
    p_value: float


def compare_paired(first: Sequence[bool], second: Sequence[bool]) -> PairedComparison:
    """Compare the successes of two runs on the same pairs by McNemar's exact test.

        p = P(|K - m/2| >= |only_first - m/2|),  K ~ Binomial(m, 1/2),  m = only_first + only_second

    McNemar 1947 in its exact form: pairs on which both runs agree say nothing about which is better.

    Args:
        first: Whether the first run succeeded on each attacked pair.
        second: The same of the second run, in the same order.

    Raises:
        ValueError: If the numbers of pairs differ, or there is none.

    Example:
        >>> compare_paired([True, True, False], [False, False, False]).p_value
        0.5
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"expected the same pairs on both sides, at least one, got {len(first)} and {len(second)}")
    from scipy.stats import binomtest

    b = sum(x and not y for x, y in zip(first, second, strict=True))
    c = sum(y and not x for x, y in zip(first, second, strict=True))
    p_value = float(binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0
    return PairedComparison(b, c, (b - c) / len(first), p_value)
