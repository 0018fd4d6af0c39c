"""Paired differences row by row, of one test set or of several that weigh the same: a test and an interval."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "bootstrap_interval", "sign_flip_p_value"]

Floats = npt.NDArray[np.float64]

_SEED = 0
_RESAMPLES = 9_999
_FLIPS = 99_999
# Above so many different sums signs are drawn, not counted out.
_MOST_SUMS = 1_000_000
# Shares of seeds are multiples of a fraction such as 1/3: what differs by less than this is one number.
_DECIMALS = 9
# Sums in units of the last size added; far finer than any two that differ, far coarser than rounding.
_SUM_DECIMALS = 9
_TIE = 1e-6


def sign_flip_p_value(rows: Sequence[Floats]) -> float:
    """Test whether paired differences are as likely above 0 as below: each row's sign is flipped at random.

        p = P(|sum_i s_i w_i d_i| >= |sum_i w_i d_i|),   s_i = +-1,   w_i = 1 / (rows of its set x sets)

    Rows of one size |d| take their signs together, as a binomial count, so that all 2^n flips are counted out as long
    as they make at most a million different sums; beyond that 99,999 are drawn, always the same.

    Args:
        rows: Differences of each set, at least one row in each.
    """
    observed = abs(fmean(float(d.mean()) for d in rows))
    sizes = [(size / (len(d) * len(rows)), count) for d in rows for size, count in _distinct(np.abs(d)) if size > _TIE]
    threshold = observed - _TIE * min([size for size, _ in sizes], default=0.0)
    sums: Floats = np.zeros(1)
    chances: Floats = np.ones(1)
    for size, count in sizes:
        if len(sums) * (count + 1) > _MOST_SUMS:
            return _drawn_p_value(sizes, threshold)
        sums, chances = _add_signs(sums, chances, size, count)
    return min(1.0, float(chances[np.abs(sums) >= threshold].sum()))


def bootstrap_interval(rows: Sequence[Floats], *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over sets of the mean of their rows.

    Rows are drawn within their set, 9,999 times, always the same.

    Args:
        rows: Of each set, at least one row in each.
        confidence: Coverage.
    """
    generator = np.random.default_rng(_SEED)
    means = np.zeros(_RESAMPLES)
    for d in rows:
        values, counts = map(np.array, zip(*_distinct(d), strict=True))
        means += generator.multinomial(len(d), counts / len(d), size=_RESAMPLES) @ values / (len(d) * len(rows))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _distinct(values: Floats) -> list[tuple[float, int]]:
    """Return the different values, up to rounding, and how often each comes."""
    _, first, counts = np.unique(np.round(values, _DECIMALS), return_index=True, return_counts=True)
    return [(float(values[i]), int(count)) for i, count in zip(first, counts, strict=True)]


def _add_signs(sums: Floats, chances: Floats, size: float, count: int) -> tuple[Floats, Floats]:
    """Add ``count`` random signs times ``size`` to every sum; equal sums become one."""
    from scipy.stats import binom

    plus = np.arange(count + 1)
    added = (sums[:, None] + size * (2 * plus - count)).ravel()
    together = (chances[:, None] * binom.pmf(plus, count, 0.5)).ravel()
    _, first, places = np.unique(np.round(added / size, _SUM_DECIMALS), return_index=True, return_inverse=True)
    return added[first], np.bincount(places.ravel(), weights=together).astype(np.float64)


def _drawn_p_value(sizes: Sequence[tuple[float, int]], threshold: float) -> float:
    generator = np.random.default_rng(_SEED)
    sums = np.zeros(_FLIPS)
    for size, count in sizes:
        sums += size * (2 * generator.binomial(count, 0.5, size=_FLIPS) - count)
    # The signs at hand count among the flips, so that no p-value is 0 (Phipson & Smyth 2010).
    return float((1 + (np.abs(sums) >= threshold).sum()) / (1 + _FLIPS))
