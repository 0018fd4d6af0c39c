"""The command line of a comparison of decoders: what it passes on, and how it fails."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.compare_decoders import FILE_NAMES, CompareDecodersConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_decoders.py"
NEEDED = ["--models", "a=bundled", "b=folder", "--judges", "j"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[CompareDecodersConfig]:
    """Put a job in place that notes its config and writes a table."""
    configs: list[CompareDecodersConfig] = []

    def job(config: CompareDecodersConfig, *, show_progress: bool) -> None:
        configs.append(config)
        Path(config.output).mkdir()
        Path(config.output, FILE_NAMES[0]).write_text("| decoder |", encoding="utf-8")

    monkeypatch.setattr("textsem.evaluation.compare_decoders.compare_decoders", job)
    return configs


def test_every_option_reaches_its_field(
    script: ModuleType, given: list[CompareDecodersConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "options.json").write_text(json.dumps({"max_edits": 2}))
    output = str(tmp_path / "out")
    line = (
        "--controls neighbours --data d --split dev --limit 7 --num-sentences 8 --target t --sentence-encoder e "
        "--lm-data l m --seed 5 --device cpu --batch-size 9"
    )
    options = [*NEEDED, *line.split(), "--attack-options", str(tmp_path / "options.json"), "--output", output]
    assert script.main(options) == 0
    assert given == [
        CompareDecodersConfig(
            models=("a=bundled", "b=folder"),
            judges=("j",),
            controls=("neighbours",),
            data="d",
            split="dev",
            limit=7,
            num_sentences=8,
            target="t",
            sentence_encoder="e",
            lm_data=("l", "m"),
            seed=5,
            device="cpu",
            batch_size=9,
            attack_options={"max_edits": 2},
            output=output,
        )
    ]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "| decoder |"
    assert shown[-3:] == [str(Path(output, name)) for name in FILE_NAMES]


def test_defaults_are_those_of_the_library(
    script: ModuleType, given: list[CompareDecodersConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    assert script.main(NEEDED) == 0
    assert given == [CompareDecodersConfig(models=("a=bundled", "b=folder"), judges=("j",))]
    assert (given[0].limit, given[0].controls) == (300, ("isotropic", "clean"))
    assert given[0].output == "runs/compare_decoders"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "a", "--judges", "j"], "error: expected models as NAME=FOLDER"),
        (["--models", "a=x", "a=y", "--judges", "j"], "error: expected another name for each model"),
        (["--models", "a=no/such/folder", "--judges", "j"], "error: expected an adversary's folder with config.json"),
        ([*NEEDED, "--attack-options", "no/such/file.json"], "error: [Errno 2]"),
    ],
)
def test_error_is_one_line_and_exit_code_two(
    script: ModuleType, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(message)
    assert shown.err.count("\n") == 1


def test_interruption_says_how_to_go_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textsem.evaluation.compare_decoders.compare_decoders", interrupt)
    assert script.main(NEEDED) == 130
    assert "the same command continues" in capsys.readouterr().err
