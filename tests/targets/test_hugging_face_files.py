import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.targets.fakes import save_tiny_bert
from textsem.targets.hugging_face_files import load_classifier


@pytest.fixture
def folder(bert_folder: Path, tmp_path: Path) -> Path:
    """A classifier of one's own to break."""
    return shutil.copytree(bert_folder, tmp_path / "model")


def change_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None takes one out."""
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "model.safetensors"
    weights = {name: value.clone() for name, value in load_file(path).items()}
    save_file(change(weights), path, metadata={"format": "pt"})


def cut(path: Path, length: int | None = None) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if length is None else length])


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError, match="expected a sequence classifier in the folder") as error:
        load_classifier(str(folder), dtype=torch.float32)
    message = str(error.value)
    assert str(folder) in message
    assert len(message) < 700
    return message


def test_whole_folder_loads(folder: Path) -> None:
    tokenizer, model = load_classifier(str(folder), dtype=torch.float32)
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings == 18
    assert model.config.num_labels == 3


def test_what_other_tasks_left_behind_does_no_harm(folder: Path) -> None:
    change_weights(folder, lambda weights: {**weights, "cls.predictions.bias": torch.zeros(3)})
    change_json(folder / "config.json", colour="red")
    load_classifier(str(folder), dtype=torch.float32)


@pytest.mark.parametrize("length", [None, 0, 4, 300])
def test_truncated_weights_are_refused(folder: Path, length: int | None) -> None:
    cut(folder / "model.safetensors", length)
    message = refusal(folder)
    assert "the file of weights (*.safetensors) is broken" in message
    assert "copy it anew" in message


def test_pointer_in_the_place_of_weights_is_refused(folder: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"
    (folder / "model.safetensors").write_text(pointer)
    assert "the file of weights (*.safetensors) is broken" in refusal(folder)


def test_weights_that_transformers_would_draw_at_random_are_refused(folder: Path) -> None:
    change_weights(folder, lambda w: {name: value for name, value in w.items() if not name.startswith("classifier")})
    assert "2 weights are missing, as classifier.bias, classifier.weight" in refusal(folder)


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    change_weights(folder, lambda weights: {f"other.{name}": value for name, value in weights.items()})
    assert "weights are missing" in refusal(folder)


def test_weights_of_another_size_are_refused_by_name(folder: Path) -> None:
    change_weights(folder, lambda weights: {**weights, "classifier.weight": torch.zeros(2, 16)})
    assert "1 have another shape, as classifier.weight: [2, 16], where the config makes [3, 16]" in refusal(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 1}, "layers that config.json does not, as bert.encoder.layer.1"),
        ({"num_hidden_layers": 3}, "weights are missing, as bert.encoder.layer.2"),
        ({"hidden_size": None}, "38 have another shape"),
        ({"vocab_size": 999}, "bert.embeddings.word_embeddings.weight: [18, 16], where the config makes [999, 16]"),
        ({"id2label": None}, "2 have another shape, as classifier.bias: [3], where the config makes [2]"),
        ({"id2label": ["entailment", "neutral", "contradiction"]}, "no config that transformers can read"),
        ({"hidden_size": "wide"}, "copy it anew"),  # the oldest transformers finds it out where it makes the model
        ({"hidden_size": 0}, "no model made from config.json and weights"),
        ({"hidden_act": "gelly"}, "no model made from config.json and weights"),
        ({"model_type": "berttt"}, "no config that transformers can read"),
        ({"model_type": "whisper"}, "no model made from config.json and weights"),
        ({"model_type": None}, "config.json does not name its model_type"),
    ],
)
def test_config_of_another_model_is_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    change_json(folder / "config.json", **changes)
    assert words in refusal(folder)


@pytest.mark.parametrize("content", [b"{oops", b"", b'{"model_type": "b\xe9rt"}', b"[1]", b"null", b'"bert"', b"{}"])
def test_config_that_is_no_config_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert "config.json" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "no config.json; copy"),
        ("model.safetensors", "no weights, which are in model.safetensors"),
        ("tokenizer.json", "no tokenizer"),
        ("tokenizer_config.json", "no tokenizer_config.json"),
    ],
)
def test_missing_file_is_named(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()
    assert words in refusal(folder)


def test_tokenizer_is_not_made_of_nothing(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()
    assert "no tokenizer; save the model's own there with tokenizer.save_pretrained" in refusal(folder)
    (folder / "special_tokens_map.json").write_text("{}")
    assert "the tokenizer has no words" in refusal(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_broken_tokenizer_is_refused(folder: Path, name: str) -> None:
    cut(folder / name)
    assert "no tokenizer (JSONDecodeError" in refusal(folder)


@pytest.mark.parametrize("content", ["{}", '{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel"}}'])
def test_tokenizer_of_wrong_content_is_refused(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    assert "no tokenizer (" in refusal(folder)


def test_tokenizer_without_a_pad_token_is_refused(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", pad_token=None)
    assert "the tokenizer has no pad token; set tokenizer.pad_token" in refusal(folder)


def test_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["vocab"] |= {f"word{i}": 18 + i for i in range(3)}
    path.write_text(json.dumps(content))
    assert "the tokenizer has 21 tokens, the model embeddings of 18" in refusal(folder)


def test_random_state_is_left_alone(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("entailment", "not_entailment"))
    before = torch.random.get_rng_state()
    load_classifier(str(folder), dtype=torch.float32)
    assert torch.equal(torch.random.get_rng_state(), before)
