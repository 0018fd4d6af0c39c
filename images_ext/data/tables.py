"""Rows with an encoded image and labels, as parquet files and `datasets` keep them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from images_ext.data.encoded import decode_image, image_bytes
from images_ext.data.images import DIGIT_NAMES, ImageSet

__all__ = [
    "DIGIT_SHAPES",
    "ImageTable",
    "column_values",
    "encoded_images",
    "has_images",
    "load_digit_table",
    "open_parquet",
    "parquet_files",
]

DIGIT_SHAPES = {"mnist": (1, 28, 28), "svhn": (3, 32, 32)}
_IMAGE_COLUMNS = ("image", "img", "jpeg")
_LABEL_COLUMNS = ("label", "labels")
_SPLIT_WORDS = {"train": {"train"}, "dev": {"dev", "val", "valid", "validation"}, "test": {"test"}}
_BATCH_ROWS = 256


@dataclass(frozen=True, eq=False)
class ImageTable:
    """Give the columns of a table piece by piece.

    Args:
        place: Where the rows come from, for messages.
        columns: The names of the columns.
        chunks: Returns a column as arrow arrays, in the order of the rows.
    """

    place: str
    columns: tuple[str, ...]
    chunks: Callable[[str], Iterator[Any]]


def parquet_files(folder: Path, split: str) -> tuple[list[Path], bool]:
    """Return the parquet files of a split below a folder, and whether their names tell the split.

    Where no name has a word such as ``train``, all files are returned and the second value is False.
    """
    files = sorted(folder.rglob("*.parquet"))
    told = {file: _words(file) for file in files}
    if not any(words & known for words in told.values() for known in _SPLIT_WORDS.values()):
        return files, False
    return [file for file in files if told[file] & _SPLIT_WORDS[split]], True


def open_parquet(files: Sequence[Path]) -> ImageTable:
    """Return the rows of parquet files with the same columns, one file after the other.

    Raises:
        ValueError: If there is none, or one is not whole or no parquet file.
    """
    import pyarrow.parquet

    if not files:
        raise ValueError("expected at least one parquet file, got none")
    names = []
    for file in files:
        try:
            names.append(tuple(pyarrow.parquet.read_schema(file).names))
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(_broken(file, error)) from error
    for file, found in zip(files, names, strict=True):
        if found != names[0]:
            raise ValueError(f"expected the columns of {files[0]} in {file} too, got {', '.join(found)}")
    place = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return ImageTable(place, names[0], partial(_parquet_chunks, tuple(files)))


def has_images(table: ImageTable) -> bool:
    """Tell whether a table has a column that is known to hold images."""
    return any(name in table.columns for name in _IMAGE_COLUMNS)


def column_values(table: ImageTable, name: str) -> list[Any]:
    """Return a whole column as Python values.

    Raises:
        ValueError: If there is no such column.
    """
    if name not in table.columns:
        raise ValueError(f"expected a column {name} in {table.place}, got {', '.join(table.columns) or 'none'}")
    return [value for chunk in table.chunks(name) for value in chunk.to_pylist()]


def encoded_images(table: ImageTable, rows: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    """Yield where each image is, for messages, and its bytes; nothing behind the last one is read.

    Args:
        table: With a column image, img or jpeg that holds bytes, or what `datasets` makes of an image.
        rows: Rows from 0, each above the one before.

    Raises:
        ValueError: If there is no such column, or a row has no image.
    """
    column = next((name for name in _IMAGE_COLUMNS if name in table.columns), None)
    if column is None:
        wanted = " or ".join(_IMAGE_COLUMNS)
        raise ValueError(f"expected a column {wanted} in {table.place}, got {', '.join(table.columns) or 'none'}")
    at, first = 0, 0
    for chunk in table.chunks(column) if rows else ():
        while at < len(rows) and rows[at] < first + len(chunk):
            place = f"row {rows[at]} of {table.place}"
            yield place, _content(chunk[rows[at] - first].as_py(), place)
            at += 1
        if at == len(rows):
            return
        first += len(chunk)


def load_digit_table(table: ImageTable, name: Literal["mnist", "svhn"], split: str, *, limit: int | None) -> ImageSet:
    """Read MNIST or SVHN from rows with an image and a label from 0 to 9.

    Args:
        table: The rows of one split.
        name: Which of the two; it says what shape the images must have.
        split: The name of the split.
        limit: How many rows to read, from the first; None for all.

    Raises:
        ValueError: If a column is missing, an image is broken or of another shape, or a label is no digit.
    """
    shape = DIGIT_SHAPES[name]
    column = next((known for known in _LABEL_COLUMNS if known in table.columns), _LABEL_COLUMNS[0])
    labels = column_values(table, column)[:limit]
    for row, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < len(DIGIT_NAMES):
            raise ValueError(f"expected labels from 0 to 9 in {table.place}, got {label} at row {row}")
    images = torch.empty(len(labels), *shape, dtype=torch.uint8)
    for i, (place, content) in enumerate(encoded_images(table, range(len(labels)))):
        image = decode_image(content, mode="L" if shape[0] == 1 else "RGB", place=place)
        if (image.height, image.width) != shape[1:]:
            raise ValueError(f"expected {shape[1]} x {shape[2]} pixels at {place}, got {image.height} x {image.width}")
        images[i] = image_bytes(image)
    return ImageSet(images, torch.tensor(labels, dtype=torch.int64), DIGIT_NAMES, name, split)


def _parquet_chunks(files: tuple[Path, ...], column: str) -> Iterator[Any]:
    import pyarrow.parquet

    for path in files:
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[column], use_threads=False):
                    yield batch.column(0)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(_broken(path, error)) from error


def _broken(path: Path, error: Exception) -> str:
    return f"expected a whole parquet file at {path}, got {' '.join(str(error).split())}"


def _content(value: Any, place: str) -> bytes:
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None and isinstance(value, dict) and value.get("path"):
        try:
            content = Path(value["path"]).read_bytes()
        except OSError as error:
            raise ValueError(f"expected the image of {place} at {value['path']}, got {error.strerror}") from error
    if not isinstance(content, bytes):
        raise ValueError(f"expected the bytes of an image at {place}, got {type(content).__name__}")
    return content


def _words(file: Path) -> set[str]:
    return set(re.split(r"[^a-z]+", file.stem.lower()))
