import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from textsem.text.pretrained import load_pretrained, token_batches, token_limit


class WordTokenizer:
    """What ``token_batches`` needs of a tokenizer: one id a word, its length; 9 at the start, 0 as a pad."""

    def __call__(self, first: list[str], second: list[str] | None, *, truncation: str, max_length: int) -> Any:
        assert truncation == "longest_first"
        texts = first if second is None else [f"{a} {b}" for a, b in zip(first, second, strict=True)]
        return {"input_ids": [[9, *map(len, text.split())][:max_length] for text in texts]}

    def pad(self, rows: dict[str, list[list[int]]], *, padding: str, max_length: int, return_tensors: str) -> Any:
        assert (padding, return_tensors) == ("max_length", "pt")
        return torch.tensor([ids + [0] * (max_length - len(ids)) for ids in rows["input_ids"]])


def batches(first: list[str], second: list[str] | None = None, *, max_tokens: int = 50) -> list[Any]:
    device = torch.device("cpu")
    return list(token_batches(WordTokenizer(), first, second, max_tokens=max_tokens, batch_size=2, device=device))


def test_known_batches() -> None:
    (rows, short), (others, long) = batches(["aa b", "a " * 8, "aaa"])
    assert (rows, others) == ([0, 2], [1])
    assert short.tolist() == [[9, 2, 1, 0, 0, 0, 0, 0], [9, 3, 0, 0, 0, 0, 0, 0]] + 6 * [[9, 3, 0, 0, 0, 0, 0, 0]]
    assert long.tolist() == 8 * [[9] + 8 * [1] + 7 * [0]]


def test_pairs_are_read_together_and_cut() -> None:
    ((rows, batch),) = batches(["aa b"], ["ccc d e f"], max_tokens=5)
    assert rows == [0]
    assert batch.tolist() == 8 * [[9, 2, 1, 3, 1]]


@pytest.mark.parametrize(("own", "models", "limit"), [(512, 128, 128), (10, 128, 10), (7, None, 7)])
def test_limit_is_the_smaller_one(own: int, models: int | None, limit: int) -> None:
    config = SimpleNamespace(max_position_embeddings=models)
    assert token_limit(SimpleNamespace(model_max_length=own), SimpleNamespace(config=config)) == limit


def test_limit_of_a_model_that_has_none_is_the_tokenizers() -> None:
    assert token_limit(SimpleNamespace(model_max_length=9), SimpleNamespace(config=SimpleNamespace())) == 9


def load_nothing(is_local: bool) -> str:
    raise OSError("no config.json")


def test_local_files_come_first() -> None:
    assert load_pretrained("anything", lambda is_local: f"local: {is_local}", kind="a model") == "local: True"


def test_folder_without_the_thing_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a model in the folder .*: no config\.json"):
        load_pretrained(str(tmp_path), load_nothing, kind="a model")


def test_dead_network_is_noticed_without_the_hubs_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    asked: list[object] = []

    def refuse(address: object, timeout: float) -> socket.socket:
        asked.append((address, timeout))
        raise OSError("no route")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(ValueError, match="the hub does not answer"):
        load_pretrained("nobody/no-such-model", load_nothing, kind="a model")
    assert asked == [(("huggingface.co", 443), 3.0)]


def test_hub_is_asked_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: socket.socket())

    def load(is_local: bool) -> str:
        return load_nothing(is_local) if is_local else "from the hub"

    assert load_pretrained("somebody/model", load, kind="a model") == "from the hub"
    with pytest.raises(ValueError, match=r"expected a model on the hub under 'somebody/model': no config\.json"):
        load_pretrained("somebody/model", load_nothing, kind="a model")
