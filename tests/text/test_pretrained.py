import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from textsem.text.pretrained import BrokenFilesError, load_pretrained, token_batches, token_limit


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


def test_tokenizer_gets_no_more_of_a_sentence_than_could_count() -> None:
    (_, batch), *_ = batches(["x" * 1000, "y" * 319], max_tokens=5)
    assert batch[:2].tolist() == [[9, 320, 0, 0, 0], [9, 319, 0, 0, 0]]
    ((_, batch),) = batches(["x" * 1000], ["y" * 1000], max_tokens=5)
    assert batch[0].tolist() == [9, 320, 320, 0, 0]


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


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take back what keeps tests from the network, and every way there but the straight one."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "0")
    for name in ("HF_ENDPOINT", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.fixture
def asked(online: pytest.MonkeyPatch) -> list[object]:
    """Addresses that a dead network was asked for."""
    found: list[object] = []

    def refuse(address: object, timeout: float) -> socket.socket:
        found.append((address, timeout))
        raise OSError("no route")

    online.setattr(socket, "create_connection", refuse)
    return found


def test_dead_network_is_noticed_without_the_hubs_retries(asked: list[object]) -> None:
    with pytest.raises(ValueError, match="the hub does not answer"):
        load_pretrained("nobody/no-such-model", load_nothing, kind="a model")
    assert asked == [(("huggingface.co", 443), 3.0)]


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_who_is_offline_by_choice_asks_nobody(name: str, online: pytest.MonkeyPatch, asked: list[object]) -> None:
    online.setenv(name, "1")
    with pytest.raises(ValueError, match=f"the hub does not answer: {name} forbids asking it"):
        load_pretrained("nobody/no-such-model", load_nothing, kind="a model")
    assert asked == []


@pytest.mark.parametrize(
    ("name", "value", "address"),
    [
        ("HF_ENDPOINT", "http://mirror.example:8080/hf", ("mirror.example", 8080)),
        ("HF_ENDPOINT", "https://mirror.example", ("mirror.example", 443)),
        ("HTTPS_PROXY", "http://proxy.example:3128", ("proxy.example", 3128)),
        ("HTTP_PROXY", "http://proxy.example:3128", ("huggingface.co", 443)),
    ],
)
def test_mirror_or_proxy_is_asked_instead(
    name: str, value: str, address: tuple[str, int], online: pytest.MonkeyPatch, asked: list[object]
) -> None:
    online.setenv(name, value)
    with pytest.raises(ValueError, match="the hub does not answer"):
        load_pretrained("nobody/no-such-model", load_nothing, kind="a model")
    assert asked == [(address, 3.0)]


def test_broken_files_in_the_cache_are_named_and_the_hub_is_not_asked(asked: list[object], tmp_path: Path) -> None:
    def load(is_local: bool) -> str:
        raise BrokenFilesError("no tokenizer")

    with pytest.raises(ValueError, match=r"expected a model in the local cache under 'somebody/model': no tokenizer"):
        load_pretrained("somebody/model", load, kind="a model")
    with pytest.raises(ValueError, match=r"expected a model in the folder .*: no tokenizer"):
        load_pretrained(str(tmp_path), load, kind="a model")
    assert asked == []


def test_hub_is_asked_where_it_answers(online: pytest.MonkeyPatch) -> None:
    online.setattr(socket, "create_connection", lambda address, timeout: socket.socket())

    def load(is_local: bool) -> str:
        return load_nothing(is_local) if is_local else "from the hub"

    assert load_pretrained("somebody/model", load, kind="a model") == "from the hub"
    with pytest.raises(ValueError, match=r"expected a model on the hub under 'somebody/model': no config\.json"):
        load_pretrained("somebody/model", load_nothing, kind="a model")
