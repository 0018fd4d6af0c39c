"""Rates, intervals and counts against hand counts, closed forms, scipy and published values."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from textsem.evaluation.metrics import success_by_distance, success_by_queries, summarise
from textsem.outputs import AttackResult
from textsem.runs.intervals import ks_statistic, wilson_interval

RIGHT = AttackResult(0, "p", "h", "neutral", "neutral", "failed", queries=100)
SUCCESS = replace(
    RIGHT, status="success", adversarial="h2", adversarial_prediction="entailment", queries=1, distance=0.7, edits=1
)


NOT = "not_entailment"


def ten_results() -> list[AttackResult]:
    """Six pairs the target had right (three fall), two it had wrong, two it was never asked about."""
    lines = [
        SUCCESS,
        replace(SUCCESS, queries=5, distance=1.4, edits=2),
        replace(SUCCESS, queries=30, distance=2.1, edits=2, label="entailment", prediction="entailment",
                adversarial_prediction="neutral"),
        RIGHT,
        replace(RIGHT, status="unsupported", queries=0),
        replace(RIGHT, status="error", queries=7, message="boom"),
        replace(RIGHT, status="skipped", prediction="entailment", queries=0),
        replace(RIGHT, status="unsupported", prediction="entailment", queries=0),
        replace(RIGHT, status="unsupported", prediction=None, queries=0),
        replace(RIGHT, status="error", prediction=None, queries=0, message="boom"),
    ]  # fmt: skip
    return [replace(line, index=i) for i, line in enumerate(lines)]


def test_every_rate_of_ten_results_equals_the_hand_count() -> None:
    summary = summarise(ten_results())
    assert summary["n"] == 10
    assert summary["attacked"] == 6  # too long and broken ones among the pairs that the target had right stay in
    assert summary["successes"] == 3
    assert summary["target_accuracy"] == 6 / 8
    assert summary["attack_success_rate"] == 3 / 6
    assert summary["attack_success_interval"] == list(wilson_interval(3, 6))
    assert summary["success_rate_of_all"] == 3 / 10
    assert summary["statuses"] == {"success": 3, "failed": 1, "skipped": 1, "unsupported": 3, "error": 2}
    queries = summary["queries"]
    assert queries["mean"] == pytest.approx((1 + 5 + 30 + 100 + 0 + 7) / 6)
    assert queries["median"] == 6
    assert queries["total"] == 143
    assert queries["success_at"] == {"1": 1 / 6, "5": 2 / 6, "20": 2 / 6, "100": 3 / 6}
    assert summary["edits"] == {"mean": pytest.approx(5 / 3), "median": 2, "max": 2, "distribution": {"1": 1, "2": 2}}
    assert summary["distance"]["median"] == 1.4
    assert summary["by_label"]["entailment"]["attack_success_rate"] == 1
    assert summary["by_label"]["neutral"]["attacked"] == 5
    assert summary["by_label"]["neutral"]["successes"] == 2
    json.dumps(summary, allow_nan=False)


TWO_CLASS_LINES = [
    # A target with two classes and gold labels of three: right, and flipped.
    replace(SUCCESS, label="neutral", prediction=NOT, adversarial_prediction="entailment"),
    replace(RIGHT, label="contradiction", prediction=NOT),
    replace(SUCCESS, label="entailment", prediction="entailment", adversarial_prediction=NOT),
    replace(RIGHT, status="skipped", label="entailment", prediction=NOT, queries=0),
    # A target with three classes and gold labels of two.
    replace(SUCCESS, label=NOT, prediction="contradiction", adversarial_prediction="entailment"),
    replace(RIGHT, label=NOT, prediction="neutral"),
    replace(RIGHT, status="skipped", label=NOT, prediction="entailment", queries=0),
    # Never asked: a label of the data that is one, and two that are none.
    replace(RIGHT, status="error", label=NOT, prediction=None, queries=0, message="blank"),
    replace(RIGHT, status="error", label="unrelated", prediction=None, queries=0, message="no such label"),
    replace(RIGHT, status="error", label="", prediction=None, queries=0, message="no such row"),
]


def test_right_is_a_label_that_agrees() -> None:
    summary = summarise([replace(line, index=i) for i, line in enumerate(TWO_CLASS_LINES)])
    assert (summary["n"], summary["attacked"], summary["successes"]) == (10, 5, 3)
    assert summary["target_accuracy"] == 5 / 7
    counts = {label: (of["successes"], of["attacked"]) for label, of in summary["by_label"].items()}
    assert counts == {"contradiction": (0, 1), "entailment": (1, 1), "neutral": (1, 1), NOT: (1, 2)}
    assert success_by_queries(TWO_CLASS_LINES, [1]) == [(1, 3 / 5)]
    assert success_by_distance(TWO_CLASS_LINES, [1.0]) == [(1.0, 3 / 5)]


class ReadOnce(Sequence[AttackResult]):
    """Lines of a file that are read anew each time; counts how often."""

    def __init__(self, lines: Sequence[AttackResult]) -> None:
        self.lines, self.passes = lines, 0

    def __iter__(self) -> Iterator[AttackResult]:
        self.passes += 1
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, place: Any) -> Any:
        raise AssertionError("expected one pass over the lines, not this or that one")


def test_lines_are_gone_through_once() -> None:
    lines = ReadOnce(ten_results())
    assert summarise(lines) == summarise(ten_results())
    assert lines.passes == 1


def test_order_of_results_changes_nothing() -> None:
    assert summarise(ten_results()[::-1]) == summarise(ten_results())


def test_success_grows_with_distance_and_counts_the_distance_itself() -> None:
    curve = success_by_distance(ten_results(), [0.0, 0.699, 0.7, 2.0, 9.0])
    assert curve == [(0.0, 0), (0.699, 0), (0.7, 1 / 6), (2.0, 2 / 6), (9.0, 3 / 6)]


def test_distance_zero_gives_no_success_even_at_distance_zero() -> None:
    at_zero = [replace(SUCCESS, distance=0.0)]
    assert success_by_distance(at_zero, [0.0, 0.1]) == [(0.0, 0), (0.1, 1)]


def test_success_within_a_budget_counts_the_budget_itself() -> None:
    assert success_by_queries(ten_results(), [4, 5]) == [(4, 1 / 6), (5, 2 / 6)]


def test_no_results_give_no_rates() -> None:
    summary = summarise([])
    assert summary["attack_success_rate"] is None
    assert summary["target_accuracy"] is None
    assert summary["attack_success_interval"] == [0.0, 1.0]
    assert summary["queries"]["median"] is None
    assert summary["edits"]["median"] is None


@pytest.mark.parametrize(
    "line",
    [
        replace(SUCCESS, prediction="entailment"),
        replace(SUCCESS, adversarial_prediction="neutral"),
        replace(SUCCESS, adversarial=None),
        replace(RIGHT, prediction=None),
        replace(RIGHT, status="skipped"),
        replace(RIGHT, status="done"),  # type: ignore[arg-type]
        # Labels that agree are no flip, and no mistake.
        replace(SUCCESS, label=NOT, adversarial_prediction="contradiction"),
        replace(SUCCESS, label="contradiction", prediction=NOT, adversarial_prediction=NOT),
        replace(RIGHT, status="skipped", label=NOT),
        replace(RIGHT, label="entailment", prediction=NOT),
        replace(RIGHT, label=NOT, prediction=None),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(line: AttackResult) -> None:
    with pytest.raises(ValueError, match="in line 0"):
        summarise([line])


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(counts: tuple[int, int], confidence: float) -> None:
    k, n = counts
    expected = stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_solves_its_equation() -> None:
    z = 1.959963984540054
    for bound in wilson_interval(7, 40):  # |p - bound| = z standard errors taken at the bound
        assert abs(7 / 40 - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / 40), rel=1e-12)


def test_wilson_at_the_ends() -> None:
    assert wilson_interval(0, 50)[0] == 0
    assert wilson_interval(50, 50)[1] == 1
    assert wilson_interval(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="got 3 of 2"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, 1.0)


def test_ks_statistic_agrees_with_scipy_and_closed_forms() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=211), np.round(rng.normal(0.4, 1.3, size=97), 1)
    assert ks_statistic(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    assert ks_statistic([1, 2, 3], [1, 2, 3]) == 0
    assert ks_statistic([1, 2], [3, 4]) == 1
    with pytest.raises(ValueError, match="got 0 and 1"):
        ks_statistic([], [1])
