r"""Results as one flat table: ``results.csv`` and ``results.parquet`` beside ``results.jsonl``.

Columns are the fields of a line in their order; ``scores`` becomes a column for each probability,
``score_original_<label>`` and ``score_adversarial_<label>``.  What a line does not have is null: in CSV an empty field
without quotation marks, while empty text is ``""``.  In CSV all text stands in quotation marks, those within doubled,
line breaks as they are; lines end with a line feed.  A lone surrogate, which UTF-8 cannot hold, becomes six characters
such as ``\ud83d``; all other text comes back as it was.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

from textsem.outputs import AttackResult
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES

if TYPE_CHECKING:
    from pyarrow import Schema

__all__ = ["ExportFormat", "ExportRows", "export_names", "export_results"]

ExportFormat = Literal["csv", "parquet"]
ExportRows = Literal["all", "successes"]
BATCH_SIZE = 4096  # rows in memory
SCORES = ("original", "adversarial")
# Every other column is text.
KINDS = {"index": "int64", "queries": "int64", "edits": "int64", "distance": "float64"}


def export_names() -> tuple[str, ...]:
    """Return the names of the files that an export may write."""
    return tuple(f"results.{name}" for name in get_args(ExportFormat))


def export_results(
    folder: str | Path, results: Sequence[AttackResult], formats: Sequence[ExportFormat], *, rows: ExportRows = "all"
) -> list[Path]:
    """Write the table in each format; a kill leaves the old file or the new one.

    Args:
        folder: Where the files go.
        results: Read once for the labels and once for each format, never held.
        formats: Which files.
        rows: Every line, or those with status ``success``.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        ValueError: If a format or a choice of rows is unknown.
        OSError: If a file cannot be written.
    """
    if rows not in get_args(ExportRows):
        raise ValueError(f"expected rows to be one of {', '.join(get_args(ExportRows))}, got {rows!r}")
    unknown = [name for name in formats if name not in get_args(ExportFormat)]
    if unknown:
        raise ValueError(f"expected formats among {', '.join(get_args(ExportFormat))}, got {', '.join(unknown)}")
    schema = _schema(_label_names(results)) if formats else None
    written = []
    for name in dict.fromkeys(formats):
        path = Path(folder) / f"results.{name}"
        chosen = (result for result in results if rows == "all" or result.status == "success")
        _write_whole(path, name, schema, chosen)
        written.append(path)
    return written


def _label_names(results: Iterable[AttackResult]) -> list[str]:
    """Return the labels that have probabilities, in the package's order; its own three where nothing has."""
    found = {name for result in results for scores in (result.scores or {}).values() for name in scores}
    return [name for name in GOLD_NAMES if name in found] + sorted(found - {*GOLD_NAMES}) or list(LABEL_NAMES)


def _schema(labels: Sequence[str]) -> "Schema":
    import pyarrow as pa

    columns: list[tuple[str, Any]] = []
    for field in fields(AttackResult):
        if field.name == "scores":
            columns += [(f"score_{which}_{label}", pa.float64()) for which in SCORES for label in labels]
        else:
            columns.append((field.name, pa.type_for_alias(KINDS.get(field.name, "string"))))
    return pa.schema(columns)


def _write_whole(path: Path, name: ExportFormat, schema: "Schema", results: Iterator[AttackResult]) -> None:
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("wb") as file:
            _write(file, name, schema, results)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # Arrow's name no file
            raise OSError(error.errno, f"could not write {path}: {error.strerror or error}") from error
        raise


def _write(file: BinaryIO, name: ExportFormat, schema: "Schema", results: Iterator[AttackResult]) -> None:
    import pyarrow as pa

    if name == "csv":
        from pyarrow.csv import CSVWriter as Writer
    else:
        from pyarrow.parquet import ParquetWriter as Writer
    with Writer(file, schema) as writer:
        while batch := list(islice(results, BATCH_SIZE)):
            writer.write_batch(pa.RecordBatch.from_pylist([_row(result) for result in batch], schema=schema))


def _row(result: AttackResult) -> dict[str, Any]:
    """Return the values by column; a column that is not there is null."""
    row: dict[str, Any] = {}
    for name, value in result.to_dict().items():
        if name != "scores":
            row[name] = _text(value) if isinstance(value, str) else value
    for which, scores in (result.scores or {}).items():
        row |= {f"score_{which}_{label}": probability for label, probability in scores.items()}
    return row


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
