import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Image, Value

from images_ext.data.hub import HubUnavailableError, is_saved, open_hub, open_saved
from images_ext.data.tables import column_values, encoded_images
from tests.images.data.encoded_images import encode


def saved_digits(num: int = 3, split: str | None = None) -> Dataset:
    rows = {"image": [{"bytes": encode(i, size=(28, 28)), "path": None} for i in range(num)], "label": range(num)}
    features = Features({"image": Image(), "label": Value("int64")})
    return Dataset.from_dict(rows, features=features, split=split)


def test_saved_rows_are_given_encoded_and_in_order(tmp_path: Path) -> None:
    saved_digits().save_to_disk(tmp_path)
    assert is_saved(tmp_path)
    table, is_told = open_saved(tmp_path, "test")
    assert not is_told
    assert column_values(table, "label") == [0, 1, 2]
    places, contents = zip(*encoded_images(table, [0, 2]), strict=True)
    assert contents == (encode(0, size=(28, 28)), encode(2, size=(28, 28)))
    assert places[1] == f"row 2 of {tmp_path}"


def test_splits_are_kept_apart_under_the_names_they_have(tmp_path: Path) -> None:
    DatasetDict({"train": saved_digits(3), "validation": saved_digits(2)}).save_to_disk(tmp_path)
    for split, num in (("train", 3), ("dev", 2)):
        table, is_told = open_saved(tmp_path, split)
        assert is_told
        assert len(column_values(table, "label")) == num
    with pytest.raises(ValueError, match=r"expected split test in .*, got train, validation"):
        open_saved(tmp_path, "test")


def test_single_data_set_that_tells_its_split_is_no_other(tmp_path: Path) -> None:
    saved_digits(split="train").save_to_disk(tmp_path)
    assert open_saved(tmp_path, "train")[1]
    with pytest.raises(ValueError, match=r"expected split test in .*, got train"):
        open_saved(tmp_path, "test")


@pytest.mark.parametrize("broken", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_broken_saved_folder_is_named(tmp_path: Path, broken: str) -> None:
    saved_digits().save_to_disk(tmp_path)
    (tmp_path / broken).write_bytes((tmp_path / broken).read_bytes()[:20])
    with pytest.raises(ValueError, match=rf"expected .*{tmp_path}"):
        column_values(open_saved(tmp_path, "test")[0], "label")


def test_folder_without_the_files_of_datasets_is_none(tmp_path: Path) -> None:
    assert not is_saved(tmp_path)
    assert not is_saved(tmp_path / "missing")


def test_offline_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr("images_ext.data.hub.urlopen", refuse)
    begin = time.process_time()
    with pytest.raises(HubUnavailableError, match="expected nobody/nothing in the cache of datasets, since an envir"):
        open_hub("nobody/nothing", "test")
    assert time.process_time() - begin < 20  # CPU seconds, the import of datasets among them


def test_hub_that_cannot_be_reached_is_told_before_datasets_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HubUnavailableError, match=r"expected nobody/nothing from https://.* cannot be reached"):
        open_hub("nobody/nothing", "test")


def test_rows_of_the_hub_come_from_the_split_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(*arguments: Any) -> DatasetDict:
        asked.append(arguments)
        return DatasetDict({"train": saved_digits(3), "valid": saved_digits(2)})

    monkeypatch.setattr("datasets.load_dataset", load)
    assert len(column_values(open_hub("some/digits", "dev", configuration="cropped"), "label")) == 2
    assert asked == [("some/digits", "cropped")]
    with pytest.raises(ValueError, match="expected split test of some/digits, got train, valid"):
        open_hub("some/digits", "test")
