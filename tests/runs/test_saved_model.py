import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
import torch

from textsem.runs.saved_model import cast, config_from_plain, read_weights, write_weights


@dataclass(frozen=True)
class Part:
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Whole:
    part: Part
    name: str
    hidden: tuple[int, ...] = ()


def test_only_numbers_that_float_are_cast() -> None:
    assert cast(torch.ones(2), torch.float16).dtype == torch.float16
    whole = torch.arange(2)
    assert cast(whole, torch.float16) is whole


def test_weights_come_back_as_float32_and_whole_numbers_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    weights = {"w": torch.linspace(0, 1, 6).reshape(2, 3).T.requires_grad_(), "labels": torch.tensor([1, 70_000])}
    write_weights(path, weights, dtype=torch.float16)
    found = read_weights(path)
    assert torch.equal(found["w"], weights["w"].half().float())
    assert found["w"].dtype == torch.float32
    assert torch.equal(found["labels"], weights["labels"])


def test_a_torn_file_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"expected the weights of this config in .*model\.safetensors: "):
        read_weights(path)


def test_a_config_survives_json() -> None:
    config = Whole(Part((2, 3)), "a", (4,))
    assert config_from_plain(Whole, json.loads(json.dumps(asdict(config))), {"part": Part}) == config


def test_keys_that_are_unknown_or_missing_are_not_made_up() -> None:
    with pytest.raises(TypeError, match="width"):
        config_from_plain(Whole, {"part": {"sizes": []}, "name": "a", "width": 3}, {"part": Part})
    with pytest.raises(KeyError, match="part"):
        config_from_plain(Whole, {"name": "a"}, {"part": Part})
