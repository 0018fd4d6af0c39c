import io
from collections.abc import Sequence

import pytest

from textsem.attacks.progress import AttackProgress
from textsem.outputs import AttackResult, Status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def results(*statuses: Status, label: str = "neutral") -> Sequence[AttackResult]:
    """Return results of pairs that the target had right, save those skipped."""
    return [
        AttackResult(i, "p", "h", label, "entailment" if status == "skipped" else label, status)
        for i, status in enumerate(statuses)
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_line_tells_pairs_success_of_the_attacked_rows_and_time_left(clock: Clock) -> None:
    progress = AttackProgress(8, stream=io.StringIO(), clock=clock)
    clock.now += 20
    # Three of four were attacked: an error after a right answer counts, a pair that the target had wrong does not.
    progress.update(4, results("success", "failed", "error", "skipped"), 50)
    assert progress.line() == "4/8 pairs (50%) [00:20, 00:20 left, 1 of 3 fell (33.3%), 2.5 rows/s]"


def test_not_entailment_counts_as_right_where_the_target_says_neutral(clock: Clock) -> None:
    progress = AttackProgress(1, stream=io.StringIO(), clock=clock)
    progress.update(1, [AttackResult(0, "p", "h", "not_entailment", "neutral", "success")], 1)
    assert progress.figures().startswith("1 of 1 fell (100.0%)")


def test_pairs_of_an_earlier_process_do_not_count_as_speed(clock: Clock) -> None:
    progress = AttackProgress(100, stream=io.StringIO(), clock=clock)
    progress.skip(80)
    clock.now += 10
    progress.update(10, results("failed"), 1)
    # 10 pairs in 10 s leave 10 s for the other ten, not the 1.1 s of 90 pairs in 10 s.
    assert progress.line().startswith("90/100 pairs (90%) [00:10, 00:10 left")


def test_run_of_unknown_length_has_no_time_left(clock: Clock) -> None:
    progress = AttackProgress(None, stream=io.StringIO(), clock=clock)
    clock.now += 65
    progress.update(3, results("failed", "failed", "success"), 650)
    assert progress.line() == "3 pairs [01:05, 1 of 3 fell (33.3%), 10 rows/s]"


def test_log_gets_a_line_at_most_every_thirty_seconds_and_a_last_one(clock: Clock) -> None:
    log = io.StringIO()
    with AttackProgress(100, stream=log, clock=clock) as progress:
        for second in range(1, 71):
            clock.now += 1
            progress.update(1, results("failed"), second)
    told = [line.partition(" ")[0] for line in log.getvalue().splitlines()]
    assert told == ["30/100", "60/100", "70/100"]
    assert "\r" not in log.getvalue()


def test_rows_within_a_chunk_are_told_too(clock: Clock) -> None:
    log = io.StringIO()
    with AttackProgress(100, stream=log, clock=clock) as progress:
        clock.now += 31
        progress.tick(62)
        assert log.getvalue() == "0/100 pairs (0%) [00:31, ? left, 0 of 0 fell, 2.0 rows/s]\n"


def test_short_run_leaves_no_line_in_a_log(clock: Clock) -> None:
    log = io.StringIO()
    with AttackProgress(2, stream=log, clock=clock) as progress:
        clock.now += 29
        progress.update(2, results("failed", "success"), 3)
    assert log.getvalue() == ""


@pytest.mark.parametrize("total", [4, None])
def test_terminal_gets_one_line_that_is_written_over(total: int | None) -> None:
    terminal = Terminal()
    with AttackProgress(total, stream=terminal) as progress:
        progress.skip(1)
        progress.update(1, results("success"), 7)
        progress.update(2, results("failed", "skipped"), 9)
    shown = terminal.getvalue()
    assert shown.count("\n") == 1
    assert shown.endswith("\n")
    last = shown.rstrip().rpartition("\r")[2]
    assert "1 of 2 fell (50.0%)" in last
    assert ("4/4 pairs" if total else "4 pairs") in last


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_nothing_is_shown_where_nobody_asked(stream: io.StringIO, clock: Clock) -> None:
    with AttackProgress(4, is_shown=False, stream=stream, clock=clock) as progress:
        clock.now += 1000
        progress.update(4, results("failed"), 9)
    assert stream.getvalue() == ""
    assert progress.pairs == 4
