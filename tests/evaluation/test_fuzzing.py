import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from textsem import pipeline
from textsem.commands.console import main
from textsem.evaluation import fuzzing
from textsem.evaluation.fuzzing import Fuzz, FuzzConfig, fuzz, fuzz_table, unescaped_markup
from textsem.evaluation.hostile_rows import MARKUP, ORDINARY, draw_rows
from textsem.evaluation.result_lines import to_line
from textsem.outputs import STATUSES, AttackResult

NUM_ROWS = 36
SCORES = {"original": {"entailment": 0.8, "neutral": 0.1, "contradiction": 0.1}}
LINE = AttackResult(0, "A man sleeps.", f"He {MARKUP} rests.", "neutral", "entailment", "skipped", scores=SCORES)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> FuzzConfig:
    """Run the commands in this process, which has loaded everything."""

    def run(command: list[str], **options: Any) -> Any:
        capfd.readouterr()
        code = main(command[3:])
        return SimpleNamespace(returncode=code, stderr=capfd.readouterr().err.encode())

    monkeypatch.setattr("textsem.evaluation.fuzzing.subprocess.run", run)
    monkeypatch.setattr("textsem.evaluation.fuzzing.FEWEST", NUM_ROWS)
    return FuzzConfig(str(tmp_path), rows=NUM_ROWS, max_queries=3, num_candidates=8)


@pytest.mark.slow
def test_hostile_rows_cost_no_row(config: FuzzConfig) -> None:
    found = fuzz(config, pipeline)
    assert [(check.name, check.problem) for check in found.problems] == []
    assert sum(sum(counts.values()) for counts in found.table.values()) == NUM_ROWS
    assert set(found.table[ORDINARY]) <= {"success", "failed", "skipped", "unsupported"}
    written = json.loads(Path(config.output, "fuzz.json").read_text())
    assert written["table"] == found.table
    assert len(written["checks"]) == len(found.checks) > 35
    assert f"{len(found.checks)} of {len(found.checks)} checks hold" in fuzz_table(found)


SUMMARY = {"data": {"dropped_unlabelled": 0}, "statuses": dict.fromkeys(STATUSES, 0) | {"failed": 2, "error": 1}}
LINES = [
    AttackResult(
        i, "", "", "neutral", None if message else "neutral", "error" if message else "failed", message=message
    )
    for i, message in enumerate([None, "expected text as premise in row 2, got None", None])
]


@pytest.mark.parametrize(
    ("lines", "summary", "page", "problem"),
    [
        (LINES, SUMMARY, "</html>", None),
        (LINES[:2], SUMMARY, "</html>", "every row is accounted for"),
        (LINES, {**SUMMARY, "data": {"dropped_unlabelled": 1}}, "</html>", "every row is accounted for"),
        ([LINES[0], replace(LINES[1], message=" "), LINES[2]], SUMMARY, "</html>", "every error has a message"),
        ([LINES[0], replace(LINES[1], message="KeyError: 3"), LINES[2]], SUMMARY, "</html>", "every error is about"),
        ([*LINES[:2], replace(LINES[2], premise="Another.")], SUMMARY, "</html>", "lines stand in order"),
        (LINES, {**SUMMARY, "statuses": {}}, "</html>", "the summary counts the lines"),
        (LINES, SUMMARY, f"{MARKUP}</html>", "the page is whole"),
        (LINES, SUMMARY, "<html>", "the page is whole"),
    ],
)
def test_defects_of_a_run_are_found(
    lines: list[AttackResult],
    summary: dict[str, Any],
    page: str,
    problem: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leave(name: str, arguments: list[str], config: FuzzConfig, found: Fuzz) -> bool:
        folder = Path(arguments[arguments.index("--output") + 1])
        folder.mkdir()
        (folder / "results.jsonl").write_bytes(b"".join(map(to_line, lines)))
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "report.html").write_text(page)
        return True

    monkeypatch.setattr("textsem.evaluation.fuzzing._command", leave)
    found, rows = Fuzz(), draw_rows(9, seed=0)[:3]
    fuzzing._attack("run", tmp_path / "data", rows, FuzzConfig(str(tmp_path)), found)
    names = [check.name.removeprefix("run: ") for check in found.problems]
    assert len(names) == (problem is not None)
    assert all(name.startswith(problem or "") for name in names)


def test_line_in_another_s_place_is_found() -> None:
    rows = [row for row in draw_rows(9, seed=0) if row.kind == ORDINARY]
    texts = [(str((row.values or {})["premise"]), str((row.values or {})["hypothesis"])) for row in rows]
    lines = [AttackResult(i, *text, "neutral", "neutral", "failed") for i, text in enumerate(texts)]
    assert list(fuzzing._misplaced(rows, lines)) == []
    assert list(fuzzing._misplaced(rows, [replace(lines[0], premise="Another."), *lines[1:]]))
    assert list(fuzzing._misplaced(rows, [replace(lines[0], index=1), *lines[1:]]))
    assert fuzzing._difference(rows, lines, lines) is None
    assert fuzzing._difference(rows, lines, lines[1:]) == "3 among others, 2 alone"
    assert fuzzing._difference(rows, lines, [replace(lines[0], queries=1), *lines[1:]]) == "1 differ, such as [0]"


@pytest.mark.parametrize(
    ("message", "is_ours"),
    [
        ("expected text in row 1, got None", True),
        ("RuntimeError: shapes", False),
        ("expected a\nb", False),
        ("", False),
    ],
)
def test_messages_of_our_own_are_told_from_defects(message: str, is_ours: bool) -> None:
    assert fuzzing._tells(message) == is_ours


def test_page_escapes_markup_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    assert unescaped_markup([LINE], path) is None
    assert unescaped_markup([], path) is None
    monkeypatch.setattr("textsem.evaluation.fuzzing.write_report", lambda path, *a, **k: path.write_text("<p>"))
    assert unescaped_markup([LINE], path) == (
        f"no example with &lt;script&gt;alert(&#39;textsem&#39;)&lt;/script&gt; in {path}"
    )
    monkeypatch.setattr("textsem.evaluation.fuzzing.write_report", lambda path, *a, **k: path.write_text(MARKUP))
    assert unescaped_markup([], path) == f"{MARKUP} in {path}"


def test_command_that_hangs_fails_or_says_a_traceback_is_found(tmp_path: Path) -> None:
    config, found = FuzzConfig(str(tmp_path), minutes=0.0001), Fuzz()
    assert not fuzzing._command("info", ["info"], config, found)
    assert [check.name for check in found.problems] == ["info: ends"]
    found = Fuzz()
    assert not fuzzing._command("wrong", ["report", str(tmp_path)], replace(config, minutes=2), found)
    assert [check.name for check in found.problems] == [
        "wrong: says nothing that is not meant for a user",
        "wrong: exit code 0",
    ]
    assert (found.problems[0].problem or "").startswith("error: expected results.jsonl in")


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rows >= 1, got 0"):
        FuzzConfig(rows=0)
    with pytest.raises(ValueError, match="expected minutes > 0, got 0"):
        FuzzConfig(minutes=0)
