import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from images_ext.data.images import DIGIT_NAMES, ImageSet


def image_set(num: int = 5, channels: int = 1) -> ImageSet:
    images = torch.arange(num * channels * 4, dtype=torch.uint8).reshape(num, channels, 2, 2)
    return ImageSet(images, torch.arange(num), DIGIT_NAMES, "drawn", "test")


def test_pixels_are_bytes_over_255() -> None:
    images = torch.tensor([0, 51, 255, 102], dtype=torch.uint8).reshape(1, 1, 2, 2)
    pixels = ImageSet(images, torch.tensor([0]), ("a",), "drawn", "test").pixels(slice(None))
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.flatten(), torch.tensor([0.0, 0.2, 1.0, 0.4]))


def test_every_byte_survives_the_way_to_pixels_and_back() -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    pixels = ImageSet(images, torch.tensor([0]), ("a",), "drawn", "test").pixels([0])
    torch.testing.assert_close((pixels * 255).round().to(torch.uint8), images, rtol=0, atol=0)


@given(st.lists(st.integers(0, 4), max_size=8))
def test_select_follows_the_order_of_the_places(places: list[int]) -> None:
    whole = image_set()
    part = whole.select(places)
    assert part.labels.tolist() == places
    assert len(part) == len(places)
    torch.testing.assert_close(part.pixels(slice(None)), whole.pixels(torch.tensor(places, dtype=torch.int64)))
    assert (part.name, part.split, part.label_names) == (whole.name, whole.split, whole.label_names)


def test_slices_and_places_agree() -> None:
    whole = image_set(channels=3)
    torch.testing.assert_close(whole.pixels(slice(1, 4)), whole.pixels([1, 2, 3]))
    assert whole.shape == (3, 2, 2)
    assert whole.num_classes == 10


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.int64), r"expected images as uint8.*got torch.float32"),
        (torch.zeros(2, 4, 4).byte(), torch.zeros(2, dtype=torch.int64), r"height, width\], got \[2, 4, 4\]"),
        (torch.zeros(2, 4, 4, 3).byte(), torch.zeros(2, dtype=torch.int64), r"1 or 3, .* got \[2, 4, 4, 3\]"),
        (torch.zeros(2, 1, 4, 0).byte(), torch.zeros(2, dtype=torch.int64), r"got \[2, 1, 4, 0\]"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2), "expected labels as int64, got torch.float32"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.zeros(3, dtype=torch.int64), r"labels of shape \[2\], got \[3\]"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.tensor([1, 10]), "from 0 to 9, got 10 at image 1 of drawn test"),
        (torch.zeros(2, 1, 4, 4).byte(), torch.tensor([-1, 9]), "from 0 to 9, got -1 at image 0"),
    ],
)
def test_wrong_images_and_labels_are_named(images: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels, DIGIT_NAMES, "drawn", "test")


@pytest.mark.parametrize("places", [[0, 5], [-1]])
def test_places_outside_are_named(places: list[int]) -> None:
    with pytest.raises(ValueError, match=f"expected places from 0 to 4, got {places[-1]}"):
        image_set().pixels(places)


def test_places_must_be_a_row_of_integers() -> None:
    with pytest.raises(ValueError, match=r"expected places as integers.*got torch.float32 \[1\]"):
        image_set().select(torch.tensor([0.5]))
    with pytest.raises(ValueError, match=r"got torch.bool"):
        image_set().select(torch.ones(5, dtype=torch.bool))
