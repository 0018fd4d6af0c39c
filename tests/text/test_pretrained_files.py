"""What is refused of a model's files; whole folders are broken in the tests of those who load them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from textsem.text.pretrained import BrokenFilesError
from textsem.text.pretrained_files import check_model_folder, check_tokenizer, check_weights, reading_files

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_text(json.dumps({"model_type": "bert"}))
    return tmp_path


def report(**changes: Any) -> dict[str, Any]:
    return {"mismatched_keys": set(), "missing_keys": set(), "unexpected_keys": set(), **changes}


def model() -> nn.Module:
    network = nn.Module()
    network.layer = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    return network


@pytest.mark.parametrize(
    "names",
    [
        FILES,
        ("config.json", "pytorch_model.bin", "vocab.txt"),
        ("config.json", "model-00001-of-00002.safetensors", "spiece.model"),
        ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.json", "merges.txt"),
    ],
)
def test_folders_as_they_are_found_are_taken(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text('{"model_type": "bert"}')
    check_model_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer_config.json", "no tokenizer_config.json"),
    ],
)
def test_what_a_folder_lacks_is_named(folder: Path, name: str, words: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BrokenFilesError, match=words):
        check_model_folder(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_config_that_does_not_say_what_it_is_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(BrokenFilesError, match=r"config\.json .* anew"):
        check_model_folder(folder)


def test_weights_that_fit_are_taken_with_the_heads_of_other_tasks() -> None:
    check_weights(model(), report(unexpected_keys={"lm_head.weight", "layer.norm"}), mend="mend")


def test_weights_that_do_not_fit_are_named_with_the_mend() -> None:
    with pytest.raises(BrokenFilesError, match=r"1 have another shape, as layer\.0\.bias: \[2\], .* \[3\]; mend"):
        check_weights(model(), report(mismatched_keys={("layer.0.bias", (2,), (3,))}), mend="mend")
    with pytest.raises(BrokenFilesError, match=r"1 weights are missing, as layer\.0\.bias: drawn .*; mend"):
        check_weights(model(), report(missing_keys={"layer.0.bias"}), mend="mend")
    with pytest.raises(BrokenFilesError, match=r"layers that config\.json does not, as layer\.2\.bias; mend"):
        check_weights(model(), report(unexpected_keys={"layer.2.bias", "lm_head.weight"}), mend="mend")


def test_what_nothing_reads_may_be_missing() -> None:
    check_weights(model(), report(missing_keys={"pooler.dense.bias"}), mend="mend", unused="pooler")
    with pytest.raises(BrokenFilesError, match=r"1 weights are missing, as layer\.0\.bias"):
        check_weights(model(), report(missing_keys={"pooler.dense.bias", "layer.0.bias"}), mend="mend", unused="pooler")


class Tokenizer:
    """What ``check_tokenizer`` reads of one."""

    def __init__(self, *, words: int = 10, special: int = 4, pad_token_id: int | None = 0) -> None:
        self.vocab_size, self.pad_token_id = words + special, pad_token_id
        self.all_special_tokens = ["s"] * special

    def __len__(self) -> int:
        return self.vocab_size


def embedding(rows: int) -> SimpleNamespace:
    return SimpleNamespace(get_input_embeddings=lambda: SimpleNamespace(num_embeddings=rows))


def test_tokenizer_of_the_model_is_taken_and_others_are_not() -> None:
    check_tokenizer(Tokenizer(), embedding(14))
    check_tokenizer(Tokenizer(), embedding(16))
    with pytest.raises(BrokenFilesError, match="the tokenizer has 14 tokens, the model embeddings of 13"):
        check_tokenizer(Tokenizer(), embedding(13))
    with pytest.raises(BrokenFilesError, match="the tokenizer has 15 tokens"):
        check_tokenizer(Tokenizer(pad_token_id=14), embedding(14))
    with pytest.raises(BrokenFilesError, match="no pad token"):
        check_tokenizer(Tokenizer(pad_token_id=None), embedding(14))
    with pytest.raises(ValueError, match="no words") as error:
        check_tokenizer(Tokenizer(words=0), embedding(14))
    assert not isinstance(error.value, BrokenFilesError)


def test_model_without_a_table_of_tokens_is_not_compared() -> None:
    class ReadsCharacters:
        def get_input_embeddings(self) -> None:
            raise NotImplementedError

    check_tokenizer(Tokenizer(), ReadsCharacters())


@pytest.mark.parametrize("error", [KeyError("gelly"), ZeroDivisionError("0"), Exception("bare"), ValueError("a\n\n b")])
def test_whatever_broken_files_lead_to_is_one_error(error: Exception) -> None:
    with pytest.raises(BrokenFilesError, match=rf"no config \({type(error).__name__}: [^\n]*\); copy it anew"):
        with reading_files("config"):
            raise error


def test_missing_file_and_a_user_who_stops_are_left_alone() -> None:
    for error in (OSError("not in the cache"), KeyboardInterrupt()):
        with pytest.raises(type(error)), reading_files("config"):
            raise error


def test_broken_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BrokenFilesError, match=r"the file of weights \(\*\.safetensors\) is broken"):
        with reading_files("model"):
            load_file(path)
