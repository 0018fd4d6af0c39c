"""The command line of a comparison: what it passes on, and how it fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import compare_attacks
from textsem.evaluation.peer_process import PeerError


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a job in place that notes its config and writes a table."""
    configs: list[Any] = []

    def job(config: Any, *, show_progress: bool) -> None:
        configs.append(config)
        Path(config.output).mkdir()
        Path(config.output, "compare.md").write_text("| attack |", encoding="utf-8")

    monkeypatch.setattr("textsem.evaluation.compare.compare_attacks", job)
    return configs


def test_options_reach_the_job_and_the_table_is_shown(
    given: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "options.json").write_text(json.dumps({"max_edits": 2}))
    options = ["--judges", "a", "b", "--attacks", "ours", "pwws", "--output", str(tmp_path / "out"), "--limit", "7"]
    options += [
        "--attack-options",
        str(tmp_path / "options.json"),
        "--peers-python",
        "python-of-peers",
        "--arae",
        "of-noise",
    ]
    assert compare_attacks.main(options) == 0
    (config,) = given
    assert (config.judges, config.attacks, config.limit) == (("a", "b"), ("ours", "pwws"), 7)
    assert config.attack_config().max_edits == 2
    assert (config.peers_python, config.arae) == ("python-of-peers", "of-noise")
    assert Path(config.peers_script).is_file()
    assert "| attack |" in capsys.readouterr().out


@pytest.mark.parametrize("error", [ValueError("expected x,\n got y"), PeerError("expected x, got y"), OSError("got y")])
def test_failure_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("textsem.evaluation.compare.compare_attacks", fail)
    assert compare_attacks.main(["--judges", "a"]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {' '.join(str(error).split())}"]


def test_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textsem.evaluation.compare.compare_attacks", interrupt)
    assert compare_attacks.main(["--judges", "a"]) == 130
    assert "the same command continues" in capsys.readouterr().err
