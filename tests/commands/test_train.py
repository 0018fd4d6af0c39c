"""What the training commands ask for by themselves is what the library does by itself."""

from dataclasses import fields

import pytest

from textsem.commands import train_adversary, train_arae, train_filter, train_target
from textsem.training.adversary_config import PRESETS
from textsem.training.adversary_run import AdversaryJob
from textsem.training.arae_run import ARAEJob
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


@pytest.mark.parametrize(("given", "wanted"), [([], "bfloat16"), (["--precision", "float32"], "float32")])
def test_precision_is_the_presets_unless_it_is_given(given: list[str], wanted: str) -> None:
    adversary = vars(train_adversary.parse_arguments(["--output", "o", *given], program="p"))
    assert AdversaryJob(**adversary, command="c").training_config().precision == wanted
    arae = vars(train_arae.parse_arguments(["--output", "o", "--held-out", "h", *given], program="p"))
    assert ARAEJob(**arae, command="c").training_config().precision == wanted
