from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.run_folders import RESULTS, finish, write_lines
from textsem.commands import report
from textsem.evaluation.judged_folders import JudgeResultsConfig
from textsem.evaluation.reporting import ReportConfig


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a finished run."""
    folder = write_lines(tmp_path / "run")
    finish(folder)
    return folder


def test_command_writes_the_files_and_names_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(run), "--export", "csv", "--rows", "successes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("7 of 9 pairs that the target had right fell")
    assert lines[1:] == [
        "10 pairs (7 success, 1 failed, 1 skipped, 1 unsupported)",
        *(str(run / name) for name in ("summary.json", "report.html", "results.csv")),
    ]
    assert "7 of 9" in (run / "report.html").read_text()
    assert (run / "results.csv").read_text().count("\n") == 8


def test_run_that_was_cut_off_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path, RESULTS[:2])
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(b"{torn")
    assert report.main([str(tmp_path), "--export", "csv"]) == 0
    assert capsys.readouterr().out.startswith("notice: The run was not at its end")
    assert (tmp_path / "results.csv").read_text().count("\n") == 3


def test_options_reach_the_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ReportConfig] = []

    def remember(config: ReportConfig) -> dict[str, Any]:
        seen.append(config)
        return {"headline": "h", "statuses": {}, "n": 0}

    monkeypatch.setattr("textsem.evaluation.reporting.remake_report", remember)
    line = f"{run} --min-similarity 0.7 --max-perplexity-ratio 3 --controls a b"
    assert report.main(line.split()) == 0
    assert seen == [ReportConfig(str(run), ("a", "b"), 0.7, 3.0)]


def test_judges_judge_the_folder_anew(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[JudgeResultsConfig] = []

    def judge(config: JudgeResultsConfig) -> list[dict[str, Any]]:
        seen.append(config)
        return [{"headline": "h", "statuses": {}, "n": 0}]

    monkeypatch.setattr("textsem.evaluation.judged_folders.judge_folders", judge)
    line = f"{run} --judges a b --sentence-encoder e --model m --device cpu --batch-size 8 --min-similarity 0.7"
    assert report.main(line.split()) == 0
    assert seen == [
        JudgeResultsConfig(
            (str(run),), ("a", "b"), sentence_encoder="e", model="m", device="cpu", batch_size=8, min_similarity=0.7
        )
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "3"], "argument --batch-size: expected --judges beside it"),
        (["--sentence-encoder", "e"], "argument --sentence-encoder: expected --judges beside it"),
        (["--rows", "all"], "argument --rows: expected --export beside it"),
    ],
)
def test_option_without_what_it_belongs_to_is_refused(
    options: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        report.main([str(run), *options])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_folder_that_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: expected results.jsonl in {tmp_path}, got none\n"
