"""The command line of Fig. 3: what it passes on, what it prints, and how it fails."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "swiss_roll.py"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put an experiment in place that notes what it is asked for."""
    calls: list[dict[str, Any]] = []

    def experiment(output: Path, **settings: Any) -> dict[str, Any]:
        calls.append({"output": output, **settings})
        return {}

    monkeypatch.setattr("images_ext.swiss_roll.run.run_swiss_roll", experiment)
    monkeypatch.setattr("images_ext.swiss_roll.report.in_words", lambda summary: ["a line"])
    return calls


def test_options_reach_the_experiment(
    script: ModuleType, given: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--output", str(tmp_path), "--seeds", "4", "2", "--num-points", "50", "--target-accuracy", "0.9"]
    options += ["--epsilon", "0", "--adversarial-steps", "0", "--num-threads", "2"]
    assert script.main(options) == 0
    (call,) = given
    config = call["config"]
    assert (call["output"], call["seeds"], call["num_threads"]) == (tmp_path, [4, 2], 2)
    assert (config.num_points, config.classifier.stop_accuracy) == (50, 0.9)
    assert (config.search.epsilon, config.adversary.adversarial_steps) == (0.0, 0)
    assert capsys.readouterr().out.splitlines() == ["a line", str(tmp_path / "figure.png")]


def test_defaults_are_those_of_the_config(script: ModuleType, given: list[dict[str, Any]], tmp_path: Path) -> None:
    from images_ext.swiss_roll.experiment import SwissRollConfig

    assert script.main(["--output", str(tmp_path)]) == 0
    assert given[0]["config"] == SwissRollConfig()
    assert given[0]["seeds"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "1", "1"], "error: expected seeds of at least 0, each once, got [1, 1]"),
        (["--num-points", "0"], "error: expected at least 1 point, got 0"),
        (["--epsilon", "nan"], "error: expected epsilon of at least 0, got nan"),
        (["--num-threads", "0"], "error: expected threads >= 1, got 0"),
        (["--adversarial-steps", "-1"], "error: expected steps of at least 0, got"),
        (["--target-accuracy", "1.5"], "error: expected stop_accuracy above 0 and at most 1, got 1.5"),
    ],
)
def test_wrong_options_are_one_line_and_code_2(
    script: ModuleType, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--output", str(tmp_path), *options]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith(message)


def test_an_output_that_cannot_be_is_one_line_and_code_2(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert script.main(["--output", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: expected a folder that files can be written to")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import runpy, sys; sys.argv = ['swiss_roll.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'numpy', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--adversarial-steps" in shown.stdout
