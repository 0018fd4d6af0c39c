"""Training sets written row by row: parquet, jsonl, or a folder that ``datasets.load_from_disk`` reads.

Columns are premise, hypothesis, label, origin, original_hypothesis and index.  The same rows give the same bytes.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from textsem.evaluation.augmentation_batches import ORIGIN, ORIGINAL_HYPOTHESIS
from textsem.runs.whole_files import to_json_bytes, told_where
from textsem.text.labels import LABEL_NAMES, TWO_CLASS_NAMES

if TYPE_CHECKING:
    from datasets import Features

__all__ = ["OUTPUT_NAMES", "OutputFormat", "remove_outputs", "write_rows"]

OutputFormat = Literal["parquet", "jsonl", "datasets"]
OUTPUT_NAMES: Mapping[str, str] = {"parquet": "augmented.parquet", "jsonl": "augmented.jsonl", "datasets": "augmented"}
BATCH_SIZE = 4096  # rows in memory, and in a row group

Rows = Iterable[Mapping[str, Any]]


def write_rows(folder: Path, form: OutputFormat, rows: Rows, *, labels: Iterable[str]) -> Path:
    """Write the rows and return their file or folder; a kill leaves the old one or the new one.

    Args:
        folder: Where they go; what other formats left there is removed.
        form: Which format.
        rows: Read once, never held; ``label`` is a name.
        labels: The names that occur.  Those of three classes, or of two, become a ``ClassLabel`` in parquet and
            datasets; a mixture of both stays text, as labels always do in jsonl.

    Raises:
        ValueError: If the format is unknown, or there is no row for a folder of `datasets`.
        OSError: If something cannot be written.
    """
    writers: dict[str, Callable[[Path, Rows, set[str]], None]] = {
        "parquet": _write_parquet,
        "jsonl": _write_jsonl,
        "datasets": _write_dataset,
    }
    if form not in writers:
        raise ValueError(f"expected format to be one of {', '.join(get_args(OutputFormat))}, got {form!r}")
    path = folder / OUTPUT_NAMES[form]
    beside = path.with_name(path.name + ".tmp")
    try:
        with told_where(path):
            _remove(beside)
            writers[form](beside, rows, set(labels))
            if path.is_dir():
                _remove(path)
            os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            _remove(beside)
        raise
    remove_outputs(folder, besides=path)
    return path


def remove_outputs(folder: Path, *, besides: Path | None = None) -> None:
    """Remove what an earlier run has written in any format, save ``besides``."""
    for name in OUTPUT_NAMES.values():
        if folder / name != besides:
            _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_jsonl(path: Path, rows: Rows, labels: set[str]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(to_json_bytes(row) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _write_parquet(path: Path, rows: Rows, labels: set[str]) -> None:
    from pyarrow.parquet import ParquetWriter

    features = _features(labels)
    with path.open("wb") as file:
        with ParquetWriter(file, features.arrow_schema) as writer:
            for batch in _batches(rows, features):
                writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())


def _write_dataset(path: Path, rows: Rows, labels: set[str]) -> None:
    """Write the folder by way of one Arrow file, which is mapped and not held, and not in the user's cache."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo
    from datasets.table import MemoryMappedTable

    features = _features(labels)
    whole = path.with_name(path.name + ".arrow")
    digest = hashlib.sha256()
    try:
        with pa.OSFile(str(whole), "wb") as file, pa.ipc.new_stream(file, features.arrow_schema) as writer:
            for batch in _batches(rows, features):
                digest.update(batch.serialize())
                writer.write_batch(batch)
        table = MemoryMappedTable.from_file(str(whole))
        if not len(table):  # which the library writes, but cannot read
            raise ValueError("expected at least one row for a folder of datasets, got none: take another --format")
        dataset = Dataset(table, info=DatasetInfo(features=features), fingerprint=digest.hexdigest()[:16])
        with _no_bars():
            dataset.save_to_disk(str(path))
    finally:
        whole.unlink(missing_ok=True)


def _features(labels: set[str]) -> "Features":
    from datasets import ClassLabel, Features, Value

    names = next((names for names in (LABEL_NAMES, TWO_CLASS_NAMES) if labels <= set(names)), None)
    text = Value("string")
    return Features(
        {
            **{"premise": text, "hypothesis": text, "label": text if names is None else ClassLabel(names=list(names))},
            **{ORIGIN: text, ORIGINAL_HYPOTHESIS: text, "index": Value("int64")},
        }
    )


def _batches(rows: Rows, features: "Features") -> Iterator[Any]:
    import pyarrow as pa

    names = getattr(features["label"], "names", None)
    numbers = {name: number for number, name in enumerate(names or ())}
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH_SIZE)):
        values = [{**row, "label": numbers.get(row["label"], row["label"])} for row in batch]
        yield pa.RecordBatch.from_pylist(values, schema=features.arrow_schema)


@contextmanager
def _no_bars() -> Iterator[None]:
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    was_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not was_disabled:
            enable_progress_bars()
