"""Rows of a data set that was augmented, read back with their origin."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.evaluation.augmentation_batches import ORIGIN, ORIGINAL, ORIGINAL_HYPOTHESIS
from textsem.evaluation.augmentation_files import OUTPUT_NAMES
from textsem.text.labels import LABEL_NAMES, label_id

__all__ = ["AugmentedRow", "read_new_rows"]

COLUMNS = ("premise", "hypothesis", "label", ORIGIN, ORIGINAL_HYPOTHESIS)


@dataclass(frozen=True)
class AugmentedRow:
    """A row beside those of the data.

    Args:
        premise: Of the pair that it was made from.
        hypothesis: What it was made into.
        label: That pair's, a position in ``LABEL_NAMES``.
        original: The pair's own hypothesis.
        origin: What made it.
    """

    premise: str
    hypothesis: str
    label: int
    original: str
    origin: str


def read_new_rows(path: Path) -> list[AugmentedRow]:
    """Return the rows that were added, the data's own left out.

    Args:
        path: An output folder of ``scripts/augment_nli.py``, its parquet or jsonl file, or a folder written by
            ``datasets.save_to_disk``.

    Raises:
        ValueError: If there is nothing of the kind, a column is missing, or a label is none of the three.
    """
    rows, names = _read(path)
    found = []
    for number, row in enumerate(rows, start=1):
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise ValueError(f"expected columns {', '.join(COLUMNS)} in {path.name}, got none called {missing[0]}")
        if row[ORIGIN] == ORIGINAL:
            continue
        label = row["label"] if isinstance(row["label"], str) else names.get(row["label"], "")
        position = label_id(label)
        if position is None:
            raise ValueError(f"expected one of {', '.join(LABEL_NAMES)} in row {number} of {path.name}, got {label!r}")
        found.append(AugmentedRow(row["premise"], row["hypothesis"], position, row[ORIGINAL_HYPOTHESIS], row[ORIGIN]))
    return found


def _read(path: Path) -> tuple[Iterable[Mapping[str, Any]], dict[Any, str]]:
    """Return rows, and what label numbers mean; files are read as they are, without a copy in the user's cache."""
    candidates = [path, *(path / name for name in OUTPUT_NAMES.values())] if path.is_dir() else [path]
    for place in candidates:
        if place.suffix == ".parquet" and place.is_file():
            rows, features = _read_parquet(place)
        elif place.suffix == ".jsonl" and place.is_file():
            rows, features = _read_lines(place), {}
        elif (place / "dataset_info.json").is_file():
            rows, features = _read_dataset(place)
        else:
            continue
        names = getattr(features.get("label"), "names", None) or LABEL_NAMES
        return rows, dict(enumerate(names))
    raise ValueError(
        f"expected a folder of scripts/augment_nli.py, or its parquet or jsonl file, got {path}, which is neither"
    )


def _read_parquet(path: Path) -> tuple[Iterable[Mapping[str, Any]], Mapping[str, Any]]:
    from datasets import Features
    from pyarrow.parquet import read_table

    table = read_table(path)
    return table.to_pylist(), Features.from_arrow_schema(table.schema)


def _read_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise ValueError(f"expected a JSON object in line {number} of {path}, got {line[:60]!r}") from error


def _read_dataset(path: Path) -> tuple[Iterable[Mapping[str, Any]], Mapping[str, Any]]:
    from datasets import load_from_disk

    rows: Any = load_from_disk(str(path))
    return rows, rows.features
