"""What the training commands ask for by themselves is what the library does by itself."""

from dataclasses import fields

import pytest

from textsem.commands import train_adversary, train_filter, train_target
from textsem.training.adversary_config import PRESETS
from textsem.training.cross_encoder import CrossEncoderConfig
from textsem.training.target import TargetTrainingConfig

NAMES = {"num_epochs": "epochs"}


def test_defaults_of_a_target_are_those_of_its_config() -> None:
    options = vars(train_target.parse_arguments(["--output", "o"], program="p"))
    config = TargetTrainingConfig()
    shared = [f.name for f in fields(config) if NAMES.get(f.name, f.name) in options]
    assert len(shared) == 7
    assert {name: options[NAMES.get(name, name)] for name in shared} == {name: getattr(config, name) for name in shared}


def test_defaults_of_a_filter_are_those_of_its_config() -> None:
    given = ["--base", "b", "--data", "d", "--output", "o"]
    options = vars(train_filter.parse_arguments(given, program="p"))
    config = CrossEncoderConfig()
    shared = [f.name for f in fields(config) if NAMES.get(f.name, f.name) in options]
    assert {"num_epochs", "seed"} <= set(shared)
    assert {name: options[NAMES.get(name, name)] for name in shared} == {name: getattr(config, name) for name in shared}


def test_help_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train_adversary.main(["--help"])
    assert f"sizes and schedule: {', '.join(sorted(PRESETS))}" in " ".join(capsys.readouterr().out.split())
