"""Images by the name of their data set: where they lie, and which reader reads them."""

import os
import re
from pathlib import Path
from typing import Literal

from images_ext.data.celeba import ATTRIBUTE, load_celeba, load_celeba_table
from images_ext.data.hub import HUB_IDS, HubUnavailableError, is_saved, open_hub, open_saved
from images_ext.data.images import ImageSet
from images_ext.data.mnist import load_mnist
from images_ext.data.svhn import load_svhn
from images_ext.data.tables import ImageTable, load_digit_table, open_parquet, parquet_files

__all__ = ["DATA_VARIABLE", "DataName", "DataUnavailableError", "Split", "load_images"]

DataName = Literal["mnist", "svhn", "celeba", "drawn-digits"]
Split = Literal["train", "test", "dev"]

DATA_VARIABLE = "IMAGES_EXT_DATA"
_NAMES = ("mnist", "svhn", "celeba", "drawn-digits")
_SPLITS = {
    "mnist": ("train", "test"),
    "svhn": ("train", "test"),
    "celeba": ("train", "dev", "test"),
    "drawn-digits": ("test",),
}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


class DataUnavailableError(ValueError):
    """Nobody said where the data lies, and it is not to be had otherwise."""


def load_images(
    name: DataName,
    location: str | Path | None,
    split: Split,
    *,
    limit: int | None = None,
    attribute: str | None = None,
) -> ImageSet:
    """Read one split of a data set.

    Args:
        name: ``mnist``, ``svhn``, ``celeba``, or ``drawn-digits``, which lie nowhere.
        location: A folder with the published files, with parquet files or as ``datasets.save_to_disk`` writes it; a
            parquet file; or a hub id.  None: the folder of the data set's name in the one that the environment
            variable IMAGES_EXT_DATA names; else the data set's usual hub id, from the cache or the hub.
        split: ``train`` or ``test``; CelebA has ``dev`` too, drawn digits only ``test``.
        limit: How many images to read, from the first; None for all.
        attribute: CelebA's attribute that the classes tell apart; None for Male.

    Raises:
        DataUnavailableError: If ``location`` is None and the data is not to be had.
        ValueError: If what is there cannot be read; names the file.
    """
    _check(name, split, limit, attribute)
    if name == "drawn-digits":
        if location is not None:
            raise ValueError(f"expected no location for drawn-digits, which are made here, got {str(location)!r}")
        from images_ext.data.drawn_digits import draw_digits

        digits = draw_digits()
        return digits if limit is None else digits.select(slice(0, limit))
    if location is None:
        root = os.environ.get(DATA_VARIABLE)
        if root and (Path(root) / name).exists():
            return _read(name, Path(root) / name, split, limit, attribute)
        try:
            source, configuration = HUB_IDS[name]
            table = open_hub(source, split, configuration=configuration)
        except HubUnavailableError as error:
            raise DataUnavailableError(
                f"expected {name}, got no folder of it: name one, or set {DATA_VARIABLE} to the folder that holds "
                f"{name}/; the hub was tried too: {error}"
            ) from error
        return _from_table(table, name, split, limit, attribute, is_split=True)
    if Path(location).exists():
        return _read(name, Path(location), split, limit, attribute)
    if not _HUB_ID.fullmatch(str(location)):
        raise ValueError(f"expected an existing folder or file, or a hub id such as {HUB_IDS[name][0]}, got {location}")
    known, configuration = HUB_IDS[name]
    table = open_hub(str(location), split, configuration=configuration if location == known else None)
    return _from_table(table, name, split, limit, attribute, is_split=True)


def _read(name: DataName, path: Path, split: Split, limit: int | None, attribute: str | None) -> ImageSet:
    """Read what lies on this machine."""
    if is_saved(path):
        table, is_split = open_saved(path, split)
        return _from_table(table, name, split, limit, attribute, is_split=is_split)
    if name == "celeba":
        return load_celeba(path, split, attribute=attribute or ATTRIBUTE, limit=limit)
    files, is_told = ([path], True) if path.is_file() else parquet_files(path, split)
    if files:
        if not is_told:
            raise ValueError(f"expected parquet files with {split} in their names in {path}, got {files[0].name}")
        return _from_table(open_parquet(files), name, split, limit, attribute, is_split=True)
    assert split != "dev"
    images = load_mnist(path, split) if name == "mnist" else load_svhn(path, split)
    return images if limit is None else images.select(slice(0, limit))


def _from_table(
    table: ImageTable, name: DataName, split: Split, limit: int | None, attribute: str | None, *, is_split: bool
) -> ImageSet:
    if name == "celeba":
        return load_celeba_table(table, split, attribute=attribute or ATTRIBUTE, limit=limit, is_split=is_split)
    assert name != "drawn-digits"
    return load_digit_table(table, name, split, limit=limit)


def _check(name: str, split: str, limit: int | None, attribute: str | None) -> None:
    if name not in _NAMES:
        raise ValueError(f"expected data {', '.join(_NAMES)}, got {name!r}")
    if split not in _SPLITS[name]:
        raise ValueError(f"expected split {' or '.join(_SPLITS[name])} of {name}, got {split!r}")
    if limit is not None and limit < 1:
        raise ValueError(f"expected a limit of at least 1 image, got {limit}")
    if attribute is not None and name != "celeba":
        raise ValueError(f"expected an attribute only for celeba, got {attribute!r} for {name}")
