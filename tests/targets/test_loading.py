from pathlib import Path

import pytest
import torch

from tests.targets.fakes import SMALL_CONFIGS, build_word_level, save_tiny_bert
from textsem.targets.http import HttpTarget
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.loading import ARCHITECTURES, load_target, save_word_level_target
from textsem.targets.word_level import WordLevelTarget
from textsem.text.labels import TWO_CLASS_NAMES

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


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_address_is_asked_over_http(addresses: dict[int, str], scheme: str) -> None:
    target = load_target(addresses[3].replace("http", scheme), batch_size=7, label_order=["e", "n", "c"])
    assert isinstance(target, HttpTarget)
    assert target.batch_size == 7
    assert target.predict(PREMISES, HYPOTHESES).shape == (2, 3)
    assert load_target(addresses[2]).label_names == TWO_CLASS_NAMES


def test_two_names_reach_what_they_are_for(two_class_bert_folder: Path, tmp_path: Path) -> None:
    assert load_target(str(two_class_bert_folder)).label_names == TWO_CLASS_NAMES
    numbered = save_tiny_bert(tmp_path, names=("LABEL_0", "LABEL_1"))
    target = load_target(str(numbered), label_order=["not_entailment", "entailment"])
    assert target.label_names == TWO_CLASS_NAMES


def test_endpoint_in_half_precision_is_refused(addresses: dict[int, str]) -> None:
    with pytest.raises(ValueError, match="expected dtype float32 for an endpoint"):
        load_target(addresses[3], dtype="float16")


def test_address_that_is_no_good_is_refused_without_being_asked() -> None:
    with pytest.raises(ValueError, match="expected an address"):
        load_target("https://user:secret@host/classify")
