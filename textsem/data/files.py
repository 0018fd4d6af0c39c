"""Which reader takes a file: its suffix says."""

from pathlib import Path

from textsem.data.arrow import open_parquet
from textsem.data.delimited import open_delimited
from textsem.data.jsonl import open_jsonl
from textsem.data.table import RowStream

__all__ = ["SUFFIXES", "open_file"]

# Where one data set lies in several formats, the earlier is read.
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".txt")


def open_file(path: Path, *, source: str, split: str | None) -> RowStream:
    """Return the rows of one file: parquet, jsonl, csv, tsv or SNLI's own txt.

    Raises:
        ValueError: If the suffix is unknown, or the file cannot be read or is not what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"expected a file ending in {', '.join(SUFFIXES)}, got {str(path)!r}")
    if suffix == ".parquet":
        return open_parquet(path, source=source, split=split)
    if suffix in (".jsonl", ".json"):
        return open_jsonl(path, source=source, split=split)
    return open_delimited(path, source=source, split=split, tabs=suffix != ".csv")
