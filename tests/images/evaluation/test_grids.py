"""PNG files and sheets hold the very pixels; what is shown is drawn by the seed."""

import base64
import io

import pytest
import torch
from PIL import Image
from torch import Tensor

from images_ext.evaluation.grids import GAP, difference_image, draw_places, encode_png, png_uri, sheet


def noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def decoded(file: bytes) -> Tensor:
    with Image.open(io.BytesIO(file)) as image:
        pixels = torch.tensor(list(image.tobytes()), dtype=torch.uint8)
        channels = len(image.getbands())
        return pixels.reshape(image.height, image.width, channels).movedim(-1, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_holds_the_very_pixels(channels: int) -> None:
    image = noise(channels, 5, 7)
    assert torch.equal(decoded(encode_png(image)), image)
    head, _, body = png_uri(image).partition(",")
    assert head == "data:image/png;base64"
    assert torch.equal(decoded(base64.b64decode(body)), image)


@pytest.mark.parametrize("image", [torch.zeros(1, 2, 2), noise(2, 4, 4), noise(4, 4)])
def test_other_types_and_shapes_are_refused(image: Tensor) -> None:
    with pytest.raises(ValueError, match="expected an image of uint8"):
        encode_png(image)


def test_difference_is_grey_where_nothing_changed_and_never_cut_off() -> None:
    image = torch.tensor([0, 255, 10, 10], dtype=torch.uint8).reshape(1, 2, 2)
    changed = torch.tensor([255, 0, 10, 20], dtype=torch.uint8).reshape(1, 2, 2)
    assert difference_image(image, changed).flatten().tolist() == [255, 1, 128, 133]


def test_places_follow_the_seed_alone() -> None:
    places = list(range(100, 200))
    drawn = draw_places(places, most=10, seed=3)
    assert drawn == draw_places(places, most=10, seed=3)
    assert drawn != draw_places(places, most=10, seed=4)
    assert drawn == sorted(set(drawn))
    assert set(drawn) <= set(places)
    assert draw_places(places[:4], most=10, seed=3) == places[:4]


@pytest.mark.parametrize("scale", [1, 3])
def test_sheet_shows_each_image_where_it_belongs(scale: int) -> None:
    rows = [noise(4, 1, 5, 6), 255 - noise(4, 1, 5, 6)]
    paper = sheet(rows, framed=[1], scale=scale)
    assert paper.shape == (3, 2 * (5 * scale + GAP) + GAP, 4 * (6 * scale + GAP) + GAP)
    top, left = GAP + 5 * scale + GAP, GAP + 2 * (6 * scale + GAP)
    shown = paper[:, top : top + 5 * scale : scale, left : left + 6 * scale : scale]
    assert torch.equal(shown, rows[1][2].expand(3, -1, -1))
    # The frame lies around the second row alone.
    assert paper[:, top - 1, left].tolist() == [200, 30, 30]
    assert paper[:, GAP - 1, left].tolist() == [255, 255, 255]


def test_rows_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected rows of one shape .* got \[\[2, 1, 4, 4\], \[3, 1, 4, 4\]\]"):
        sheet([noise(2, 1, 4, 4), noise(3, 1, 4, 4)])
