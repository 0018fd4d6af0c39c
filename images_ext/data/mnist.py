"""MNIST from its four idx files, gzipped or plain, as LeCun, Cortes & Burges publish them."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, Literal, cast

import torch
from torch import Tensor

from images_ext.data.images import DIGIT_NAMES, ImageSet

__all__ = ["load_mnist", "read_idx"]

_STEMS = {"train": "train", "test": "t10k"}
_SIDE = 28
_BLOCK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08


def load_mnist(folder: str | Path, split: Literal["train", "test"]) -> ImageSet:
    """Read one split of MNIST from a folder with files such as ``train-images-idx3-ubyte.gz``.

    Whether a file is gzipped is read from its first bytes, so that names with and without ``.gz`` both do.

    Returns:
        Images [n, 1, 28, 28] in the order of the file.

    Raises:
        ValueError: If a file is missing, truncated or no idx file of that kind, or a label is no digit.
    """
    if split not in _STEMS:
        raise ValueError(f"expected split train or test of mnist, got {split!r}")
    images_path = _find(Path(folder), f"{_STEMS[split]}-images", "idx3-ubyte")
    labels_path = _find(Path(folder), f"{_STEMS[split]}-labels", "idx1-ubyte")
    images = read_idx(images_path, ndim=3)
    if images.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"expected images of 28 x 28 in {images_path}, got {list(images.shape[1:])}")
    labels = read_idx(labels_path, ndim=1).long()
    if len(labels) != len(images):
        raise ValueError(f"expected {len(images)} labels in {labels_path}, as many as images, got {len(labels)}")
    outside = (labels >= len(DIGIT_NAMES)).nonzero().flatten()
    if len(outside):
        place = int(outside[0])
        raise ValueError(f"expected labels from 0 to 9 in {labels_path}, got {int(labels[place])} at image {place}")
    return ImageSet(images.unsqueeze(1), labels, DIGIT_NAMES, "mnist", split)


def read_idx(path: str | Path, *, ndim: int) -> Tensor:
    """Read a file of unsigned bytes in the idx format.

    The header is two zero bytes, 0x08 for unsigned bytes, the number of axes, and each length as four bytes, the
    highest first; then come the values, the last axis fastest.

    Args:
        path: The file, gzipped or plain.
        ndim: How many axes it must have.

    Returns:
        uint8, [length, ...] with ``ndim`` axes.

    Raises:
        ValueError: If the file cannot be read, is truncated, goes on after its values, or is another kind of file.
    """
    header_size = 4 + 4 * ndim
    try:
        with Path(path).open("rb") as raw, _opened(raw) as file:
            header = file.read(header_size)
            shape = _shape(header, ndim, path)
            num_values = math.prod(shape)
            # One byte more than announced, so that a file that goes on is noticed and never unpacked whole.
            values = _read_up_to(file, num_values + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"expected a whole idx file at {path}, got {error}") from error
    if len(values) != num_values:
        found = "more" if len(values) > num_values else f"{len(values)}: it is truncated"
        raise ValueError(f"expected {num_values} bytes after the header of {path}, got {found}")
    return torch.frombuffer(values, dtype=torch.uint8).reshape(shape) if values else torch.zeros(shape).byte()


def _find(folder: Path, stem: str, kind: str) -> Path:
    # The second form is that of some mirrors.
    names = [f"{stem}{dot}{kind}{ending}" for dot in "-." for ending in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"expected {names[0]} or {names[1]} in {folder}, got neither")


def _opened(raw: BinaryIO) -> BinaryIO:
    is_gzipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    raw.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if is_gzipped else raw


def _shape(header: bytes, ndim: int, path: str | Path) -> tuple[int, ...]:
    magic = bytes([0, 0, _UNSIGNED_BYTES, ndim])
    if header[:4] != magic:
        raise ValueError(f"expected the idx header {magic.hex()} in {path}, got {header[:4].hex() or 'an empty file'}")
    if len(header) < 4 + 4 * ndim:
        raise ValueError(f"expected a header of {4 + 4 * ndim} bytes in {path}, got {len(header)}: it is truncated")
    return tuple(int.from_bytes(header[4 * i : 4 * i + 4], "big") for i in range(1, ndim + 1))


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    """Read until ``size`` bytes are there or the file ends; what a header announces is never allocated at once."""
    values = bytearray()
    while len(values) < size and (block := file.read(min(_BLOCK, size - len(values)))):
        values += block
    return values
