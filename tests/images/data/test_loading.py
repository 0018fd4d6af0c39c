from pathlib import Path
from typing import Any

import pytest
from datasets import DatasetDict

from images_ext.data.loading import DATA_VARIABLE, DataUnavailableError, load_images
from images_ext.data.svhn import write_svhn
from tests.images.data.encoded_images import write_parquet
from tests.images.data.test_celeba import face_columns
from tests.images.data.test_hub import saved_digits
from tests.images.data.test_mnist import write_mnist
from tests.images.data.test_svhn import colour_digits
from tests.images.data.test_tables import digit_columns


def test_limit_keeps_the_first_images(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    assert load_images("mnist", tmp_path, "test", limit=2).labels.tolist() == [7, 2]
    assert load_images("mnist", str(tmp_path), "test", limit=9).labels.tolist() == [7, 2, 1]


def test_svhn_and_its_stand_in_keep_their_names(tmp_path: Path) -> None:
    for name in ("svhn", "svhn stand-in"):
        write_svhn(tmp_path / "test_32x32.mat", colour_digits([1, 2, 3], name))
        digits = load_images("svhn", tmp_path, "test", limit=2)
        assert (digits.name, len(digits)) == (name, 2)


def test_celeba_takes_an_attribute(tmp_path: Path) -> None:
    write_parquet(tmp_path / "faces.parquet", face_columns())
    assert load_images("celeba", tmp_path, "test").label_names == ("female", "male")
    faces = load_images("celeba", tmp_path / "faces.parquet", "dev", limit=1, attribute="Smiling")
    assert (len(faces), faces.label_names) == (1, ("not smiling", "smiling"))


def test_drawn_digits_lie_nowhere(tmp_path: Path) -> None:
    assert len(load_images("drawn-digits", None, "test", limit=7)) == 7
    with pytest.raises(ValueError, match="expected no location for drawn-digits, which are made here"):
        load_images("drawn-digits", tmp_path, "test")


def test_parquet_files_of_digits_are_told_apart_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", digit_columns(4))
    write_parquet(tmp_path / "test.parquet", digit_columns(2))
    assert len(load_images("mnist", tmp_path, "train")) == 4
    assert len(load_images("mnist", tmp_path, "test")) == 2
    assert len(load_images("mnist", tmp_path / "train.parquet", "test", limit=3)) == 3


def test_parquet_files_of_digits_without_a_split_are_not_guessed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "digits.parquet", digit_columns(2))
    with pytest.raises(ValueError, match=r"expected parquet files with test in their names .*, got digits.parquet"):
        load_images("mnist", tmp_path, "test")


def test_folder_saved_by_datasets_is_read(tmp_path: Path) -> None:
    DatasetDict({"train": saved_digits(3), "test": saved_digits(2)}).save_to_disk(tmp_path)
    digits = load_images("mnist", tmp_path, "test")
    assert digits.images[:, 0, 3, 3].tolist() == digits.labels.tolist() == [0, 1]


def test_environment_variable_names_the_folder_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    (tmp_path / "mnist").mkdir()
    write_mnist(tmp_path / "mnist")
    assert len(load_images("mnist", None, "test")) == 3


def test_data_that_nobody_named_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(DataUnavailableError, match=f"name one, or set {DATA_VARIABLE} to the folder that holds mnist/"):
        load_images("mnist", None, "test")


def test_usual_hub_id_is_asked_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(*arguments: Any) -> DatasetDict:
        asked.append(arguments)
        return DatasetDict({"test": saved_digits(2)})

    monkeypatch.setattr("datasets.load_dataset", load)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert len(load_images("mnist", None, "test")) == 2
    assert len(load_images("mnist", "somebody/digits", "test", limit=1)) == 1
    assert asked == [("ylecun/mnist", None), ("somebody/digits", None)]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("cifar", None, "test"), {}, "expected data mnist, svhn, celeba, drawn-digits, got 'cifar'"),
        (("mnist", None, "dev"), {}, "expected split train or test of mnist, got 'dev'"),
        (("drawn-digits", None, "train"), {}, "expected split test of drawn-digits, got 'train'"),
        (("mnist", None, "test"), {"limit": 0}, "expected a limit of at least 1 image, got 0"),
        (("mnist", None, "test"), {"attribute": "Male"}, "expected an attribute only for celeba, got 'Male' for mnist"),
        (("mnist", "no/such/folder", "test"), {}, "or a hub id such as ylecun/mnist, got no/such/folder"),
    ],
)
def test_wrong_arguments_are_told(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_images(*arguments, **options)
