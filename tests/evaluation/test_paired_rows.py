"""Paired differences: tests counted out by hand, and against scipy's."""

from itertools import product
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, permutation_test

from textsem.evaluation import paired_rows
from textsem.evaluation.paired_rows import bootstrap_interval, sign_flip_p_value


def floats(*values: float) -> Any:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([floats(1, 1, 1, 1, 1)], 2 / 32),
        ([floats(-1, -1, -1, -1, -1)], 2 / 32),
        ([floats(1, 1, 1, -1)], 10 / 16),
        ([floats(1, 1, 1, 0, 0, 0, 0)], 2 / 8),
        ([floats(0, 0)], 1.0),
        # One row of two sets weighs 1/2, one of two rows of the other 1/4: sums of +-1/2 +-1/4.
        ([floats(1), floats(1, 0)], 2 / 4),
        ([floats(1), floats(-1, 0)], 1.0),
    ],
)
def test_signs_are_counted_out(rows: list[Any], expected: float) -> None:
    assert sign_flip_p_value(rows) == pytest.approx(expected, abs=1e-12)


def test_shares_that_differ_by_rounding_alone_are_ties() -> None:
    # Seven times a third, come by in ways that differ in the last bit: only all plus and all minus reach their sum.
    thirds = floats(1 / 3, 2 / 3 - 1 / 3, 1 - 2 / 3, 1 / 3, 2 / 3 - 1 / 3, 1 - 2 / 3, 1 / 3)
    assert len(set(thirds.tolist())) > 1
    assert sign_flip_p_value([thirds]) == pytest.approx(2 / 128, abs=1e-12)
    # 2/3 - 1/3 - 1/3 is 0, which every flip reaches.
    assert sign_flip_p_value([floats(2 / 3, -1 / 3, 1 / 3 - 2 / 3)]) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_p_value_agrees_with_all_flips_and_with_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-3, 4, size=5) / 3, rng.integers(-3, 4, size=6) / 3
    weighted = np.concatenate([a / 10, b / 12])
    sums = [abs(np.dot(signs, weighted)) for signs in product((1, -1), repeat=11)]
    naive = np.mean([total >= abs(weighted.sum()) - 1e-12 for total in sums])
    assert sign_flip_p_value([a, b]) == pytest.approx(naive)
    # In thirds: scipy counts no ties of sums that rounding keeps from 0.
    whole = (np.round(3 * a),)
    reference = permutation_test(whole, np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p_value([a]) == pytest.approx(reference.pvalue)


def test_drawn_signs_come_near_those_counted_out_and_are_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [np.random.default_rng(3).integers(-2, 4, size=40) / 3]
    counted = sign_flip_p_value(rows)
    monkeypatch.setattr(paired_rows, "_MOST_SUMS", 1)
    drawn = sign_flip_p_value(rows)
    assert drawn != counted
    assert drawn == pytest.approx(counted, abs=4 * sqrt(counted * (1 - counted) / 99_999))
    assert sign_flip_p_value(rows) == drawn
    # No p-value is 0: the signs at hand are among those drawn.
    assert sign_flip_p_value([np.ones(60)]) == pytest.approx(1 / 100_000)


def test_interval_is_that_of_a_proportion() -> None:
    low, high = bootstrap_interval([np.repeat([1.0, 0.0], [40, 60])])
    assert low == pytest.approx(binom.ppf(0.025, 100, 0.4) / 100, abs=0.0101)
    assert high == pytest.approx(binom.ppf(0.975, 100, 0.4) / 100, abs=0.0101)
    assert (low, high) == bootstrap_interval([np.repeat([1.0, 0.0], [40, 60])])
    narrow = bootstrap_interval([np.repeat([1.0, 0.0], [40, 60])], confidence=0.5)
    assert low < narrow[0] < 0.4 < narrow[1] < high


def test_rows_are_drawn_within_their_set_and_sets_weigh_the_same() -> None:
    assert bootstrap_interval([np.ones(1000), np.zeros(10)]) == pytest.approx((0.5, 0.5))
