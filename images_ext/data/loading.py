"""Images by the name of their data set: where they lie, and which reader reads them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from images_ext.data.images import ImageSet
from images_ext.data.mnist import load_mnist
from images_ext.data.svhn import load_svhn

__all__ = ["DATA_VARIABLE", "DataName", "DataUnavailableError", "Split", "load_images"]

DataName = Literal["mnist", "svhn", "celeba", "drawn-digits"]
Split = Literal["train", "test", "dev"]

DATA_VARIABLE = "IMAGES_EXT_DATA"


_READERS: dict[str, Callable[..., ImageSet]] = {"mnist": load_mnist, "svhn": load_svhn}


class DataUnavailableError(ValueError):
    """Nobody said where the data lies, and it is not to be had otherwise."""


def load_images(name: DataName, location: str | Path | None, split: Split, *, limit: int | None = None) -> ImageSet:
    """Read one split of a data set.

    Args:
        name: ``mnist``, ``svhn``, ``celeba`` or ``drawn-digits``.
        location: A folder or file.  None: the folder of the data set's name in the folder that the
            environment variable IMAGES_EXT_DATA names.
        split: ``train`` or ``test``; CelebA has ``dev`` too.
        limit: How many images to keep, from the first; None for all.

    Raises:
        DataUnavailableError: If ``location`` is None and there is no data.
        ValueError: If what is there cannot be read; names the file.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"expected a limit of at least 1 image, got {limit}")
    if name not in _READERS:
        raise ValueError(f"expected data {' or '.join(_READERS)}, got {name!r}")
    images = _READERS[name](_located(name, location), split)
    return images if limit is None else images.select(slice(0, limit))


def _located(name: str, location: str | Path | None) -> Path:
    if location is not None:
        return Path(location)
    root = os.environ.get(DATA_VARIABLE)
    if root and (Path(root) / name).exists():
        return Path(root) / name
    raise DataUnavailableError(
        f"expected a folder with {name}, got none: name it, or set {DATA_VARIABLE} to the folder that holds {name}/"
    )
