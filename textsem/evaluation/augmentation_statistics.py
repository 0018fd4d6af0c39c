"""Arms of the augmentation experiment held against each other: over the rows of the test sets, and over the seeds.

Two questions that one figure cannot answer.  Would other test rows tell the same of these very models: a paired
sign-flip test and a bootstrap over the rows.  Would other trainings: Welch's t over the seeds, and whether the arms'
seeds overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np

from textsem.evaluation.paired_rows import Floats, bootstrap_interval, sign_flip_p_value
from textsem.runs.two_samples import holm

__all__ = [
    "ArmComparison",
    "Digits",
    "Spread",
    "accuracies",
    "compare_arms",
    "compare_with_others",
    "matching_digits",
    "set_groups",
    "welch",
]

# Seeds that differ by less than this are equal save for rounding.
_NO_SPREAD = 1e-9

Digits = Mapping[str, Mapping[str, str]]  # seed, set: a digit for each row


@dataclass(frozen=True)
class Spread:
    """One figure of several trainings.

    Args:
        values: One a seed, shares in [0, 1]; at least one.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over the seeds (n - 1); None of a single one."""
        return stdev(self.values) if len(self.values) > 1 else None

    @property
    def low(self) -> float:
        """Lowest seed."""
        return min(self.values)

    @property
    def high(self) -> float:
        """Highest seed."""
        return max(self.values)


@dataclass(frozen=True)
class ArmComparison:
    """One arm beside another on some test sets, sets weighing the same.

    Args:
        first: Accuracy of the first, by seed.
        second: Of the second.
        difference: Mean of the first minus mean of the second, shares.
        interval: Percentile bootstrap of the difference over the rows, 95%.
        p_value: Paired sign-flip test over the rows, two-sided.
        adjusted_p_value: After Holm for the arms that the first was held against; None before that.
        is_beyond_seeds: Whether the lowest seed of the first is above the highest of the second; None with fewer than
            two seeds on a side, where there is no spread to be beyond.
        t: Difference over its standard error over the seeds; None where that is 0 or unknown.
        seeds_p_value: Welch's test over the seeds, two-sided; None likewise.
    """

    first: Spread
    second: Spread
    difference: float
    interval: tuple[float, float]
    p_value: float
    adjusted_p_value: float | None
    is_beyond_seeds: bool | None
    t: float | None
    seeds_p_value: float | None


def set_groups(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the sets that make up each figure: one a kind, and of kind ``other`` one a set.

    Example:
        >>> set_groups({"a": {"kind": "unseen"}, "b": {"kind": "other"}, "c": {"kind": "unseen"}})
        {'unseen': ['a', 'c'], 'b': ['b']}
    """
    groups: dict[str, list[str]] = {}
    for name, described in sets.items():
        groups.setdefault(name if described["kind"] == "other" else described["kind"], []).append(name)
    return groups


def matching_digits(right: Mapping[str, Digits], sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Digits]:
    """Return the digits that have one place for each row of their set: others are of a set that has since changed."""
    return {
        arm: {
            seed: {name: digits for name, digits in found.items() if name in sets and len(digits) == sets[name]["rows"]}
            for seed, found in seeds.items()
        }
        for arm, seeds in right.items()
    }


def accuracies(right: Digits, names: Sequence[str]) -> Spread | None:
    """Return the accuracy of an arm by seed, the mean over some sets; None where no seed has them all."""
    measured = _with_all(right, names)
    if not measured:
        return None
    return Spread(tuple(fmean(sets[name].count("1") / len(sets[name]) for name in names) for sets in measured))


def compare_arms(first: Digits, second: Digits, names: Sequence[str]) -> ArmComparison | None:
    """Compare two arms on some sets; None where one of them was not measured.

    A row counts with its share of seeds that are right, first minus second.  Each set weighs the same, whatever its
    size.  Rows are taken as independent: of two attacks on one pair that is not so, and the test over them is sharper
    than it should be.

    Raises:
        ValueError: If a set has another number of rows on each side.
    """
    own, other = accuracies(first, names), accuracies(second, names)
    if own is None or other is None:
        return None
    pairs = [(_shares(first, names, name), _shares(second, names, name)) for name in names]
    sizes = [(len(a), len(b)) for a, b in pairs if len(a) != len(b)]
    if sizes:
        raise ValueError(f"expected the same rows on both sides, got {sizes[0][0]} and {sizes[0][1]}")
    rows = [a - b for a, b in pairs]
    t, seeds_p_value = welch(own, other)
    has_spread = min(len(own.values), len(other.values)) > 1
    return ArmComparison(
        own,
        other,
        difference=own.mean - other.mean,
        interval=bootstrap_interval(rows),
        p_value=sign_flip_p_value(rows),
        adjusted_p_value=None,
        is_beyond_seeds=own.low > other.high if has_spread else None,
        t=t,
        seeds_p_value=seeds_p_value,
    )


def compare_with_others(
    right: Mapping[str, Digits], arm: str, others: Sequence[str], names: Sequence[str]
) -> dict[str, ArmComparison | None]:
    """Compare an arm with each other one on some sets, p-values adjusted for their number after Holm."""
    found = {other: compare_arms(right.get(arm, {}), right.get(other, {}), names) for other in others}
    adjusted = iter(holm([result.p_value for result in found.values() if result is not None]))
    return {
        other: None if result is None else replace(result, adjusted_p_value=next(adjusted))
        for other, result in found.items()
    }


def welch(first: Spread, second: Spread) -> tuple[float | None, float | None]:
    """Return Welch's t over the seeds and its two-sided p-value; None where there is no spread to divide by.

        t = (mean_1 - mean_2) / sqrt(v_1 + v_2),   v_i = s_i^2 / n_i
        degrees of freedom = (v_1 + v_2)^2 / (v_1^2 / (n_1 - 1) + v_2^2 / (n_2 - 1))

    Welch 1947.
    """
    if first.deviation is None or second.deviation is None or max(first.deviation, second.deviation) < _NO_SPREAD:
        return None, None
    from scipy.stats import t as student

    n, m = len(first.values), len(second.values)
    v, w = first.deviation**2 / n, second.deviation**2 / m
    statistic = (first.mean - second.mean) / sqrt(v + w)
    freedom = (v + w) ** 2 / (v**2 / (n - 1) + w**2 / (m - 1))
    return statistic, float(2 * student.sf(abs(statistic), freedom))


def _with_all(right: Digits, names: Sequence[str]) -> list[Mapping[str, str]]:
    return [sets for sets in right.values() if all(sets.get(name) for name in names)]


def _shares(right: Digits, names: Sequence[str], name: str) -> Floats:
    """Return for each row of a set the share of seeds that are right, of the seeds that have all sets."""
    digits = [[float(digit == "1") for digit in sets[name]] for sets in _with_all(right, names)]
    return np.array(np.mean(digits, axis=0), dtype=np.float64)
