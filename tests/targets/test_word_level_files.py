import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.targets.fakes import SMALL_CONFIGS, build_word_level
from textsem.targets.word_level import WordLevelTarget
from textsem.targets.word_level_files import (
    ARCHITECTURES,
    build_word_level_target,
    is_word_level_folder,
    load_word_level_target,
    save_word_level_target,
)
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary


@pytest.fixture(params=sorted(ARCHITECTURES))
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[WordLevelTarget, Path]:
    target = build_word_level(request.param)
    save_word_level_target(target, SMALL_CONFIGS[request.param], tmp_path / "model")
    return target, tmp_path / "model"


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
        load_word_level_target(saved[1])


def test_other_labels_and_architectures_are_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    path = saved[1] / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"label_names": ["neutral", "entailment", "contradiction"]}))
    with pytest.raises(ValueError, match="expected labels"):
        load_word_level_target(saved[1])
    path.write_text(json.dumps(config | {"architecture": "transformer"}))
    with pytest.raises(ValueError, match="attention, paper, got 'transformer'"):
        load_word_level_target(saved[1])


def test_missing_file_is_named(saved: tuple[WordLevelTarget, Path]) -> None:
    (saved[1] / "vocabulary.json").unlink()
    with pytest.raises(ValueError, match=r"vocabulary\.json is missing"):
        load_word_level_target(saved[1])


def test_config_survives_its_file(tmp_path: Path) -> None:
    config = replace(SMALL_CONFIGS["paper"], dropout=0.37)
    target = build_word_level("paper")
    save_word_level_target(target, config, tmp_path)
    assert load_word_level_target(tmp_path).network.config == config


def refuse(folder: Path, match: str) -> None:
    """Make sure that a folder is refused, with a message that names it and what to do."""
    with pytest.raises(ValueError, match=match) as caught:
        load_word_level_target(folder)
    assert str(folder) in str(caught.value)
    assert "written whole, or train" in str(caught.value)


CONFIG_CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no JSON": (lambda config: None, "expected JSON in .*config.json"),
    "a list": (lambda config: [config], "expected an object of JSON in .*config.json, got list"),
    "a key too many": (lambda config: config | {"pooling": "max"}, "got unknown pooling"),
    "no kind": (lambda config: {k: v for k, v in config.items() if k != "kind"}, "got missing kind"),
    "no labels": (lambda config: {k: v for k, v in config.items() if k != "label_names"}, "missing label_names"),
    "another kind": (lambda config: config | {"kind": "textsem-adversary"}, "expected kind .*'textsem-adversary'"),
    "a list for architecture": (lambda config: config | {"architecture": []}, r"got \[\]"),
    "labels in another order": (
        lambda config: config | {"label_names": config["label_names"][::-1]},
        "expected labels",
    ),
    "labels are a number": (lambda config: config | {"label_names": 3}, "expected labels"),
    "network is a list": (lambda config: config | {"network": [1]}, "expected the network's shape by name"),
    "a network's key too many": (lambda config: network(config, heads=2), "got unknown heads"),
    "a network's key too few": (
        lambda config: config | {"network": {k: v for k, v in config["network"].items() if k != "dropout"}},
        "got missing dropout",
    ),
    "text for a size": (lambda config: network(config, embedding_dim="6"), "expected embedding_dim like .*got '6'"),
    "null for a size": (lambda config: network(config, embedding_dim=None), "expected embedding_dim like .*got None"),
    "truth for a size": (lambda config: network(config, embedding_dim=True), "expected embedding_dim like .*got True"),
    "part of a size": (lambda config: network(config, embedding_dim=6.5), "expected embedding_dim like .*got 6.5"),
    "a size below 0": (lambda config: network(config, embedding_dim=-6), "expected embedding_dim like .*got -6"),
    "a size of 0": (lambda config: network(config, embedding_dim=0), "expected embedding_dim like .*got 0"),
    "a size beyond memory": (lambda config: network(config, embedding_dim=2**30), "fit its config"),
    "a size beyond numbers": (lambda config: network(config, embedding_dim=10**30), "expected embedding_dim like"),
    "a share beyond 1": (lambda config: network(config, dropout=2.0), "dropout"),
    "five classes": (lambda config: network(config, num_classes=5), "expected num_classes 3"),
}


def network(config: dict[str, Any], **values: Any) -> dict[str, Any]:
    return config | {"network": config["network"] | values}


@pytest.mark.parametrize("change", sorted(CONFIG_CHANGES))
def test_config_that_is_not_as_it_was_written_is_refused(saved: tuple[WordLevelTarget, Path], change: str) -> None:
    path = saved[1] / "config.json"
    changed, match = CONFIG_CHANGES[change]
    config = changed(json.loads(path.read_text()))
    path.write_text(json.dumps(config) if config is not None else path.read_text()[:-10])
    refuse(saved[1], match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "expected JSON in .*vocabulary.json"),
        (b'["a", "man"', "expected JSON in .*vocabulary.json"),
        (b"\xff\xfe\x00", "expected JSON in .*vocabulary.json"),
        (b'{"a": 1}', "expected a list of JSON in .*vocabulary.json, got dict"),
        (b'["a", 7]', "expected a list of words in .*vocabulary.json, got 7"),
        (b'["a", "a"]', "expected every word once .*vocabulary.json"),
        (b'["a", "man"]', "each word of vocabulary.json .* got 18 for 6 words, the 4 special ones counted"),
    ],
)
def test_vocabulary_that_is_none_or_does_not_fit_is_refused(
    saved: tuple[WordLevelTarget, Path], content: bytes, match: str
) -> None:
    (saved[1] / "vocabulary.json").write_bytes(content)
    refuse(saved[1], match)


def test_vocabulary_of_another_target_is_refused_though_it_has_as_many_words(
    saved: tuple[WordLevelTarget, Path],
) -> None:
    words = list(saved[0].vocabulary.words[len(SPECIAL_WORDS) :])
    (saved[1] / "vocabulary.json").write_text(json.dumps(words[::-1]))
    refuse(saved[1], "expected the words that .*model.safetensors was saved with")


def test_weights_without_a_checksum_load_as_they_did_before(saved: tuple[WordLevelTarget, Path]) -> None:
    path = saved[1] / "model.safetensors"
    save_file(load_file(path), path)
    assert load_word_level_target(saved[1]).vocabulary.words == saved[0].vocabulary.words


@pytest.mark.parametrize("keep", [0, 4, 100, -1, -500])
def test_cut_off_weights_are_refused(saved: tuple[WordLevelTarget, Path], keep: int) -> None:
    path = saved[1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refuse(saved[1], "expected whole weights in .*model.safetensors")


def test_weights_that_are_something_else_are_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    shutil.copy(saved[1] / "vocabulary.json", saved[1] / "model.safetensors")
    refuse(saved[1], "expected whole weights in .*model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(saved: tuple[WordLevelTarget, Path], value: float) -> None:
    path = saved[1] / "model.safetensors"
    weights = load_file(path)
    weights["embedding.weight"][5, 2] = value
    save_file(weights, path)
    refuse(saved[1], "expected finite weights .* embedding.weight")


def test_whole_numbers_for_weights_are_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    path = saved[1] / "model.safetensors"
    save_file({name: value.long() for name, value in load_file(path).items()}, path)
    refuse(saved[1], "expected finite weights")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    for architecture, config in SMALL_CONFIGS.items():
        save_word_level_target(build_word_level(architecture), config, tmp_path / architecture)
    shutil.copy(tmp_path / "paper" / "model.safetensors", tmp_path / "attention" / "model.safetensors")
    refuse(tmp_path / "attention", "expected weights .* that fit its config: .* got none")


def test_one_weight_too_many_is_refused(saved: tuple[WordLevelTarget, Path]) -> None:
    path = saved[1] / "model.safetensors"
    save_file(load_file(path) | {"extra": torch.zeros(2)}, path)
    refuse(saved[1], r"fit its config: extra of shape none, got \[2\]")


def test_loading_draws_no_random_numbers(saved: tuple[WordLevelTarget, Path]) -> None:
    before = torch.random.get_rng_state()
    load_word_level_target(saved[1])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_folder_is_ours_by_its_config(saved: tuple[WordLevelTarget, Path], bert_folder: Path, tmp_path: Path) -> None:
    assert is_word_level_folder(saved[1])
    assert not is_word_level_folder(bert_folder)
    assert not is_word_level_folder(tmp_path / "nowhere")


def test_any_words_survive_the_file(tmp_path: Path) -> None:
    vocabulary = Vocabulary(["naïve", "日本", "😀", "a b", "\u2028", '"'])
    target = build_word_level_target(SMALL_CONFIGS["paper"], vocabulary)
    save_word_level_target(target, SMALL_CONFIGS["paper"], tmp_path)
    assert load_word_level_target(tmp_path).vocabulary.words == vocabulary.words
