"""Runs of one process and of several: the same bytes, whatever was cut off, continued by however many."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attacks.fakes import FakeChunk, FakeSource, FakeTarget, fake_data
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.evaluation.result_lines import to_line
from textsem.evaluation.results import SETTINGS_NAME
from textsem.evaluation.run_lines import RunLines, open_run
from textsem.outputs import AttackResult
from textsem.processes import Processes

SETTINGS = {"seed": 3}
NUM_PAIRS, SIZE = 50, 8
RESULTS = [AttackResult(i, f"p {i}", "h", "neutral", "neutral", "failed", queries=i) for i in range(NUM_PAIRS)]
CHUNKS = [
    FakeChunk(start, [r.premise for r in part], [r.hypothesis for r in part], [r.label for r in part])
    for start in range(0, NUM_PAIRS, SIZE)
    for part in [RESULTS[start : start + SIZE]]
]
WHOLE = b"".join(map(to_line, RESULTS))


class Killed(Exception):
    """Stands in for the end of a process."""


class Meeting:
    """Where threads wait for each other, as processes do; a wait for a dead one ends with an error."""

    def __init__(self, count: int) -> None:
        self.count, self.is_broken = count, False
        self.arrived: Counter[int] = Counter()
        self.changed = threading.Condition()

    def waiter(self) -> Callable[[], object]:
        numbers = itertools.count()

        def wait() -> None:
            number = next(numbers)
            with self.changed:
                self.arrived[number] += 1
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.is_broken or self.arrived[number] == self.count, timeout=20)
                if self.arrived[number] < self.count:
                    raise threading.BrokenBarrierError

        return wait

    def leave(self) -> None:
        with self.changed:
            self.is_broken = True
            self.changed.notify_all()


def as_processes(count: int, work: Callable[[Processes, Callable[[], object]], None]) -> list[BaseException]:
    """Run a function in as many threads as there are processes, which wait for each other; return what they raised."""
    meeting, raised = Meeting(count), []

    def one(rank: int) -> None:
        try:
            work(Processes(rank, count), meeting.waiter())
        except BaseException as error:
            raised.append(error)
            meeting.leave()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [error for error in raised if not isinstance(error, threading.BrokenBarrierError)]


def attack(lines: RunLines, *, seen: list[int] | None = None, last: int | None = None) -> None:
    """Write the results of the chunks that are not to be skipped, up to the last one."""
    for chunk in CHUNKS:
        if not lines.skip(chunk):
            if last is not None and chunk.start > last:
                raise Killed
            if seen is not None:
                seen.append(chunk.start)
            lines.write(RESULTS[chunk.start : chunk.start + SIZE])


def run(folder: Path, count: int = 1, *, resume: bool = False, last: Sequence[int | None] = ()) -> list[int]:
    """Run with so many processes, each killed after a chunk; return the starts of the chunks that were attacked."""
    seen: list[int] = []
    added: list[int] = []
    lines = [line for path in folder.glob("results*") for line in path.read_bytes().splitlines(keepends=True)]
    there = {json.loads(line)["index"] for line in lines if line.endswith(b"\n")} if resume else set()
    ends = [*last, *[None] * (count - len(last))]

    def one(processes: Processes, wait: Callable[[], object]) -> None:
        with open_run(folder, SETTINGS, resume=resume, processes=processes, wait=wait) as lines:
            attack(lines, seen=seen, last=ends[processes.rank])
            assert lines.finish() == RESULTS
            added.append(lines.num_added)

    raised = as_processes(count, one)
    assert all(isinstance(error, Killed) for error in raised), raised
    assert bool(raised) == bool(last)
    assert set(added) == (set() if last else {NUM_PAIRS - len(there)})
    return sorted(seen)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_any_number_of_processes_leaves_the_same_file(tmp_path: Path, count: int) -> None:
    assert run(tmp_path, count) == [chunk.start for chunk in CHUNKS]
    assert (tmp_path / "results.jsonl").read_bytes() == WHOLE
    assert names(tmp_path) == {"results.jsonl", SETTINGS_NAME}


@pytest.mark.parametrize("resumed_by", [1, 2, 3])
def test_lines_after_a_gap_are_kept(tmp_path: Path, resumed_by: int) -> None:
    run(tmp_path, 2, last=[-1])
    assert names(tmp_path) == {"results.part-1-1.jsonl", SETTINGS_NAME}
    assert run(tmp_path, resumed_by, resume=True) == [0, 16, 32, 48]
    assert (tmp_path / "results.jsonl").read_bytes() == WHOLE
    assert names(tmp_path) == {"results.jsonl", SETTINGS_NAME}


def test_run_that_is_cut_off_again_and_again_keeps_every_line(tmp_path: Path) -> None:
    assert run(tmp_path, 1, last=[0]) == [0]
    assert run(tmp_path, 3, resume=True, last=[30, -1]) == [16, 24, 40]
    assert run(tmp_path, 1, resume=True, last=[8]) == [8]
    assert names(tmp_path) == {
        *{"results.jsonl", "results.part-0-1.jsonl", "results.part-2-1.jsonl", "results.part-0-2.jsonl"},
        SETTINGS_NAME,
    }
    assert run(tmp_path, 2, resume=True) == [32, 48]
    assert (tmp_path / "results.jsonl").read_bytes() == WHOLE


def test_finished_run_is_not_attacked_again(tmp_path: Path) -> None:
    run(tmp_path, 2)
    # A kill after the merge, before the parts were removed.
    (tmp_path / "results.part-1-1.jsonl").write_bytes(b"".join(map(to_line, RESULTS[8:16])))
    assert run(tmp_path, 2, resume=True) == []
    assert (tmp_path / "results.jsonl").read_bytes() == WHOLE
    assert names(tmp_path) == {"results.jsonl", SETTINGS_NAME}


@settings(max_examples=60, deadline=None)
@given(
    owners=st.lists(st.integers(0, 3), min_size=NUM_PAIRS, max_size=NUM_PAIRS),
    prefix=st.integers(0, NUM_PAIRS),
    torn=st.integers(0, 40),
    count=st.integers(1, 3),
)
def test_whatever_lines_there_are_only_chunks_that_lack_one_are_attacked(
    owners: list[int], prefix: int, torn: int, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    open_run(folder, SETTINGS, resume=False).close()
    # Owner 3 is nobody.
    kept = [set(range(prefix)), *({i for i, of in enumerate(owners) if of == owner} for owner in range(3))]
    for name, indices in zip(
        ("results", "results.part-0-1", "results.part-0-2", "results.part-5-1"), kept, strict=True
    ):
        lines = [to_line(RESULTS[i]) for i in sorted(indices)]
        (folder / f"{name}.jsonl").write_bytes(b"".join(lines) + to_line(RESULTS[-1])[:torn])
    there = set.union(*kept)
    lacking = [c.start for c in CHUNKS if not there.issuperset(range(c.start, c.start + len(c.premises)))]
    assert run(folder, count, resume=True) == lacking
    assert (folder / "results.jsonl").read_bytes() == WHOLE


@pytest.mark.parametrize("count", [1, 2])
def test_attack_writes_what_one_process_would(tmp_path: Path, count: int) -> None:
    data, config = fake_data(60), AttackConfig(max_queries=30, eps=2.5, chunk_size=8)
    rows: list[tuple[str, str]] = []

    def one(processes: Processes, wait: Callable[[], object], folder: Path) -> None:
        target = FakeTarget()
        with open_run(folder, SETTINGS, resume=False, processes=processes, wait=wait) as lines:
            run_attack(data, target, CandidateAttack(FakeSource(), config), lines, skip=lines.skip)
            assert [result.index for result in lines.finish()] == list(range(60))
        rows.extend(target.rows)

    one(Processes(), lambda: None, tmp_path / "alone")
    alone = (tmp_path / "alone" / "results.jsonl").read_bytes()
    expected = sorted(rows)
    rows.clear()
    assert not as_processes(count, lambda processes, wait: one(processes, wait, tmp_path / "run"))
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == alone
    assert sorted(rows) == expected


def test_other_data_are_refused(tmp_path: Path) -> None:
    run(tmp_path, 1, last=[8])
    with open_run(tmp_path, SETTINGS, resume=True) as lines:
        lines.skip(CHUNKS[0])
        with pytest.raises(ValueError, match="expected pair 11 of the data as in the run to be resumed, got another"):
            lines.skip(replace(CHUNKS[1], hypotheses=[*"hhh", "other", *"hhhh"]))


def test_label_that_the_target_gave_needs_no_label_in_the_data(tmp_path: Path) -> None:
    run(tmp_path, 1, last=[0])
    with open_run(tmp_path, SETTINGS, resume=True) as lines:
        assert lines.skip(replace(CHUNKS[0], labels=[None] * SIZE))


def test_lone_surrogates_do_not_make_other_data(tmp_path: Path) -> None:
    texts = ["two that are one: \ud83d\ude00", "one: \U0001f600", "alone: \ud83d", "\ude00\ud83d"]
    chunk = FakeChunk(0, texts, texts, ["neutral"] * 4)
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        lines.skip(chunk)
        lines.write([AttackResult(i, t, t, "neutral", "neutral", "failed") for i, t in enumerate(texts)])
        lines.finish()
    with open_run(tmp_path, SETTINGS, resume=True) as lines:
        assert lines.skip(chunk)


def test_more_lines_than_pairs_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    run(tmp_path, 2, last=[None, 8])
    with pytest.raises(ValueError, match=r"expected at most 49 completed lines, .* got one about pair 49 in "):
        open_run(tmp_path, SETTINGS, resume=True, num_pairs=49)
    with open_run(tmp_path, SETTINGS, resume=True) as lines:
        for chunk in CHUNKS[:2]:
            lines.skip(chunk)
        with pytest.raises(ValueError, match=r"expected at most 16 completed lines, .*resume with as many pairs"):
            lines.finish()


@pytest.mark.parametrize("count", [1, 2])
def test_more_pairs_than_before_are_taken(tmp_path: Path, count: int) -> None:
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        part = replace(CHUNKS[0], premises=CHUNKS[0].premises[:5], hypotheses=CHUNKS[0].hypotheses[:5])
        lines.skip(part)
        lines.write(RESULTS[:5])
        lines.finish()
    assert run(tmp_path, count, resume=True) == [chunk.start for chunk in CHUNKS]
    assert (tmp_path / "results.jsonl").read_bytes() == WHOLE


def test_results_out_of_order_are_refused(tmp_path: Path) -> None:
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        lines.write(RESULTS[:3])
        with pytest.raises(ValueError, match="expected the result of a pair after 2, got 1"):
            lines.write(RESULTS[1:4])


def test_run_without_pairs_leaves_an_empty_file(tmp_path: Path) -> None:
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        assert list(lines.finish()) == []
    assert (tmp_path / "results.jsonl").read_bytes() == b""


def test_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        lines.skip(CHUNKS[0])
        lines.write(RESULTS[:SIZE])
        for resume in (False, True):
            with pytest.raises(ValueError, match="expected a folder that no other run writes to"):
                open_run(tmp_path, SETTINGS, resume=resume)
        assert lines.finish() == RESULTS[:SIZE]
    with pytest.raises(ValueError, match="expected seed 3"):
        open_run(tmp_path, {"seed": 4}, resume=True)
    open_run(tmp_path, SETTINGS, resume=True).close()


def test_missing_chunk_is_told(tmp_path: Path) -> None:
    with open_run(tmp_path, SETTINGS, resume=False) as lines:
        for chunk in CHUNKS[:2]:
            lines.skip(chunk)
        lines.write(RESULTS[:8])
        with pytest.raises(ValueError, match="expected 16 lines, one a pair, got 8"):
            lines.finish()


def test_other_settings_are_refused_in_every_process(tmp_path: Path) -> None:
    run(tmp_path, 2, last=[8])
    raised = as_processes(
        2, lambda processes, wait: open_run(tmp_path, {"seed": 4}, resume=True, processes=processes, wait=wait).close()
    )
    assert [str(error) for error in raised] == ["expected seed 3 as in the run to be resumed, got 4"]
