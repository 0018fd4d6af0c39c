"""Tests of timing the pipeline: what a batch is worth, and when a first result is there."""

import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from textsem.data.nli import NliData
from textsem.data.pairs import DataIdentity
from textsem.evaluation import benchmark_pipeline
from textsem.evaluation.benchmark_pipeline import compare_batch_sizes, first_result_seconds, rows_of


def test_first_result_is_timed_until_it_is_printed_and_not_until_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a process does after its result is no waiting for the result."""
    script = "import time; time.sleep(0.3); print('{}', flush=True); time.sleep(0.7)"
    monkeypatch.setattr(benchmark_pipeline, "FIRST_RESULT", script)

    to_result, to_end = first_result_seconds(repeats=1)

    assert to_result >= 0.3
    assert to_end - to_result >= 0.6


@pytest.mark.parametrize("script", ["print('{}', flush=True); raise SystemExit(3)", "pass"])
def test_process_that_fails_or_prints_nothing_gives_no_time(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A time without a result is none."""
    monkeypatch.setattr(benchmark_pipeline, "FIRST_RESULT", script)

    with pytest.raises(subprocess.CalledProcessError):
        first_result_seconds(repeats=1)


class Answers:
    """A pipeline that answers alike at any batch size, unless it is told to look at it."""

    def __init__(self, *, looks: bool = False) -> None:
        self.looks = looks

    def __call__(self, pairs: Any, batch_size: int) -> list[tuple[str, int]]:
        """Return one result for each pair."""
        given = [pairs] if isinstance(pairs, dict) else list(pairs)
        return [(pair["hypothesis"], batch_size if self.looks else 0) for pair in given]


ROWS = [{"premise": "A dog runs.", "hypothesis": f"Dog {i}.", "label": "neutral"} for i in range(3)]


@pytest.mark.parametrize(("looks", "expected"), [(False, [True, True]), (True, [True, False])])
def test_results_of_smaller_batches_are_held_against_those_of_the_largest(looks: bool, expected: list[bool]) -> None:
    """A batch size that changes a result is told."""
    timings = compare_batch_sizes(lambda: Answers(looks=looks), ROWS, [2, 1])

    assert [timing.is_same for timing in timings] == expected
    assert [timing.batch_size for timing in timings] == [2, 1]


@pytest.mark.parametrize(("rows", "sizes"), [([], [2, 1]), (ROWS, [])])
def test_nothing_to_time_is_said(rows: Sequence[dict[str, str]], sizes: list[int]) -> None:
    """Without pairs or sizes there is no figure."""
    with pytest.raises(ValueError, match="expected pairs and batch sizes"):
        compare_batch_sizes(Answers, rows, sizes)


def test_rows_leave_out_pairs_that_could_not_be_read() -> None:
    """A pair with a problem is no pair for the pipeline."""
    data = NliData(
        premises=("A dog runs.", ""),
        hypotheses=("An animal moves.", "A dog."),
        labels=(0, 1),
        dropped_unlabelled=0,
        problems={1: "an empty premise"},
        identity=DataIdentity("rows", None, 2, ""),
    )

    assert rows_of(data) == [{"premise": "A dog runs.", "hypothesis": "An animal moves.", "label": "entailment"}]
