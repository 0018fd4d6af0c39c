"""Arms of the augmentation experiment held against each other: over the rows of the test sets, and over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ArmComparison", "Spread", "accuracies", "compare_arms", "set_groups"]

_RESAMPLES = 9999
_SEED = 0
Digits = Mapping[str, Mapping[str, Mapping[str, str]]]  # arm, seed, set


@dataclass(frozen=True)
class Spread:
    """One figure of several trainings.

    Args:
        values: One a seed, shares in [0, 1].
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over the seeds; None of a single one."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class ArmComparison:
    """One arm beside another on some test sets, sets weighing the same.

    Args:
        difference: Mean accuracy of the first minus that of the second, shares.
        interval: Percentile bootstrap over the rows, 95%.
        p_value: Paired permutation test over the rows, two-sided: each row's share of right seeds is swapped between
            the arms.  It says how sure the difference is for other rows, not for other seeds.
        is_beyond_seeds: Whether the lowest seed of the first is above the highest of the second.
        seeds_p_value: Welch's t test over the seeds, two-sided; None with fewer than two on a side.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    is_beyond_seeds: bool
    seeds_p_value: float | None


def set_groups(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the sets that make up each figure: clean, unseen, label kept, and every other set by itself."""
    groups: dict[str, list[str]] = {}
    for name, described in sets.items():
        kind = described["kind"]
        groups.setdefault(name if kind == "other" else kind, []).append(name)
    return groups


def accuracies(right: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> Spread | None:
    """Return the accuracy of an arm by seed, the mean over sets; None where no seed has them all.

    Args:
        right: Digits by seed and set.
        names: The sets.
    """
    complete = [sets for sets in right.values() if all(sets.get(name) for name in names)]
    if not complete:
        return None
    return Spread(tuple(fmean(sets[name].count("1") / len(sets[name]) for name in names) for sets in complete))


def compare_arms(
    first: Mapping[str, Mapping[str, str]], second: Mapping[str, Mapping[str, str]], names: Sequence[str]
) -> ArmComparison | None:
    """Compare two arms on some sets; None where one of them was not measured.

    Args:
        first: Digits of the first arm by seed and set.
        second: Of the second.
        names: The sets; each weighs the same, whatever its size.
    """
    own, other = accuracies(first, names), accuracies(second, names)
    if own is None or other is None:
        return None
    from scipy.stats import bootstrap, permutation_test, ttest_ind

    a, b = _weighted_rows(first, names), _weighted_rows(second, names)
    tested = permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=256,
        rng=np.random.default_rng(_SEED),
    )
    resampled = bootstrap(
        (a - b,),
        np.sum,
        vectorized=True,
        method="percentile",
        batch=256,
        rng=np.random.default_rng(_SEED),
    )
    bounds = resampled.confidence_interval
    has_seeds = len(own.values) > 1 and len(other.values) > 1
    with np.errstate(divide="ignore", invalid="ignore"):
        seeds = float(ttest_ind(own.values, other.values, equal_var=False).pvalue) if has_seeds else None
    return ArmComparison(
        own.mean - other.mean,
        (float(bounds.low), float(bounds.high)),
        float(tested.pvalue),
        min(own.values) > max(other.values),
        seeds if seeds is None or seeds == seeds else 1.0,
    )


def _weighted_rows(right: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return each row's share of right seeds, weighted so that their sum is the mean accuracy of the sets."""
    complete = [sets for sets in right.values() if all(sets.get(name) for name in names)]
    parts = []
    for name in names:
        digits = np.array([[digit == "1" for digit in sets[name]] for sets in complete], dtype=np.float64)
        parts.append(digits.mean(axis=0) / (digits.shape[1] * len(names)))
    return np.concatenate(parts)
