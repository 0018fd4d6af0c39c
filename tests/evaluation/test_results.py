"""Files of a run: round trip, bytes, torn lines, a real kill, and settings that differ."""

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from textsem.evaluation.results import (
    RESULTS_NAME,
    SETTINGS_NAME,
    ResultsWriter,
    begin_run,
    completed_prefix,
    read_results,
    resume_run,
)
from textsem.outputs import AttackResult

SETTINGS = {"settings": {"access": "score", "max_queries": 100, "scales": (0.1, 0.2)}, "seed": 3}


def made_up(index: int) -> AttackResult:
    return AttackResult(
        index,
        "Zwei Männer „spielen“\u2028draußen.",
        f"A man\nplays {index}",
        "neutral",
        "neutral",
        "success",
        adversarial="A boy plays",
        adversarial_prediction="entailment",
        scores={"original": {"neutral": 0.75, "entailment": 0.25}, "adversarial": {"entailment": 0.5, "neutral": 0.5}},
        queries=index,
        distance=1.25,
        edits=1,
    )


RESULTS = [made_up(i) for i in range(7)]


def write(path: Path, results: list[AttackResult]) -> None:
    with ResultsWriter(path) as writer:
        writer.write(results)


def test_results_survive_the_file(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", RESULTS)
    assert read_results(tmp_path / "r.jsonl") == RESULTS


def test_chunks_do_not_show_in_the_bytes(tmp_path: Path) -> None:
    write(tmp_path / "whole.jsonl", RESULTS)
    for part in (RESULTS[:2], RESULTS[2:3], [], RESULTS[3:]):
        write(tmp_path / "parts.jsonl", part)
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_torn_last_line_is_cut_and_the_file_continues_byte_for_byte(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "r.jsonl"
    write(path, RESULTS)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with pytest.raises(ValueError, match="torn"):
        ResultsWriter(path)
    done = completed_prefix(path)
    assert done == RESULTS[:6]
    write(path, RESULTS[6:])
    assert path.read_bytes() == whole


def test_killed_process_loses_no_written_chunk(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, signal, sys
        from textsem.evaluation.results import ResultsWriter
        from textsem.outputs import AttackResult
        writer = ResultsWriter(sys.argv[1])
        writer.write([AttackResult(i, "p", "h", "neutral", "neutral", "failed") for i in range(5)])
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    path = tmp_path / "r.jsonl"
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [r.index for r in completed_prefix(path)] == [0, 1, 2, 3, 4]


def test_damage_before_the_last_line_is_no_interruption(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write(path, RESULTS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:30] + b"\n", *lines[2:]]))
    with pytest.raises(ValueError, match="JSON line 1"):
        completed_prefix(path)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(ValueError, match="expected line 1 to be whole and in order, got 2"):
        completed_prefix(path)
    path.write_text('{"index": 0}\n')
    with pytest.raises(ValueError, match="expected fields"):
        read_results(path)


def test_input_order_is_kept(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "r.jsonl") as writer:
        writer.write(RESULTS[:2])
        with pytest.raises(ValueError, match="expected the result of pair 2 next, got 3"):
            writer.write(RESULTS[3:])


def test_resume_returns_what_is_done(tmp_path: Path) -> None:
    assert resume_run(tmp_path, SETTINGS) == []
    write(tmp_path / RESULTS_NAME, RESULTS)
    assert resume_run(tmp_path, SETTINGS) == RESULTS
    (tmp_path / "report.html").write_text("old")
    begin_run(tmp_path, SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == [SETTINGS_NAME]


def test_resume_names_the_setting_that_differs(tmp_path: Path) -> None:
    begin_run(tmp_path, SETTINGS)
    other = {"settings": {"access": "score", "max_queries": 50, "scales": (0.1, 0.2)}, "seed": 3}
    with pytest.raises(ValueError, match=r"expected settings\.max_queries 100 .* got 50"):
        resume_run(tmp_path, other)
    with pytest.raises(ValueError, match="expected data None"):
        resume_run(tmp_path, {**SETTINGS, "data": {"name": "snli"}})
    (tmp_path / SETTINGS_NAME).unlink()
    write(tmp_path / RESULTS_NAME, RESULTS)
    with pytest.raises(ValueError, match="beside"):
        resume_run(tmp_path, SETTINGS)


def test_lines_that_are_there_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "whole.jsonl", RESULTS)
    for chunk in (RESULTS[:3], RESULTS[:3], RESULTS[2:6], RESULTS):
        write(tmp_path / "r.jsonl", chunk)
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_number_that_is_not_finite_costs_no_other_line(tmp_path: Path) -> None:
    bad = replace(RESULTS[3], distance=float("nan"))
    write(tmp_path / "r.jsonl", [*RESULTS[:3], bad, *RESULTS[4:]])
    results = read_results(tmp_path / "r.jsonl")
    assert [r.index for r in results if r.status == "error"] == [3]
    assert [r for r in results if r.status != "error"] == [*RESULTS[:3], *RESULTS[4:]]


def test_broken_settings_are_named(tmp_path: Path) -> None:
    begin_run(tmp_path, SETTINGS)
    (tmp_path / SETTINGS_NAME).write_text("{")
    with pytest.raises(ValueError, match=f"expected whole JSON in {tmp_path / SETTINGS_NAME}"):
        resume_run(tmp_path, SETTINGS)


def test_new_run_removes_the_parts_of_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "results.part-0-1.jsonl", RESULTS)
    with pytest.raises(ValueError, match="cannot tell what made them"):
        resume_run(tmp_path, SETTINGS)
    begin_run(tmp_path, SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == [SETTINGS_NAME]


def test_parts_lose_their_torn_lines_when_a_run_is_continued(tmp_path: Path) -> None:
    begin_run(tmp_path, SETTINGS)
    part = tmp_path / "results.part-1-1.jsonl"
    write(part, RESULTS[:2])
    whole = part.read_bytes()
    part.write_bytes(whole + b'{"index": 2, "pre')
    assert resume_run(tmp_path, SETTINGS) == []
    assert part.read_bytes() == whole
