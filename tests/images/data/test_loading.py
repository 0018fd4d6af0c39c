from pathlib import Path

import pytest

from images_ext.data.loading import DATA_VARIABLE, DataUnavailableError, load_images
from tests.images.data.test_mnist import write_mnist


def test_limit_keeps_the_first_images(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    assert load_images("mnist", tmp_path, "test", limit=2).labels.tolist() == [7, 2]
    assert load_images("mnist", str(tmp_path), "test", limit=9).labels.tolist() == [7, 2, 1]


def test_limit_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a limit of at least 1 image, got 0"):
        load_images("mnist", tmp_path, "test", limit=0)


def test_environment_variable_names_the_folder_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    (tmp_path / "mnist").mkdir()
    write_mnist(tmp_path / "mnist")
    assert len(load_images("mnist", None, "test")) == 3


def test_data_that_nobody_named_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(DataUnavailableError, match=f"name it, or set {DATA_VARIABLE} to the folder that holds mnist/"):
        load_images("mnist", None, "test")
