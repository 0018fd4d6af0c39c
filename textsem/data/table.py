"""Files of NLI pairs as columns: parquet, jsonl, csv, tsv and SNLI's own txt."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

__all__ = ["COLUMN_NAMES", "SUFFIXES", "Role", "Table", "column_of", "join_tables", "read_file", "table_from_dataset"]

Role = str

# The names under which a column is known, compared in lower case; the second of each is SNLI's own.
COLUMN_NAMES: Mapping[Role, tuple[str, ...]] = {
    "premise": ("premise", "sentence1"),
    "hypothesis": ("hypothesis", "sentence2"),
    "label": ("label", "gold_label"),
    "caption": ("caption", "sentence", "text"),
}
# Where one data set lies in several formats, the earlier is read.
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Table:
    """Columns as they were found, before anything was checked.

    Args:
        source: Hub id or path, as the user gave it.
        split: Split that was asked of the source; None if a single file was read.
        columns: Values by column name; only columns that ``COLUMN_NAMES`` knows are loaded.
        found: Names of all columns, for error messages.
        class_names: Names behind the integers of a column, for columns that carry such names.
    """

    source: str
    split: str | None
    columns: Mapping[str, Sequence[object]]
    found: tuple[str, ...]
    class_names: Mapping[str, tuple[str, ...]]


def column_of(names: Sequence[str], role: Role) -> str | None:
    """Return the column that plays ``role``, or None.

    A file with both ``label`` and ``gold_label`` is read by the one that goes with its sentence columns.
    """
    lowered = {name.strip().lower(): name for name in reversed(names)}
    wanted = COLUMN_NAMES[role]
    if role == "label" and "hypothesis" not in lowered and "sentence2" in lowered:
        wanted = wanted[::-1]
    return next((lowered[name] for name in wanted if name in lowered), None)


def read_file(path: Path, *, source: str, split: str | None) -> Table:
    """Read one file by its suffix.

    Raises:
        ValueError: If the suffix is unknown or the file is not what its suffix says; names the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"expected a file ending in {', '.join(SUFFIXES)}, got {str(path)!r}")
    try:
        if suffix == ".parquet":
            return _read_parquet(path, source=source, split=split)
        rows = _jsonl_rows(path) if suffix in (".jsonl", ".json") else _csv_rows(path, tabs=suffix != ".csv")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 text in {str(path)!r}, got {error}") from error
    found = tuple(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in _known(found)}
    return Table(source, split, columns, found, {})


def table_from_dataset(dataset: Any, *, source: str, split: str | None) -> Table:
    """Return the columns of a ``datasets.Dataset``."""
    found = tuple(dataset.column_names)
    known = _known(found)
    columns = dataset.select_columns(known).to_dict() if known else {}
    return Table(source, split, columns, found, _class_names(dataset.features, known))


def join_tables(tables: Sequence[Table]) -> Table:
    """Return the shards of one data set as one table.

    Raises:
        ValueError: If the shards have different columns.
    """
    first = tables[0]
    for table in tables[1:]:
        if (table.columns.keys(), table.class_names) != (first.columns.keys(), first.class_names):
            raise ValueError(f"expected columns {list(first.found)} in every shard, got {list(table.found)}")
    columns = {name: [value for table in tables for value in table.columns[name]] for name in first.columns}
    return Table(first.source, first.split, columns, first.found, first.class_names)


def _known(found: Sequence[str]) -> list[str]:
    names = {name for known in COLUMN_NAMES.values() for name in known}
    return [name for name in found if name.strip().lower() in names]


def _class_names(features: Mapping[str, Any], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(features[name].names) for name in known if hasattr(features[name], "names")}


def _read_parquet(path: Path, *, source: str, split: str | None) -> Table:
    import pyarrow
    import pyarrow.parquet
    from datasets import Features

    try:
        schema = pyarrow.parquet.read_schema(path)
        known = _known(schema.names)
        columns = pyarrow.parquet.read_table(path, columns=known).to_pydict()
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"expected a parquet file, got {str(path)!r}: {error}") from error
    # The names behind integer labels stand in the metadata that `datasets` writes.
    features = Features.from_arrow_schema(schema)
    return Table(source, split, columns, tuple(schema.names), _class_names(features, known))


def _jsonl_rows(path: Path) -> list[dict[str, object]]:
    rows = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"expected a JSON object on line {number} of {str(path)!r}, got {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"expected a JSON object on line {number} of {str(path)!r}, got {line.strip()[:60]!r}")
            rows.append(row)
    return rows


def _csv_rows(path: Path, *, tabs: bool) -> list[dict[str, object]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = lines.readline()
        lines.seek(0)
        # SNLI's and GLUE's tab files leave quotation marks as they are, also single ones inside a sentence.
        raw = tabs and "sentence2" in header.lower()
        reader = csv.reader(
            lines,
            delimiter="\t" if tabs else ",",
            quoting=csv.QUOTE_NONE if raw else csv.QUOTE_MINIMAL,
            strict=True,
        )
        rows: list[dict[str, object]] = []
        try:
            names = next(reader, [])
            for fields in reader:
                where = f"line {reader.line_num} of {str(path)!r}"
                if len(fields) > len(names):
                    raise ValueError(f"expected {len(names)} fields on {where}, got {len(fields)}")
                if fields:
                    rows.append(dict(zip_longest(names, fields)))
        except csv.Error as error:
            where = f"line {reader.line_num} of {str(path)!r}"
            raise ValueError(f"expected well-formed fields up to {where}, got {error}") from error
    return rows
