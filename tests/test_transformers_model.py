"""An adversary under transformers' roof: the same folder, the same weights, and no guessing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import HfApi, RepoUrl
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel
from transformers.utils import hub, logging

from tests.builders import build_tiny_adversary
from textsem import NliAttackConfig, NliAttackModel, TextAdversary, register
from textsem.model_config import TextAdversaryConfig

WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    progress: Any = logging
    progress.disable_progress_bar()
    register()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path / "adversary")
    return tmp_path / "adversary"


def assert_same(first: TextAdversary, second: TextAdversary) -> None:
    assert first.config == second.config
    assert first.vocabulary.words == second.vocabulary.words
    assert (first.language_model is None) == (second.language_model is None)
    weights, others = first.state_dict(), second.state_dict()
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=0, atol=0)


def test_auto_classes_load_what_an_adversary_saves(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)
    assert isinstance(config, NliAttackConfig)
    assert TextAdversaryConfig.from_dict(config.adversary) == build_tiny_adversary().config
    model = AutoModel.from_pretrained(folder)
    assert isinstance(model, NliAttackModel)
    assert not model.training
    assert_same(model.adversary, TextAdversary.from_pretrained(folder))


def test_adversary_loads_what_transformers_saves(folder: Path, tmp_path: Path) -> None:
    NliAttackModel.from_pretrained(folder).save_pretrained(tmp_path / "again")
    names = {path.relative_to(tmp_path / "again").as_posix() for path in (tmp_path / "again").rglob("*.*")}
    trigram = {"trigram/trigram.json", "trigram/trigram.safetensors"}
    assert names == {"config.json", "vocabulary.json", WEIGHTS, *trigram}
    assert_same(TextAdversary.from_pretrained(tmp_path / "again"), TextAdversary.from_pretrained(folder))
    assert_same(NliAttackModel.from_pretrained(tmp_path / "again").adversary, TextAdversary.from_pretrained(folder))


def test_wrapped_adversary_is_saved_under_its_own_names(tmp_path: Path) -> None:
    adversary = build_tiny_adversary()
    NliAttackModel.from_adversary(adversary).save_pretrained(tmp_path)
    assert set(load_file(tmp_path / WEIGHTS)) == set(adversary.state_dict())
    assert_same(TextAdversary.from_pretrained(tmp_path), adversary)


@pytest.mark.parametrize("dtype", ["auto", torch.float16, torch.bfloat16])
def test_adversary_computes_in_float32_whatever_is_asked_for(dtype: Any, folder: Path) -> None:
    model = AutoModel.from_pretrained(folder, dtype=dtype)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert not any(value.is_meta for value in model.state_dict().values())


def edit_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return edit


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-50])


def without_key(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["adversary"]["decoder"]
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit_weights(lambda tensors: tensors.pop("log_scale")), "got missing keys .*log_scale"),
        (edit_weights(lambda tensors: tensors.update(more=torch.ones(2))), "got unexpected keys more"),
        (edit_weights(lambda tensors: tensors.update(embedding=torch.ones(2, 3))), "got mismatched keys .*embedding"),
        (cut(WEIGHTS), "expected the weights of this config in"),
        (cut("trigram/trigram.safetensors"), "expected the trigram of this adversary in"),
        (cut("vocabulary.json"), "expected JSON in .*vocabulary.json"),
        (without_key, "expected the keys and types of TextAdversaryConfig, got others: 'decoder'"),
    ],
)
def test_damage_is_one_clear_error_and_never_a_random_weight(
    damage: Callable[[Path], object], message: str, folder: Path
) -> None:
    damage(folder)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        AutoModel.from_pretrained(folder)


def test_missing_file_is_named(folder: Path) -> None:
    (folder / "vocabulary.json").unlink()
    with pytest.raises(OSError, match=r"vocabulary\.json"):
        AutoModel.from_pretrained(folder)


def test_revision_of_the_hubs_cache_is_loaded_offline(folder: Path, tmp_path: Path) -> None:
    """Two revisions of one hub id, as the hub's client leaves them on the disk."""
    cache = tmp_path / "cache"
    repository = cache / "models--someone--adversary"
    for revision, commit in (("main", "a" * 40), ("small", "b" * 40)):
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / revision).write_text(commit)
        shutil.copytree(folder, repository / "snapshots" / commit)
    other = repository / "snapshots" / ("b" * 40)
    edit_weights(lambda tensors: tensors["embedding"].mul_(2.0))(other)

    def load(**options: Any) -> TextAdversary:
        model: NliAttackModel = AutoModel.from_pretrained("someone/adversary", cache_dir=cache, **options)
        return model.adversary

    assert_same(load(local_files_only=True), TextAdversary.from_pretrained(folder))
    assert_same(load(revision="small", token=False), TextAdversary.from_pretrained(other))
    assert not torch.equal(load().embedding, load(revision="small").embedding)


def test_hub_gets_the_files_beside_the_weights_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, set[str]] = {}

    def create_repo(*args: Any, **options: Any) -> Any:
        return RepoUrl("https://huggingface.co/someone/adversary")

    def create_commit(*args: Any, repo_id: str, operations: Any, **options: Any) -> str:
        sent[repo_id] = {operation.path_in_repo for operation in operations}
        return "done"

    # transformers calls the client's methods; its first versions, functions that it had imported.
    for name, call in (("create_repo", create_repo), ("create_commit", create_commit)):
        monkeypatch.setattr(HfApi, name, call)
        monkeypatch.setattr(hub, name, call, raising=False)
    NliAttackModel.from_pretrained(folder).push_to_hub("someone/adversary")
    wanted = {"config.json", WEIGHTS, "vocabulary.json", "trigram/trigram.json", "trigram/trigram.safetensors"}
    assert wanted <= sent["someone/adversary"]
    assert not [name for name in sent["someone/adversary"] if name.endswith(".py")]


def test_model_without_an_adversary_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an adversary, got none: use from_pretrained or from_adversary"):
        NliAttackModel(NliAttackConfig())
