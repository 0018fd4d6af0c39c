"""Comparisons of two runs against published values, scipy and hand counts."""

import pytest
from scipy import stats

from textsem.runs.comparison import compare_paired, compare_proportions


def test_newcombe_interval_has_its_published_value() -> None:
    # Newcombe 1998, Statistics in Medicine 17, Table II, (a) 56/70 - 48/80, method 10.
    assert compare_proportions(56, 70, 48, 80).interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_p_value_is_the_chi_square_of_the_two_by_two_table() -> None:
    expected = stats.chi2_contingency([[30, 70], [18, 102]], correction=False).pvalue
    assert compare_proportions(30, 100, 18, 120).p_value == pytest.approx(expected, rel=1e-9)


def test_above_means_that_the_intervals_part() -> None:
    assert compare_proportions(300, 1000, 100, 1000).is_above
    assert not compare_proportions(100, 1000, 300, 1000).is_above
    # Significant by the test, and yet the intervals overlap.
    close = compare_proportions(130, 1000, 100, 1000)
    assert close.p_value < 0.05
    assert not close.is_above
    assert compare_proportions(0, 5, 0, 5).p_value == 1
    with pytest.raises(ValueError, match="trials on both sides"):
        compare_proportions(0, 0, 1, 2)


def test_paired_comparison_has_its_hand_count() -> None:
    # Eight pairs only the first, one only the second, two both, one neither: P(K <= 1 or K >= 8), K ~ B(9, 1/2).
    first = [True] * 8 + [False] + [True, True, False]
    second = [False] * 8 + [True] + [True, True, False]
    compared = compare_paired(first, second)
    assert (compared.only_first, compared.only_second) == (8, 1)
    assert compared.difference == pytest.approx(7 / 12)
    assert compared.p_value == pytest.approx(2 * (1 + 9) / 2**9, rel=1e-12)


def test_paired_comparison_turns_round_with_its_sides() -> None:
    first, second = [True, True, False, True], [False, True, True, False]
    there, back = compare_paired(first, second), compare_paired(second, first)
    assert there.difference == -back.difference == 0.25
    assert (there.only_first, there.only_second) == (back.only_second, back.only_first) == (2, 1)
    assert there.p_value == back.p_value


def test_paired_comparison_of_equal_runs_is_no_difference() -> None:
    assert compare_paired([True, False], [True, False]).p_value == 1
    for first, second in (([True], [True, False]), ([], [])):
        with pytest.raises(ValueError, match="the same pairs on both sides"):
            compare_paired(first, second)
