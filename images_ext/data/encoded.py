"""JPEG and PNG bytes as images, and images as tensors."""

import io
import struct
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["decode_image", "image_bytes"]


def decode_image(content: bytes, *, mode: Literal["L", "RGB"], place: str) -> "Image.Image":
    """Decode a whole image.

    Args:
        content: What a JPEG or PNG file holds.
        mode: Grey or colour, into which the image is turned.
        place: Where the bytes come from, for messages.

    Raises:
        ValueError: If the bytes are no image, or only a part of one.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.convert(mode)
    # What pillow raises for broken bytes; a truncated file is an OSError.
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"expected a whole JPEG or PNG at {place}, got {len(content)} bytes: {reason}") from error


def image_bytes(image: "Image.Image") -> Tensor:
    """Return a grey or colour image as uint8, [channels, height, width]."""
    values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return values.reshape(image.height, image.width, len(image.getbands())).permute(2, 0, 1)
