from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from images_ext.data.images import DIGIT_NAMES, ImageSet
from images_ext.data.svhn import STAND_IN_NAME, load_svhn, write_svhn


def colour_digits(labels: list[int], name: str = "svhn") -> ImageSet:
    images = torch.randint(0, 256, (len(labels), 3, 32, 32), dtype=torch.uint8)
    return ImageSet(images, torch.tensor(labels), DIGIT_NAMES, name, "test")


def save(folder: Path, **variables: Any) -> Path:
    path = folder / "test_32x32.mat"
    scipy.io.savemat(path, variables)
    return path


def published(num: int = 3) -> dict[str, Any]:
    return {"X": np.zeros((32, 32, 3, num), np.uint8), "y": np.full((num, 1), 10, np.uint8)}


def test_published_format_is_height_width_colour_image_and_ten_is_zero(tmp_path: Path) -> None:
    content = published()
    content["X"][4, 7, 2, 1] = 200
    content["y"] = np.array([[10], [1], [9]], np.uint8)
    save(tmp_path, **content)
    digits = load_svhn(tmp_path, "test")
    assert digits.images[1, 2, 4, 7] == 200
    assert int(digits.images.long().sum()) == 200
    assert digits.images.is_contiguous()
    assert digits.labels.tolist() == [0, 1, 9]
    assert (digits.name, digits.split, digits.label_names) == ("svhn", "test", DIGIT_NAMES)


def test_written_file_has_the_published_variables(tmp_path: Path) -> None:
    digits = colour_digits([0, 3])
    write_svhn(tmp_path / "test_32x32.mat", digits)
    content = scipy.io.loadmat(tmp_path / "test_32x32.mat")
    assert content["X"].shape == (32, 32, 3, 2)
    assert content["X"].dtype == content["y"].dtype == np.uint8
    assert content["y"].tolist() == [[10], [3]]
    assert content["X"][5, 6, 1, 1] == digits.images[1, 1, 5, 6].item()
    assert "stand_in" not in content


@pytest.mark.parametrize("name", ["svhn", STAND_IN_NAME])
def test_what_was_written_is_read_back_under_its_name(tmp_path: Path, name: str) -> None:
    digits = colour_digits(list(range(10)), name)
    write_svhn(tmp_path / "test_32x32.mat", digits)
    again = load_svhn(tmp_path, "test")
    torch.testing.assert_close(again.images, digits.images, rtol=0, atol=0)
    torch.testing.assert_close(again.labels, digits.labels)
    assert again.name == name


@pytest.mark.parametrize("kept", [0, 60, 127, 128, 140, 200, 4000, 9000])
def test_truncated_file_is_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "test_32x32.mat"
    write_svhn(path, colour_digits([1, 2, 3]))
    assert kept < path.stat().st_size
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"^expected .*test_32x32\.mat"):
        load_svhn(tmp_path, "test")


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n" + bytes(600), b"digits\n" * 100, bytes(600), b"\xff" * 600])
def test_foreign_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_32x32.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"^expected .*test_32x32\.mat"):
        load_svhn(tmp_path, "test")


def test_missing_file_and_foreign_split_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected SVHN's cropped digits at .*train_32x32\.mat, got no file"):
        load_svhn(tmp_path, "train")
    with pytest.raises(ValueError, match="expected split train or test of svhn, got 'dev'"):
        load_svhn(tmp_path, "dev")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": np.zeros((3, 32, 32, 3), np.uint8)}, r"expected X as uint8 of shape .*, got uint8 \[3, 32, 32, 3\]"),
        ({"X": np.zeros((32, 32, 3, 3))}, r"got float64 \[32, 32, 3, 3\]"),
        ({"y": np.ones((2, 1), np.uint8)}, r"expected y as numbers of shape \[3, 1\] .*, got uint8 \[2, 1\]"),
        ({"y": np.array([["a"], ["b"], ["c"]])}, r"expected y as numbers of shape \[3, 1\]"),
        ({"y": np.array([[1], [11], [0]], np.uint8)}, "from 1 to 10 in .*, got 11 at image 1"),
        ({"y": np.array([[1], [2], [0]], np.uint8)}, "got 0 at image 2"),
        ({"y": np.array([[1], [2], [np.nan]])}, "got nan at image 2"),
        ({"y": np.array([[1.5], [2], [3]])}, "got 1.5 at image 0"),
    ],
)
def test_wrong_variables_are_told(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    save(tmp_path, **published() | changed)
    with pytest.raises(ValueError, match=message) as error:
        load_svhn(tmp_path, "test")
    assert "test_32x32.mat" in str(error.value)


@pytest.mark.parametrize("missing", ["X", "y"])
def test_missing_variable_is_named(tmp_path: Path, missing: str) -> None:
    content = published()
    del content[missing]
    save(tmp_path, **content)
    with pytest.raises(ValueError, match=rf"expected variables X and y in .*mat, got no {missing}"):
        load_svhn(tmp_path, "test")


def test_only_colour_digits_of_that_size_are_written(tmp_path: Path) -> None:
    grey = ImageSet(torch.zeros(1, 1, 28, 28).byte(), torch.tensor([1]), DIGIT_NAMES, "mnist", "test")
    with pytest.raises(ValueError, match=r"expected digits of shape \[n, 3, 32, 32\], got \[1, 1, 28, 28\]"):
        write_svhn(tmp_path / "test_32x32.mat", grey)
    assert not list(tmp_path.iterdir())
