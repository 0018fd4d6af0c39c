"""The command ``textsem augment``: every option reaches its config, and the work is done."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.augmentation_fakes import known_rows, write_pairs
from textsem.augmentation import SOURCES, AugmentationConfig
from textsem.commands import augment
from textsem.data.nli import load_nli
from textsem.evaluation import augmentation_run
from textsem.evaluation.augmentation_run import AugmentNliConfig

EVERY_OPTION = (
    "--data d --split dev --limit 9 --output {output} --format jsonl --new-only --num-workers 3 --resume --machine m "
    "--sources boundary neighbours --rows-per-source 2 --share 0.5 --target http://localhost:1 "
    "--label-order contradiction neutral entailment --data-label-order n c e --filter-model none --min-margin 1 "
    "--filter-precision bfloat16 --model bundled --num-codes 4 --num-candidates 9 --num-asked none --candidates fluent "
    "--lexicons misspellings wordnet "
    "--num-tries 2 --boundary-width 3 "
    "--max-edits 2 --max-perplexity-ratio 4 --part-of-speech penn --sentence-encoder e --min-similarity 0.7 "
    "--device cpu --batch-size 8 --seed 5"
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a function that remembers what it is given in the place of the work."""
    calls: list[Any] = []

    def remember(config: Any, maker: Any, *, command: str, show_progress: bool) -> dict[str, Any]:
        calls.append((config, maker.config, command, show_progress))
        return {
            **{
                "notice": "demo pairs",
                "num_pairs": 3,
                "num_new_rows": 2,
                "rows": {"original": {}, "boundary": {"n": 2}},
            },
            **{"dropped": {"fluency": 0.0, "consent": 0.25}, "file": "augmented.parquet"},
        }

    monkeypatch.setattr(augmentation_run, "augment_nli", remember)
    return calls


def test_without_options_the_defaults_of_the_library_hold(seen: list[Any], tmp_path: Path) -> None:
    assert augment.main(["--output", str(tmp_path)]) == 0
    (config, rules, _, show_progress) = seen[0]
    assert config == AugmentNliConfig(output=str(tmp_path))
    assert rules == AugmentationConfig()
    assert show_progress
    assert AugmentNliConfig().output == augment.OUTPUT


def test_every_option_reaches_its_field(seen: list[Any], tmp_path: Path) -> None:
    assert augment.main([*EVERY_OPTION.format(output=tmp_path).split(), "--quiet"]) == 0
    config, rules, command, show_progress = seen[0]
    assert not show_progress
    assert str(tmp_path) not in command
    for given, default in ((config, AugmentNliConfig()), (rules, AugmentationConfig())):
        for field in fields(given):
            if field.name not in ("model", "device"):  # which stand at their defaults here
                assert getattr(given, field.name) != getattr(default, field.name), field.name
    assert rules.sources == ("boundary", "neighbours")
    assert (rules.min_margin, rules.max_edits, config.limit, config.format) == (1.0, 2, 9, "jsonl")


def test_help_tells_the_defaults_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        augment.main(["--help"])
    options = " ".join(capsys.readouterr().out.split()).partition(" options: ")[2].split(" --")
    shown = {text.split()[0]: text for text in options}
    for config in (AugmentNliConfig(), AugmentationConfig()):
        for field in fields(config):
            text, default = shown[field.name.replace("_", "-")], getattr(config, field.name)
            told = re.search(r"\(default: ([^;)]*)", text)
            if isinstance(default, int | float | str) and not isinstance(default, bool) and default != "auto":
                assert told is not None, text
                assert told[1] == str(default), text


@pytest.mark.parametrize("option", ["num-asked", "max-edits", "max-perplexity-ratio", "min-similarity"])
def test_conditions_can_be_dropped(option: str, seen: list[Any], tmp_path: Path) -> None:
    assert augment.main([f"--{option}", "none", "--output", str(tmp_path)]) == 0
    assert getattr(seen[0][1], option.replace("-", "_")) is None


def test_what_is_no_number_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        augment.main(["--max-edits", "few"])
    assert "argument --max-edits: invalid int value: 'few'" in capsys.readouterr().err


def test_last_lines_tell_what_came_out(seen: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    augment.main(["--output", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == [
        "notice: demo pairs",
        "3 pairs, 2 new rows (2 boundary)",
        "dropped: consent 25.0%",
        *(str(tmp_path / name) for name in ("augmented.parquet", "README.md", "settings.json", "summary.json")),
    ]


def test_sources_are_those_of_the_library() -> None:
    assert augment.SOURCES == SOURCES


def test_pairs_become_a_training_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["A man is playing music outside.", "The dogs are running.", "A woman is sleeping at home."]
    rows = [{**row, "hypothesis": text} for row, text in zip(known_rows(3), texts, strict=True)]
    data = write_pairs(tmp_path / "pairs.jsonl", rows)
    options = ["--data", data, "--filter-model", "none", "--num-candidates", "20", "--output", str(tmp_path / "out")]
    assert augment.main(options) == 0
    loaded = load_nli(str(tmp_path / "out" / "augmented.parquet"))
    assert len(loaded) > 3
    assert set(texts) <= set(loaded.hypotheses)
    assert f"3 pairs, {len(loaded) - 3} new rows ({len(loaded) - 3} neighbours)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sources", "adversarial"], "error: expected a target for the sources adversarial, got none"),
        (["--target", "bundled"], "error: expected a filter model beside the bundled target"),
        (["--num-workers", "0"], "error: expected num_workers >= 1, got 0"),
        (["--data", "no/such/file.jsonl"], "error: expected an existing file or folder"),
    ],
)
def test_what_is_wrong_is_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert augment.main([*options, "--output", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(message)
    assert shown.err.count("\n") == 1
