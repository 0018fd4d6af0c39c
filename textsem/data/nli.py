"""Labelled premise-hypothesis pairs, checked row by row and mapped onto the package's three labels."""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textsem.data.demo import read_demo
from textsem.data.hub import SNLI, DataUnavailableError, read_snli
from textsem.data.locations import canonical_split, read_table
from textsem.data.table import COLUMN_NAMES, Table, column_of
from textsem.text.labels import LABEL_NAMES, align_labels, label_id

__all__ = ["DATA_VARIABLE", "DataIdentity", "NliData", "load_nli", "nli_from_table"]

DATA_VARIABLE = "TEXTSEM_DATA"

_UNLABELLED = {"", "-", "-1", "-1.0"}
# Tables with gaps often keep whole numbers as 1.0.
_WHOLE = re.compile(r"(\d+)(\.0+)?")


@dataclass(frozen=True)
class DataIdentity:
    """What was read, in plain JSON types.

    Args:
        source: Hub id or path as it was given, or the name of the demo pairs.
        split: The split that was asked of the source; None where the source has none (a single file, the demo pairs).
        rows: Number of pairs that were kept.
        sha256: Digest of the kept pairs and labels, in order.
    """

    source: str
    split: str | None
    rows: int
    sha256: str


@dataclass(frozen=True)
class NliData:
    """Labelled pairs in input order, unlabelled ones left out.

    Args:
        premises: One a pair.
        hypotheses: One a pair.
        labels: Positions in ``LABEL_NAMES``: 0 entailment, 1 neutral, 2 contradiction.
        dropped_unlabelled: Unlabelled rows (-1, "-", None, empty) that were met before ``limit`` pairs were found.
        problems: What is wrong with a pair whose premise or hypothesis is missing, blank or no text, by its position;
            such a sentence stands as "" or as it came, and the pair is to be reported as an error.
        identity: What was read.
        notice: What the user must be told about the data, or None.
    """

    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]
    dropped_unlabelled: int
    problems: Mapping[int, str]
    identity: DataIdentity
    notice: str | None = None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.labels)


def load_nli(
    source: str | None, *, split: str = "test", limit: int = 0, label_order: Sequence[str] | None = None
) -> NliData:
    """Load labelled NLI pairs.

    Args:
        source: A file (parquet, jsonl, csv, tsv, SNLI's own jsonl and txt), a folder of splits, a folder written by
            ``datasets.save_to_disk``, or a hub id.  None: what the environment variable TEXTSEM_DATA names; else SNLI
            from the local cache; else SNLI from the hub, giving up within 5 seconds; else the demo pairs and a notice.
        split: ``train``, ``dev`` (also ``validation``), ``test``, or a longer part of a file's name.
        limit: Number of labelled pairs to keep, from the start; 0 keeps all.
        label_order: What label numbers 0, 1, 2 mean where the data does not name them; SNLI's order if None.

    Raises:
        ValueError: If the source, the split or a column is missing, or a label is unknown; or if ``source`` is None
            and no training data is to be had, for which the demo pairs are no substitute.
    """
    if limit < 0:
        raise ValueError(f"expected limit >= 0 (0: all pairs), got {limit}")
    if source is not None:
        return nli_from_table(read_table(source, split), limit=limit, label_order=label_order)
    named = os.environ.get(DATA_VARIABLE)
    if named:
        if not Path(named).expanduser().exists():
            raise ValueError(f"expected an existing file or folder in {DATA_VARIABLE}, got {named!r}")
        try:
            return nli_from_table(read_table(named, split), limit=limit, label_order=label_order)
        except ValueError as error:
            raise ValueError(f"{error} (from the environment variable {DATA_VARIABLE})") from error
    try:
        return nli_from_table(read_snli(split), limit=limit)
    except DataUnavailableError as error:
        reason = str(error)
    if canonical_split(split) == "train":
        raise ValueError(
            f"expected training data, got none: SNLI could not be read ({reason}); name a file, folder or hub id"
        )
    demo = read_demo()
    notice = (
        f"SNLI's {split} split could not be read ({reason}). Using the {len(demo.columns['label'])} demo pairs that "
        f"come with textsem instead: figures on them are no figures on SNLI. Name a file, a folder or {SNLI} as the "
        f"data, or set {DATA_VARIABLE}."
    )
    return nli_from_table(demo, limit=limit, notice=notice)


def nli_from_table(
    table: Table, *, limit: int = 0, label_order: Sequence[str] | None = None, notice: str | None = None
) -> NliData:
    """Check and convert the rows of a table.

    Raises:
        ValueError: If a column is missing, a label is unknown, or no labelled pair is there.
    """
    names = {role: _column(table, role) for role in ("premise", "hypothesis", "label")}
    class_names = table.class_names.get(names["label"])
    order = (0, 1, 2)
    if class_names is not None:
        order = align_labels(class_names, label_order)
    elif label_order is not None:
        order = align_labels(("0", "1", "2"), label_order)
    sentences: dict[str, list[str]] = {"premise": [], "hypothesis": []}
    labels: list[int] = []
    problems: dict[int, str] = {}
    dropped = 0
    for row, raw in enumerate(table.columns[names["label"]]):
        if limit and len(labels) == limit:
            break
        if _is_unlabelled(raw):
            dropped += 1
            continue
        for role, kept in sentences.items():
            value = table.columns[names[role]][row]
            if not isinstance(value, str) or not value.strip():
                problems[len(labels)] = f"expected text as {role} in row {row + 1} of {table.source}, got {value!r}"
            kept.append(value if isinstance(value, str) else "")
        labels.append(_label(raw, order, row=row, source=table.source, column=names["label"]))
    if not labels:
        raise ValueError(f"expected at least one labelled pair in {table.source!r}, got {dropped} unlabelled rows")
    premises, hypotheses = tuple(sentences["premise"]), tuple(sentences["hypothesis"])
    identity = DataIdentity(table.source, table.split, len(labels), _digest(premises, hypotheses, labels))
    return NliData(premises, hypotheses, tuple(labels), dropped, problems, identity, notice)


def _column(table: Table, role: str) -> str:
    name = column_of(table.found, role)
    if name is None:
        pairs = " or ".join(
            ", ".join(COLUMN_NAMES[wanted][i] for wanted in ("premise", "hypothesis", "label")) for i in range(2)
        )
        found = ", ".join(table.found) or "none"
        raise ValueError(f"expected columns {pairs} in {table.source!r}, got {found}: no {role}")
    return name


def _is_unlabelled(raw: object) -> bool:
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return True
    return not isinstance(raw, bool) and str(raw).strip() in _UNLABELLED


def _label(raw: object, order: tuple[int, int, int], *, row: int, source: str, column: str) -> int:
    """Return the package's label; ``order`` says which class number each of ``LABEL_NAMES`` has in the data."""
    if isinstance(raw, str):
        known = label_id(raw)
        if known is not None:
            return known
    whole = None if isinstance(raw, bool) else _WHOLE.fullmatch(str(raw).strip())
    number = None if whole is None else int(whole[1])
    if number not in order:
        raise ValueError(
            f"expected {', '.join(LABEL_NAMES)} (any case, also e, n, c), 0, 1, 2, or for no label -1, '-' or nothing, "
            f"in column {column!r}, row {row + 1} of {source!r}, got {raw!r}: rename or remove this label in the data"
        )
    return order.index(number)


def _digest(premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[int]) -> str:
    digest = hashlib.sha256()
    for row in zip(premises, hypotheses, labels, strict=True):
        digest.update(json.dumps(row).encode() + b"\n")
    return digest.hexdigest()
