"""Images that a program hands over: PIL images, arrays, tensors or paths, as bytes; nothing is repaired."""

import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["GivenImage", "read_image", "read_label", "split_given"]

HIGHEST = 255
MODES = {1: "L", 3: "RGB"}  # of PIL, by channels
# What pillow and its plugins raise for broken bytes; a decompression bomb is none of them.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, RuntimeError, struct.error)

GivenImage = Any
"""A PIL image, an array, a tensor, or the path of an image file."""


def read_image(given: GivenImage, image_shape: tuple[int, int, int], *, name: str) -> Tensor:
    """Return an image as bytes.

    Floats are rounded to bytes, as every candidate is.  Size and channels must be those of the model: an image of
    another size or mode is an error, since resizing would hide what is asked.

    Args:
        given: A PIL image of mode L or RGB; an array or tensor of uint8, or of floats in [0, 1], [channels, height,
            width], [height, width, channels], or [height, width] of grey; or the path of an image file.
        image_shape: Channels, height, width.
        name: What messages call it, such as ``image 3``; a path stands in its place.

    Returns:
        uint8 [channels, height, width], a copy.

    Raises:
        ValueError: If it is anything else; the message names it.
    """
    if isinstance(given, (str, os.PathLike)):
        name, given = os.fspath(given), _open(given)
    if isinstance(given, Tensor):
        return _to_bytes(given.detach().cpu(), image_shape, name)
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 and not np.issubdtype(given.dtype, np.floating):
            raise ValueError(f"expected {name} of uint8 or floats in [0, 1], got {given.dtype}")
        return _to_bytes(_as_tensor(given), image_shape, name)
    from PIL import Image

    if not isinstance(given, Image.Image):
        raise ValueError(f"expected {name} as a PIL image, an array, a tensor or a path, got {type(given).__name__}")
    if given.mode != MODES[image_shape[0]]:
        raise ValueError(f"expected {name} of mode {MODES[image_shape[0]]}, got {given.mode}: convert it")
    try:
        values = np.array(given)  # a picture that was opened and not read yet is read here
    except BROKEN as error:
        raise ValueError(f"expected {name} as a whole image, got {_reason(error)}") from error
    return _to_bytes(torch.from_numpy(values), image_shape, name)


def read_label(given: object, label_names: Sequence[str], *, name: str) -> int:
    """Return a class number.

    Args:
        given: The name of a class or its number.
        label_names: Of the target.
        name: What messages call the image.

    Raises:
        ValueError: If there is no such class.
    """
    if isinstance(given, str) and given in label_names:
        return label_names.index(given)
    is_number = isinstance(given, (int, np.integer)) and not isinstance(given, bool)
    if is_number and 0 <= int(given) < len(label_names):  # type: ignore[call-overload]
        return int(given)  # type: ignore[call-overload, no-any-return]
    raise ValueError(f"expected the label of {name} among {', '.join(label_names)}, or its number, got {given!r}")


def split_given(given: object, *, name: str) -> tuple[GivenImage, object]:
    """Return the image and the label, or None, of what was handed over: an image, or a dict with both.

    Raises:
        ValueError: If a dict has no ``image``.
    """
    if not isinstance(given, Mapping):
        return given, None
    if "image" not in given:
        raise ValueError(f"expected {name} as a dict with image and perhaps label, got keys {sorted(given)}")
    return given["image"], given.get("label")


def _open(path: str | os.PathLike[str]) -> Any:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise ValueError(f"expected an image file at {os.fspath(path)}, got {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _as_tensor(array: np.ndarray) -> Tensor:
    """Copy an array of bytes or floats; floats that torch does not know, such as big-endian ones, become doubles."""
    is_known = array.dtype.isnative and array.dtype.itemsize <= np.dtype(np.float64).itemsize
    return torch.from_numpy(np.array(array) if is_known else array.astype(np.float64))


def _to_bytes(pixels: Tensor, image_shape: tuple[int, int, int], name: str) -> Tensor:
    channels, height, width = image_shape
    shape = tuple(pixels.shape)
    if shape == (height, width) and channels == 1:
        pixels = pixels[None]
    elif shape == (height, width, channels) and shape != image_shape:
        pixels = pixels.movedim(-1, 0)
    elif shape != image_shape:
        raise ValueError(f"expected {name} of shape {list(image_shape)}, got {list(shape)}")
    if pixels.dtype == torch.uint8:
        return pixels.clone(memory_format=torch.contiguous_format)
    if not pixels.is_floating_point():
        raise ValueError(f"expected {name} of uint8 or floats in [0, 1], got {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    if not (0 <= low and high <= 1):  # also where one of them is nan
        raise ValueError(f"expected {name} with floats in [0, 1], got {low:g} to {high:g}")
    return (pixels * HIGHEST).round().to(torch.uint8).contiguous()
