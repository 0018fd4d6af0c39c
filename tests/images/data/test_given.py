"""What a program hands over becomes the bytes it says, or an error that names it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from images_ext.data.given import read_image, read_label, split_given

GREY, COLOUR = (1, 4, 6), (3, 4, 6)


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_form_of_a_grey_image_gives_the_same_bytes(tmp_path: Path) -> None:
    bytes_ = noise(*GREY)
    array = bytes_[0].numpy()
    picture = Image.fromarray(array)
    picture.save(tmp_path / "x.png")
    floats = bytes_.double() / 255
    forms: list[Any] = [
        bytes_, bytes_[0], bytes_[0, :, :, None], array, array[:, :, None], array.astype(np.float32) / 255, floats,
        floats.float(), picture, tmp_path / "x.png", str(tmp_path / "x.png"),
    ]  # fmt: skip
    for form in forms:
        assert torch.equal(read_image(form, GREY, name="image 0"), bytes_)


def test_every_form_of_a_colour_image_gives_the_same_bytes(tmp_path: Path) -> None:
    bytes_ = noise(*COLOUR)
    array = bytes_.movedim(0, -1).contiguous().numpy()
    picture = Image.fromarray(array)
    picture.save(tmp_path / "x.png")
    forms: list[Any] = [bytes_, array, bytes_.numpy(), picture, tmp_path / "x.png"]
    for form in forms:
        assert torch.equal(read_image(form, COLOUR, name="image 0"), bytes_)


def test_what_is_handed_over_is_not_shared() -> None:
    array, tensor = np.zeros((4, 6), dtype=np.uint8), torch.zeros(GREY, dtype=torch.uint8)
    for given in (array, tensor):
        read_image(given, GREY, name="image 0").fill_(1)
    assert not array.any()
    assert not tensor.any()


@pytest.mark.parametrize("kind", [">f4", ">f8", np.float16, np.longdouble])
def test_floats_of_any_kind_are_read(kind: Any) -> None:
    bytes_ = noise(*GREY)
    assert torch.equal(read_image((bytes_.numpy() / 255).astype(kind), GREY, name="image 0"), bytes_)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (noise(1, 4, 7), r"expected image 5 of shape \[1, 4, 6\], got \[1, 4, 7\]"),
        (noise(3, 4, 6), r"expected image 5 of shape \[1, 4, 6\], got \[3, 4, 6\]"),
        (noise(1, 4, 6).long(), "expected image 5 of uint8 or floats in"),
        (np.zeros((4, 6), dtype=np.int64), "expected image 5 of uint8 or floats in"),
        (torch.full(GREY, 1.5), "expected image 5 with floats in .*, got 1.5 to 1.5"),
        (torch.full(GREY, -0.1), "expected image 5 with floats in .*, got -0.1"),
        (torch.full(GREY, torch.nan), "expected image 5 with floats in .*, got nan"),
        (Image.new("RGB", (6, 4)), "expected image 5 of mode L, got RGB: convert it"),
        (3, "expected image 5 as a PIL image, an array, a tensor or a path, got int"),
        (None, "expected image 5 as a PIL image, an array, a tensor or a path, got NoneType"),
    ],
)
def test_anything_else_is_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_image(given, GREY, name="image 5")


def test_bad_file_is_told_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    with pytest.raises(ValueError, match=r"expected an image file at .*x.jpg, got"):
        read_image(path, GREY, name="image 5")
    path.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"expected an image file at .*x.jpg, got"):
        read_image(path, GREY, name="image 5")
    Image.new("L", (64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"expected an image file at .*x.jpg, got"):
        read_image(path, GREY, name="image 5")
    Image.new("L", (7, 7)).save(path)
    with pytest.raises(ValueError, match=r"expected .*x.jpg of shape \[1, 4, 6\], got \[7, 7\]"):
        read_image(path, GREY, name="image 5")


def test_picture_that_was_opened_but_not_read_is_refused_where_it_is_broken(tmp_path: Path) -> None:
    for ending in ("png", "jpg"):
        path = tmp_path / f"x.{ending}"
        Image.fromarray(noise(64, 64).numpy()).save(path)
        path.write_bytes(path.read_bytes()[:1000])
        with Image.open(path) as picture, pytest.raises(ValueError, match="expected image 5 as a whole image, got "):
            read_image(picture, (1, 64, 64), name="image 5")


def test_path_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match=r"expected an image file at a.b, got embedded null byte"):
        read_image("a\0b", GREY, name="image 5")


def test_label_is_a_name_or_a_number() -> None:
    names = ("cat", "dog")
    assert [read_label(given, names, name="x") for given in ("dog", 1, np.int64(1), "cat", 0)] == [1, 1, 1, 0, 0]
    for wrong in ("owl", 2, -1, True, 0.0, None):
        with pytest.raises(ValueError, match="expected the label of x among cat, dog, or its number"):
            read_label(wrong, names, name="x")


def test_dict_gives_image_and_label() -> None:
    assert split_given({"image": 1, "label": 2}, name="x") == (1, 2)
    assert split_given({"image": 1}, name="x") == (1, None)
    assert split_given(5, name="x") == (5, None)
    with pytest.raises(ValueError, match=r"expected x as a dict with image and perhaps label, got keys \['img'\]"):
        split_given({"img": 1}, name="x")
