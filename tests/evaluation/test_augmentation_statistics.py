"""Arms held against each other: tests counted out by hand, and against scipy's."""

from math import sqrt
from typing import Any

import pytest
from scipy.stats import ttest_ind

from textsem.evaluation.augmentation_statistics import (
    Spread,
    accuracies,
    compare_arms,
    compare_with_others,
    matching_digits,
    set_groups,
    welch,
)


def test_spread_is_the_sample_deviation() -> None:
    spread = Spread((0.3, 0.1, 0.2))
    assert (spread.mean, spread.deviation) == pytest.approx((0.2, 0.1))
    assert (spread.low, spread.high) == (0.1, 0.3)
    assert Spread((0.4,)).deviation is None


def test_sets_weigh_the_same_and_seeds_without_one_are_left_out() -> None:
    right = {"0": {"a": "11", "b": "00000001"}, "1": {"a": "10", "b": "00000000"}, "2": {"a": "11"}}
    assert accuracies(right, ["a", "b"]) == Spread((0.5625, 0.25))
    assert accuracies(right, ["a"]) == Spread((1.0, 0.5, 1.0))
    assert accuracies(right, ["c"]) is None
    assert accuracies({}, ["a"]) is None


def test_welch_by_hand() -> None:
    # Both variances 1: t = 2 / sqrt(1/3 + 1/3) with 4 degrees of freedom, P(|t| > 2.4495) = 0.0705.
    t, p_value = welch(Spread((3.0, 4.0, 5.0)), Spread((1.0, 2.0, 3.0)))
    assert t == pytest.approx(2 / sqrt(2 / 3))
    assert p_value == pytest.approx(0.0705, abs=5e-5)
    a, b = Spread((0.61, 0.6, 0.65)), Spread((0.5, 0.58))
    reference = ttest_ind(a.values, b.values, equal_var=False)
    assert welch(a, b) == pytest.approx((reference.statistic, reference.pvalue))
    # One variance 1 of 3, none of 2: t = 2 / sqrt(1/3).
    assert welch(Spread((3.0, 4.0, 5.0)), Spread((2.0, 2.0)))[0] == pytest.approx(2 / sqrt(1 / 3))
    assert welch(Spread((3.0, 3.0)), Spread((2.0, 2.0))) == (None, None)
    assert welch(Spread((0.1 + 0.2, 0.3)), Spread((0.2, 0.2))) == (None, None)
    assert welch(Spread((3.0, 4.0)), Spread((2.0,))) == (None, None)


def test_rows_are_paired_by_their_share_of_right_seeds() -> None:
    first = {"0": {"a": "1110"}, "1": {"a": "1100"}}
    second = {"0": {"a": "1000"}, "1": {"a": "1000"}}
    found = compare_arms(first, second, ["a"])
    assert found is not None
    assert found.difference == pytest.approx(0.375)  # (3/4 + 2/4) / 2 - 1/4
    assert found.p_value == pytest.approx(0.5)  # differences 0, 1, 1/2, 0: the largest sum of four
    assert found.interval[0] <= 0.375 <= found.interval[1]
    assert found.is_beyond_seeds is True
    assert found.adjusted_p_value is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("1100", "1110"), ("1000", "1000"), True),
        (("1100", "1110"), ("1000", "1010"), False),  # the lowest is as high as the highest
        (("1100", "1111"), ("1000", "1110"), False),
        (("1111",), ("1000", "1000"), None),
        (("1111", "1111"), ("1000",), None),
    ],
)
def test_beyond_the_seeds_is_lowest_above_highest(first: Any, second: Any, expected: bool | None) -> None:
    sides = [{str(seed): {"a": digits} for seed, digits in enumerate(side)} for side in (first, second)]
    found = compare_arms(sides[0], sides[1], ["a"])
    assert found is not None
    assert found.is_beyond_seeds is expected


def test_p_values_are_adjusted_for_the_arms_that_were_measured() -> None:
    right = {
        "ours": {"0": {"a": "111111"}},
        "plain": {"0": {"a": "000000"}},  # six rows ahead: 2/64
        "wordnet": {"0": {"a": "100000"}},  # five: 2/32
    }
    found = compare_with_others(right, "ours", ["plain", "wordnet", "duplicates"], ["a"])
    assert found["duplicates"] is None
    assert [found[arm].adjusted_p_value for arm in ("plain", "wordnet")] == pytest.approx([2 * 2 / 64, 2 / 32])  # type: ignore[union-attr]


def test_sets_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same rows on both sides, got 2 and 1"):
        compare_arms({"0": {"a": "11"}}, {"0": {"a": "1"}}, ["a"])


def test_digits_of_another_set_are_left_out() -> None:
    sets = {"a": {"rows": 2}, "b": {"rows": 3}}
    right = {"ours": {"0": {"a": "11", "b": "11", "c": "1"}, "1": {"b": "101"}}}
    assert matching_digits(right, sets) == {"ours": {"0": {"a": "11"}, "1": {"b": "101"}}}


def test_sets_of_a_kind_make_one_figure_and_other_sets_one_each() -> None:
    kinds = {"snli": "clean", "bae": "unseen", "sick": "other", "pwws": "unseen", "mnli": "other"}
    found = set_groups({name: {"kind": kind} for name, kind in kinds.items()})
    assert found == {"clean": ["snli"], "unseen": ["bae", "pwws"], "sick": ["sick"], "mnli": ["mnli"]}
