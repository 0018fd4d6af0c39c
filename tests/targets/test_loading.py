import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.targets.fakes import SMALL_CONFIGS, build_word_level
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.loading import (
    ARCHITECTURES,
    load_target,
    load_word_level_target,
    save_word_level_target,
)
from textsem.targets.word_level import WordLevelTarget

PREMISES, HYPOTHESES = ["a man is sleeping", "two people"], ["a dog", "the woman is outside ."]


@pytest.fixture(params=sorted(ARCHITECTURES))
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[WordLevelTarget, Path]:
    target = build_word_level(request.param)
    save_word_level_target(target, SMALL_CONFIGS[request.param], tmp_path / "model")
    return target, tmp_path / "model"


def test_loaded_target_predicts_the_same_to_the_bit(saved: tuple[WordLevelTarget, Path]) -> None:
    target, folder = saved
    loaded = load_target(str(folder))
    assert isinstance(loaded, WordLevelTarget)
    assert loaded.vocabulary.words == target.vocabulary.words
    assert torch.equal(loaded.predict(PREMISES, HYPOTHESES), target.predict(PREMISES, HYPOTHESES))


def test_loaded_target_is_frozen_and_in_evaluation_mode(saved: tuple[WordLevelTarget, Path]) -> None:
    loaded = load_target(str(saved[1]), batch_size=32)
    assert isinstance(loaded, WordLevelTarget)
    assert not loaded.training
    assert loaded.batch_size == 32
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_folder_holds_three_files_and_no_leftovers(saved: tuple[WordLevelTarget, Path]) -> None:
    assert {path.name for path in saved[1].iterdir()} == {"config.json", "model.safetensors", "vocabulary.json"}


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_half_precision_rounds_weights_and_halves_the_file(architecture: str, tmp_path: Path) -> None:
    target, config = build_word_level(architecture), SMALL_CONFIGS[architecture]
    save_word_level_target(target, config, tmp_path / "full")
    save_word_level_target(target, config, tmp_path / "half", half_precision=True)
    loaded = load_word_level_target(tmp_path / "half")
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, target.state_dict()[name].half().float()), name
    full, half = ((tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half"))
    num_weights = sum(parameter.numel() for parameter in target.parameters())
    assert full - half == pytest.approx(2 * num_weights, abs=64)


def test_weights_that_do_not_fit_are_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    config = json.loads((saved[1] / "config.json").read_text())
    config["network"]["embedding_dim"] += 1
    (saved[1] / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"expected weights .* that fit its config"):
        load_target(str(saved[1]))


def test_other_labels_and_architectures_are_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    path = saved[1] / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"label_names": ["neutral", "entailment", "contradiction"]}))
    with pytest.raises(ValueError, match="expected labels"):
        load_target(str(saved[1]))
    path.write_text(json.dumps(config | {"architecture": "transformer"}))
    with pytest.raises(ValueError, match="attention, paper, got 'transformer'"):
        load_target(str(saved[1]))


def test_missing_file_is_named(saved: tuple[WordLevelTarget, Path]) -> None:
    (saved[1] / "vocabulary.json").unlink()
    with pytest.raises(ValueError, match=r"vocabulary\.json is missing"):
        load_target(str(saved[1]))


def test_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="expected JSON"):
        load_target(str(tmp_path))


def test_folder_of_hugging_face_is_recognised(bert_folder: Path) -> None:
    assert isinstance(load_target(str(bert_folder), batch_size=8), HuggingFaceTarget)


def test_precision_reaches_hugging_face(bert_folder: Path) -> None:
    expected = HuggingFaceTarget(str(bert_folder), dtype="bfloat16").predict(PREMISES, HYPOTHESES)
    answer = load_target(str(bert_folder), dtype="bfloat16").predict(PREMISES, HYPOTHESES)
    assert torch.equal(answer, expected)
    assert not torch.equal(answer, load_target(str(bert_folder)).predict(PREMISES, HYPOTHESES))


def test_word_level_target_in_half_precision_is_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    with pytest.raises(ValueError, match="expected dtype float32 for a word-level target, got bfloat16"):
        load_target(str(saved[1]), dtype="bfloat16")


def test_config_survives_its_file(tmp_path: Path) -> None:
    config = replace(SMALL_CONFIGS["paper"], dropout=0.37)
    target = build_word_level("paper")
    save_word_level_target(target, config, tmp_path)
    assert load_word_level_target(tmp_path).network.config == config
