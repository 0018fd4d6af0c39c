"""Hostile rows in the formats of data files."""

import csv
from collections.abc import Sequence
from pathlib import Path

from textsem.data.shown import writable
from textsem.evaluation.hostile_rows import HostileRow

__all__ = ["write_delimited", "write_lines", "write_parquet"]

COLUMNS = ("premise", "hypothesis", "label")


def write_lines(path: Path, rows: Sequence[HostileRow]) -> Path:
    """Write rows as jsonl, each as its line says it; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(row.line + b"\n" for row in rows))
    return path


def write_delimited(path: Path, rows: Sequence[HostileRow]) -> Path:
    """Write rows as csv or tsv: no value as nothing, others as Python does, a lone surrogate as no UTF-8."""
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
        writer.writerow(COLUMNS)
        writer.writerows(map(_cells, rows))
    return path


def write_parquet(path: Path, rows: Sequence[HostileRow]) -> Path:
    """Write rows as three columns of text: no value as null, others as Python writes them."""
    import pyarrow
    import pyarrow.parquet

    cells = [[None if cell is None else writable(cell) for cell in _cells(row)] for row in rows]
    columns = {name: pyarrow.array([cell[i] for cell in cells], pyarrow.string()) for i, name in enumerate(COLUMNS)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def _cells(row: HostileRow) -> list[str | None]:
    values = [(row.values or {}).get(name) for name in COLUMNS]
    return [None if value is None or value != value else str(value) for value in values]  # NaN alone is not itself
