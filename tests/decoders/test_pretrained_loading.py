"""What is refused of a folder or a hub id, and with which words."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.constraints.fakes import save_tiny_encoder
from tests.decoders.tiny_language_models import (
    WORDS,
    byte_level_tokenizer,
    load,
)
from textsem.decoders.pretrained import PretrainedDecoder
from textsem.decoders.pretrained_words import word_pieces


def copy_of(folder: Path, to: Path) -> Path:
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def lack_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def lack_token(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        values = json.loads((folder / "tokenizer_config.json").read_text())
        del values[name]
        (folder / "tokenizer_config.json").write_text(json.dumps(values))

    return change


def lack_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def hold_pickle_only(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    lack_weights(folder)


def lack_one_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.0.attn.c_attn.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def hold_other_shapes(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"n_embd": 8}))


def hold_larger_tokenizer(folder: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens([f"<{i}>" for i in range(9)])
    tokenizer.save_pretrained(folder)


def hold_broken_sentencepiece(folder: Path) -> None:
    lack_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    (folder / "spiece.model").write_bytes(b"\x00not one")


def be_no_writer(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "distilbert"}')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lack_tokenizer, r"no tokenizer; save the model's own there with tokenizer\.save_pretrained"),
        (lack_token("pad_token"), r"no pad token; set tokenizer\.pad_token, for example to its end token .*, and save"),
        (lack_token("eos_token"), r"no end token; set tokenizer\.eos_token, for example .*, and save"),
        (lack_weights, r"no weights, which are files named \*\.safetensors"),
        (hold_pickle_only, r"no weights as safetensors, only pytorch_model\.bin, a pickle"),
        (lack_one_weight, r"weights are missing for h\.0\.attn\.c_attn\.weight"),
        (hold_other_shapes, "the weights do not fit the config"),
        (hold_larger_tokenizer, "the tokenizer has 345 tokens, the model embeddings of 339"),
        (hold_broken_sentencepiece, "install sentencepiece and protobuf"),
        (be_no_writer, "the model is of type distilbert, which writes no text"),
    ],
)
def test_folder_that_lacks_something_is_refused_with_the_mend(
    folders: dict[str, Path], tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = copy_of(folders["gpt2"], tmp_path)
    change(folder)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_code_that_comes_with_a_model_is_never_run(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran = copy_of(folders["gpt2"], tmp_path), tmp_path / "ran"
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever asks is told yes
    classes = "from transformers import GPT2Config as C, GPT2Model as M, GPT2Tokenizer as T"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()\n{classes}\n")
    values = json.loads((folder / "config.json").read_text())
    values["auto_map"] = {"AutoConfig": "own.C", "AutoModel": "own.M"}
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text()) | {
        "auto_map": {"AutoTokenizer": ["own.T"] * 2}
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "config.json").write_text(json.dumps(values))
    assert load(folder).config.family == "causal"  # transformers knows GPT-2 without it
    (folder / "config.json").write_text(json.dumps(values | {"model_type": "unheard-of"}))
    with pytest.raises(ValueError, match="the model comes with code of its own, which is never run"):
        load(folder)
    assert not ran.exists()


def test_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a causal or sequence-to-sequence model .* is an encoder, whose"):
        load(save_tiny_encoder(tmp_path))


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a causal or sequence-to-sequence model with its tokenizer in the"):
        load(tmp_path)


def test_tokenizer_without_its_words_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["t5"], tmp_path)
    lack_tokenizer(folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer", "extra_ids": 0}')
    with pytest.raises(ValueError, match="cannot write 14 of its 14 words: its files are missing beside the model"):
        load(folder)


def test_hub_id_without_a_network_fails_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="no such folder, not in the local cache, and the hub does not answer"):
        load("nobody/no-such-model")
    assert time.monotonic() - started < 10.0


def test_words_without_special_symbols_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected the words of a Vocabulary, <pad>, .* first, got \['a', 'man'"):
        word_pieces(byte_level_tokenizer(), WORDS[4:], max_pieces=2, start_id=0)


def test_model_of_too_few_positions_is_refused(folders: dict[str, Path]) -> None:
    assert load(folders["bart"], length=24).length == 24
    load(folders["gpt2"], length=23)  # 4 + 1 + 22 * 4 = 93 of 96
    with pytest.raises(
        ValueError, match=r"at least 97 positions, for 4 of the prefix and 93 pieces of words, got one of 96"
    ):
        load(folders["gpt2"], length=24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "encoder"}, "expected family causal or seq2seq, got 'encoder'"),
        ({"num_prefix": 0}, "expected num_prefix and max_pieces of at least 1, got 0 and 4"),
        ({"model_config": {}}, "expected a model_config that transformers knows, got 'None'"),
        ({"model_config": {"model_type": "gpt2", "n_embd": "wide"}}, "expected a model_config that transformers knows"),
    ],
)
def test_config_that_makes_no_model_is_refused(
    decoders: dict[str, PretrainedDecoder], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PretrainedDecoder(replace(decoders["gpt2"].config, **change))
