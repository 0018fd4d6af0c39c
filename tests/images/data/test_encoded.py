import pytest
import torch

from images_ext.data.encoded import decode_image, image_bytes
from tests.images.data.encoded_images import encode


def test_colour_image_keeps_its_channels() -> None:
    content = encode((10, 20, 30), size=(3, 2))
    values = image_bytes(decode_image(content, mode="RGB", place="here"))
    assert values.shape == (3, 2, 3)
    torch.testing.assert_close(values, torch.tensor([10, 20, 30]).byte().reshape(3, 1, 1).expand(3, 2, 3))


def test_rows_and_columns_keep_their_place() -> None:
    from PIL import Image

    image = Image.new("L", (3, 2))
    image.putpixel((2, 1), 7)
    assert image_bytes(image).tolist() == [[[0, 0, 0], [0, 0, 7]]]


def test_grey_image_becomes_colour_where_colour_is_asked_for() -> None:
    values = image_bytes(decode_image(encode(9, size=(2, 2)), mode="RGB", place="here"))
    assert values.shape == (3, 2, 2)
    assert set(values.flatten().tolist()) == {9}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.8])
def test_truncated_image_is_told_with_its_place(kind: str, share: float) -> None:
    content = encode((10, 200, 30), size=(89, 109), kind=kind)
    with pytest.raises(ValueError, match="expected a whole JPEG or PNG at row 3 of faces, got"):
        decode_image(content[: int(share * len(content))], mode="RGB", place="row 3 of faces")


@pytest.mark.parametrize("content", [b"", b"hello", bytes(1000), b"\xff\xd8\xff" + bytes(100)])
def test_bytes_that_are_no_image_are_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=rf"JPEG or PNG at x\.jpg, got {len(content)} bytes"):
        decode_image(content, mode="L", place="x.jpg")
