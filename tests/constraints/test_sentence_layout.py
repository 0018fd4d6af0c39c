import json
from pathlib import Path

import pytest

from tests.constraints.fakes import add_sentence_files
from textsem.constraints.sentence_layout import SentenceLayout, read_sentence_layout

HUB_ID = "somebody/encoder"


def read(folder: Path) -> SentenceLayout:
    return read_sentence_layout(str(folder), is_local=True)


def test_folder_without_modules_is_a_plain_encoder(tmp_path: Path) -> None:
    assert read(tmp_path) == SentenceLayout(
        subfolder="", pooling="mean", max_tokens=None, is_lower_cased=False, beyond=""
    )


def test_all_files_are_read(tmp_path: Path) -> None:
    limits = {"max_seq_length": 256, "do_lower_case": True}
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    add_sentence_files(tmp_path, pooling=pooling, limits=limits)
    assert read(tmp_path) == SentenceLayout(pooling="cls", max_tokens=256, is_lower_cased=True)


def test_names_of_a_newer_library_are_understood(tmp_path: Path) -> None:
    add_sentence_files(tmp_path, ["Transformer", "Pooling"], pooling={"pooling_mode": ["cls"]})
    path = tmp_path / "modules.json"
    path.write_text(path.read_text().replace("sentence_transformers.models.", "sentence_transformers.base.modules.x."))
    assert read(tmp_path) == SentenceLayout(pooling="cls")


@pytest.mark.parametrize(
    ("kinds", "pooling", "beyond"),
    [
        (["Transformer", "Pooling", "Dense", "Normalize"], {}, "module Dense"),
        (["WordEmbeddings", "Pooling"], {}, "module WordEmbeddings"),
        (["Transformer", "Normalize"], {}, "modules Transformer, Normalize in this order"),
        (["Transformer", "Pooling"], {"pooling_mode": "lasttoken"}, "pooling lasttoken"),
        (["Transformer", "Pooling"], {"pooling_mode_max_tokens": True}, "pooling max_tokens"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pooling cls and mean",
        ),
    ],
)
def test_what_transformers_cannot_do_is_named(
    tmp_path: Path, kinds: list[str], pooling: dict[str, object], beyond: str
) -> None:
    assert read(add_sentence_files(tmp_path, kinds, pooling=pooling)).beyond == beyond


def test_default_prompt_is_refused(tmp_path: Path) -> None:
    add_sentence_files(tmp_path, pooling={}, settings={"prompts": {"query": "q: "}, "default_prompt_name": "query"})
    with pytest.raises(ValueError, match="expected a model without a default prompt, got 'query'"):
        read(tmp_path)


def test_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(ValueError, match="expected JSON in"):
        read(tmp_path)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds one revision of a model, without any file."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--somebody--encoder"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0123abc")
    for part in ("snapshots", ".no_exist"):
        (model / part / "0123abc").mkdir(parents=True)
    return model


def test_cached_files_are_read(cache: Path) -> None:
    add_sentence_files(cache / "snapshots" / "0123abc", pooling={"pooling_mode": "cls"}, limits={}, settings={})
    assert read_sentence_layout(HUB_ID, is_local=True) == SentenceLayout(pooling="cls")


def test_file_that_the_hub_lacks_is_known_to_the_cache(cache: Path) -> None:
    (cache / ".no_exist" / "0123abc" / "modules.json").touch()
    assert read_sentence_layout(HUB_ID, is_local=True) == SentenceLayout()


@pytest.mark.usefixtures("cache")
def test_file_that_was_never_asked_for_is_not_taken_for_absent() -> None:
    with pytest.raises(FileNotFoundError, match=r"modules\.json of somebody/encoder is not in the local cache"):
        read_sentence_layout(HUB_ID, is_local=True)


def test_hub_that_lacks_the_file_has_a_plain_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def answer(error: type[Exception]) -> None:
        def download(name: str, path: str) -> str:
            raise error(json.dumps([name, path]))

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)

    answer(EntryNotFoundError)
    assert read_sentence_layout(HUB_ID, is_local=False) == SentenceLayout()
    answer(LocalEntryNotFoundError)
    with pytest.raises(LocalEntryNotFoundError):
        read_sentence_layout(HUB_ID, is_local=False)
