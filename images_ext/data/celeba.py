"""CelebA at 64 x 64 with one of its 40 attributes as the class: the published folder, or parquet with JPEG bytes.

Liu et al. 2015.  Of each aligned image (178 x 218, or another size at that ratio) the square in its middle whose side
is 148/178 of its width is resized, bicubic.  Where no ``list_eval_partition.txt`` is found, row r (from 0) belongs to
``test`` if r mod 10 is 9, to ``dev`` if it is 8, else to ``train``; as CelebA's persons are not told there, one person
may be on both sides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from images_ext.data.celeba_folder import (
    ATTRIBUTES_FILE,
    PARTITION_FILE,
    find_part,
    folder_images,
    read_attribute,
    read_partition,
)
from images_ext.data.encoded import decode_image, image_bytes
from images_ext.data.images import ImageSet
from images_ext.data.tables import ImageTable, column_values, encoded_images, has_images, open_parquet, parquet_files

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ATTRIBUTE", "attribute_names", "load_celeba", "load_celeba_table", "split_of_row"]

ATTRIBUTE = "Male"
_SIDE = 64
_CROP = 148 / 178
_RATIO = 218 / 178
_RATIO_TOLERANCE = 0.02  # half-size images are 89 x 109
_SPLITS = ("train", "dev", "test")
_VALUES = {-1: 0, 0: 0, 1: 1}

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True, eq=False)
class _Faces:
    """Hold what is known of each row, and where its image comes from.

    Args:
        place: Where the rows come from, for messages.
        labels: 0 or 1, [rows].
        splits: The split of each row.
        images: Yields place and bytes of the images of some rows.
    """

    place: str
    labels: list[int]
    splits: list[str]
    images: Callable[[Sequence[int]], Iterator[tuple[str, bytes]]]


def attribute_names(attribute: str) -> tuple[str, str]:
    """Return the names of the two classes.

    >>> attribute_names("Male"), attribute_names("Wearing_Hat")
    (('female', 'male'), ('not wearing hat', 'wearing hat'))
    """
    if attribute == ATTRIBUTE:
        return ("female", "male")
    name = attribute.replace("_", " ").lower()
    return (f"not {name}", name)


def split_of_row(row: int) -> Split:
    """Return the split of a row, from 0, where the official partition is not at hand."""
    return {8: "dev", 9: "test"}.get(row % 10, "train")  # type: ignore[return-value]


def load_celeba(
    location: str | Path, split: Split, *, attribute: str = ATTRIBUTE, limit: int | None = None
) -> ImageSet:
    """Read one split of CelebA.

    Args:
        location: A folder with ``list_attr_celeba.txt`` and the images, or its official parts Anno, Eval and Img; or a
            parquet file, or a folder of them, with a column of JPEG bytes and one for each attribute.
        split: train, dev or test.
        attribute: Which of the 40 the classes tell apart.
        limit: How many images to read, from the first of the split; None for all.

    Returns:
        Images [n, 3, 64, 64], label 1 where the attribute is there.

    Raises:
        ValueError: If files are missing or broken; names the file and, where it can, the row.
    """
    if split not in _SPLITS:
        raise ValueError(f"expected split train, dev or test of celeba, got {split!r}")
    path = Path(location)
    if find_part(path, ATTRIBUTES_FILE, "Anno") is not None:
        return _read(_folder_faces(path, attribute), split, attribute, limit)
    files, is_told = ([path], False) if path.is_file() else parquet_files(path, split)
    with_images = [file for file in files if has_images(open_parquet([file]))]
    if not with_images:
        raise ValueError(
            f"expected {ATTRIBUTES_FILE}, or parquet with a column of JPEG bytes, for split {split} in {path}, "
            f"got {', '.join(file.name for file in files) or 'neither'}"
        )
    return load_celeba_table(open_parquet(with_images), split, attribute=attribute, limit=limit, is_split=is_told)


def load_celeba_table(
    table: ImageTable,
    split: Split,
    *,
    attribute: str,
    limit: int | None,
    is_split: bool,
) -> ImageSet:
    """Read faces from rows with an encoded image and a column for each attribute.

    Args:
        table: The rows.
        split: train, dev or test.
        attribute: The column with the class, as 0 and 1, -1 and 1, or booleans.
        limit: How many images to read, from the first of the split; None for all.
        is_split: Whether all rows are the split's, as in data sets that keep splits apart; else the rule of row
            numbers holds.

    Raises:
        ValueError: If a column is missing, or a row is broken; names the row.
    """
    values = column_values(table, attribute)
    labels = [_label(value, f"row {row} of {table.place}", attribute) for row, value in enumerate(values)]
    splits: list[str] = [split if is_split else split_of_row(row) for row in range(len(labels))]
    return _read(_Faces(table.place, labels, splits, partial(encoded_images, table)), split, attribute, limit)


def _folder_faces(folder: Path, attribute: str) -> _Faces:
    attributes, partition = find_part(folder, ATTRIBUTES_FILE, "Anno"), find_part(folder, PARTITION_FILE, "Eval")
    assert attributes is not None
    names, values = read_attribute(attributes, attribute)
    splits: list[str] = [split_of_row(row) for row in range(len(names))]
    if partition is not None:
        splits = read_partition(partition, names)
    return _Faces(str(folder), [_VALUES[value] for value in values], splits, partial(folder_images, folder, names))


def _read(faces: _Faces, split: Split, attribute: str, limit: int | None) -> ImageSet:
    rows = [row for row, found in enumerate(faces.splits) if found == split][:limit]
    if not rows:
        raise ValueError(f"expected images of split {split} in {faces.place}, got none among {len(faces.splits)}")
    images = torch.empty(len(rows), 3, _SIDE, _SIDE, dtype=torch.uint8)
    for i, (place, content) in enumerate(faces.images(rows)):
        images[i] = _face(decode_image(content, mode="RGB", place=place), place)
    labels = torch.tensor([faces.labels[row] for row in rows])
    return ImageSet(images, labels, attribute_names(attribute), "celeba", split)


def _face(image: "Image.Image", place: str) -> Tensor:
    from PIL import Image

    width, height = image.size
    if abs(height / width / _RATIO - 1) > _RATIO_TOLERANCE:
        raise ValueError(f"expected an aligned face of 178 x 218, or that ratio, at {place}, got {width} x {height}")
    side = _CROP * width
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return image_bytes(image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box))


def _label(value: Any, place: str, attribute: str) -> int:
    if not isinstance(value, int) or value not in _VALUES:
        raise ValueError(f"expected {attribute} as 0 or 1, or -1 or 1, at {place}, got {value}")
    return _VALUES[value]
