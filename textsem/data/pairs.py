"""Labelled pairs: read from rows one by one, handed on in chunks, and told apart by a digest."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import NamedTuple

from textsem.data.shown import listed, shown, writable
from textsem.data.table import COLUMN_NAMES, Row, RowSource, column_of
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, TWO_CLASS_NAMES, align_labels, gold_id

__all__ = ["DataIdentity", "Pair", "PairChunk", "PairDigest", "PairReader"]

MAX_LABEL = 50

_UNLABELLED = {"", "-", "-1", "-1.0"}
# Tables with gaps often keep whole numbers as 1.0.
_WHOLE = re.compile(r"(\d{1,9})(\.0+)?")


class Pair(NamedTuple):
    """One labelled pair.

    Args:
        premise: As it came; "" where there is no text.
        hypothesis: Likewise.
        label: A name of ``GOLD_NAMES``; of an unknown label, the first 50 characters of what stands there; of a row
            that could not be read, "".
        problem: Why it cannot be attacked: the place, what was expected, what came, the mend.  None if it can.
    """

    premise: str
    hypothesis: str
    label: str
    problem: str | None = None


@dataclass(frozen=True)
class PairChunk:
    """Pairs that stand together in a data set.

    Args:
        start: Position of the first of them among the pairs of the data.
        premises: One a pair.
        hypotheses: One a pair.
        labels: Names of ``GOLD_NAMES``; of a pair with a problem, whatever stood there.
        problems: Why a pair cannot be attacked, by its position in the chunk.  Its texts stand as they came, save that
            what is no text is "" and a lone surrogate is spelled out: all of a chunk can be written as UTF-8.
    """

    start: int
    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[str, ...]
    problems: Mapping[int, str]

    @classmethod
    def of(cls, start: int, pairs: Sequence[Pair]) -> "PairChunk":
        """Return a chunk of pairs of which the first is number ``start``."""
        problems = {i: pair.problem for i, pair in enumerate(pairs) if pair.problem is not None}
        return cls(
            start,
            tuple(pair.premise for pair in pairs),
            tuple(pair.hypothesis for pair in pairs),
            tuple(pair.label for pair in pairs),
            problems,
        )

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.labels)


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


class PairDigest:
    """A running digest of pairs: of JSON lines ``[premise, hypothesis, label]``.

    The label is its number in ``GOLD_NAMES``, or its text if it is none of them.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._digest = hashlib.sha256()

    def add(self, premise: str, hypothesis: str, label: str) -> None:
        """Take the next pair in."""
        self.rows += 1
        place = GOLD_NAMES.index(label) if label in GOLD_NAMES else label
        self._digest.update(json.dumps([premise, hypothesis, place]).encode() + b"\n")

    def hexdigest(self) -> str:
        """Return the SHA-256 of the pairs so far."""
        return self._digest.hexdigest()


class PairReader:
    """Reads the rows of a source as labelled pairs; one bad row is a pair with a problem.

    Args:
        rows: The rows.
        label_order: What label numbers mean, in their order, where the data does not name them; SNLI's order if None.

    Raises:
        ValueError: If a column is missing, or the names behind its label numbers are not those of NLI.
    """

    def __init__(self, rows: RowSource, *, label_order: Sequence[str] | None = None) -> None:
        self.rows = rows
        self.columns = {role: _column(rows, role) for role in ("premise", "hypothesis", "label")}
        class_names = rows.class_names.get(self.columns["label"])
        if class_names is None and label_order is not None:
            class_names = tuple(map(str, range(len(label_order))))
        self._names_of_numbers: Sequence[str] = LABEL_NAMES
        if class_names is not None:
            try:
                order = align_labels(class_names, label_order)
            except ValueError as error:
                raise ValueError(f"{error}; in column {self.columns['label']!r} of {rows.source!r}") from error
            names = LABEL_NAMES if len(order) == len(LABEL_NAMES) else TWO_CLASS_NAMES
            self._names_of_numbers = [names[order.index(number)] for number in range(len(order))]

    def __iter__(self) -> Iterator[Pair | None]:
        """Yield a pair for each row, from the first on each call; None for a row without a label."""
        return (self._pair(row) for row in self.rows.rows())

    def _pair(self, row: Row) -> Pair | None:
        premise, hypothesis, raw = (row.values.get(self.columns[role]) for role in ("premise", "hypothesis", "label"))
        if row.problem is not None:
            return Pair(_text(premise), _text(hypothesis), "", row.problem)
        if _is_unlabelled(raw):
            return None
        label, problems = self._label(raw), []
        if label not in GOLD_NAMES:
            numbers = ", ".join(map(str, range(len(self._names_of_numbers))))
            problems.append(
                f"expected {', '.join(GOLD_NAMES)} (any case, also e, n, c), {numbers}, or for no label -1, '-' or "
                f"nothing, in column {self.columns['label']!r}, {row.place}, got {shown(raw)}: rename or remove this "
                "label in the data"
            )
        for role, value in (("premise", premise), ("hypothesis", hypothesis)):
            trouble = _trouble(value)
            if trouble is not None:
                problems.append(f"expected text as {role} in {row.place}, got {trouble}")
        return Pair(_text(premise), _text(hypothesis), label, "; ".join(problems) or None)

    def _label(self, raw: object) -> str:
        """Return the label's name, or what stands there if it is unknown."""
        text = _scalar(raw)
        place = gold_id(text) if text is not None else None
        if place is not None:
            return GOLD_NAMES[place]
        whole = _WHOLE.fullmatch(text) if text is not None else None
        if whole is not None and int(whole[1]) < len(self._names_of_numbers):
            return self._names_of_numbers[int(whole[1])]
        return writable((shown(raw) if text is None else text)[:MAX_LABEL])[:MAX_LABEL]


def _text(value: object) -> str:
    return writable(value) if isinstance(value, str) else ""


def _trouble(value: object) -> str | None:
    """Return what is wrong with a sentence, and the mend."""
    if not isinstance(value, str) or not value.strip():
        return f"{shown(value)}: write it there or leave the row out"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"U+{ord(value[error.start]):04X}"
        return f"the lone surrogate {code} as character {error.start + 1}, which UTF-8 cannot write: replace it"
    return None


def _column(rows: RowSource, role: str) -> str:
    name = column_of(rows.found, role)
    if name is None:
        pairs = " or ".join(
            ", ".join(COLUMN_NAMES[wanted][i] for wanted in ("premise", "hypothesis", "label")) for i in range(2)
        )
        raise ValueError(
            f"expected columns {pairs} in {rows.source!r}, got {listed(rows.found)}: no {role}; rename the columns"
        )
    return name


def _is_unlabelled(raw: object) -> bool:
    return raw is None or raw != raw or _scalar(raw) in _UNLABELLED  # NaN alone is not itself


def _scalar(raw: object) -> str | None:
    """Return the text of a string or a number, None of anything else."""
    if not isinstance(raw, str | Number):
        return None
    try:
        return str(raw).strip()
    except ValueError:  # Python writes no integer of thousands of digits
        return None
