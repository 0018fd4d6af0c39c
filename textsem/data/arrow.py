"""Parquet files and data sets of `datasets`, batch by batch."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textsem.data.table import Row, RowStream, known_columns

__all__ = ["open_dataset", "open_parquet"]

# Few rows, since each may hold a sentence of megabytes.
BATCH_ROWS = 64
_BUFFER_BYTES = 1 << 20


def open_parquet(path: Path, *, source: str, split: str | None) -> RowStream:
    """Return the rows of a parquet file.

    Raises:
        ValueError: If the file cannot be read or is none.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_unreadable(path, error)) from error
    known = known_columns(schema.names)
    return RowStream(
        source, split, tuple(schema.names), _class_names(schema, known), partial(_parquet_rows, path, known)
    )


def open_dataset(dataset: Any, *, source: str, split: str | None) -> RowStream:
    """Return the rows of a ``datasets.Dataset``, which keeps them on disk."""
    found = tuple(dataset.column_names)
    features = dataset.features
    names = {name: tuple(features[name].names) for name in known_columns(found) if hasattr(features[name], "names")}
    return RowStream(source, split, found, names, partial(_dataset_rows, dataset, known_columns(found), source))


def _unreadable(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"expected a parquet file that is whole, got {str(path)!r}: {reason}; write or fetch it again"


def _class_names(schema: Any, known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names behind integer labels, which `datasets` writes into the metadata of a file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        named = {name: features[name] for name in known if features[name].get("_type") == "ClassLabel"}
        return {name: tuple(map(str, feature["names"])) for name, feature in named.items()}
    except (KeyError, TypeError, AttributeError, ValueError):  # written by something else
        return {}


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        # Without pre_buffer and with a buffer of its own, no whole column of a row group is held in memory.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            batches = file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns), use_threads=False)
            yield from _rows(
                (dict(zip(batch.schema.names, batch.columns, strict=True)) for batch in batches), str(path)
            )
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_unreadable(path, error)) from error


def _dataset_rows(dataset: Any, columns: Sequence[str], source: str) -> Iterator[Row]:
    import pyarrow

    batches = dataset.select_columns(list(columns)).with_format("arrow").iter(batch_size=BATCH_ROWS)
    try:
        yield from _rows((dict(zip(batch.column_names, batch.columns, strict=True)) for batch in batches), source)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"expected whole files in {source!r}, got {error}; save or fetch them again") from error


def _rows(batches: Iterable[Mapping[str, Any]], where: str) -> Iterator[Row]:
    number = 0
    for batch in batches:
        columns = {name: _values(column) for name, column in batch.items()}
        for values in zip(*columns.values(), strict=True):
            number += 1
            yield Row(f"row {number} of {where!r}", dict(zip(columns, values, strict=True)))


def _values(column: Any) -> list[object]:
    """Return a column as Python values; text that is no UTF-8 as bytes."""
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: Any) -> object:
    try:
        value: object = scalar.as_py()
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    return value
