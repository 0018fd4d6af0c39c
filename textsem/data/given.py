"""Pairs that a program hands over, one dict each, in place of a file: what the pipeline is called with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textsem.data.pairs import Pair, PairReader
from textsem.data.shown import listed, shown
from textsem.data.table import Row, RowStream, column_of

__all__ = ["GivenChunk", "GivenPair", "read_pair", "with_label_names"]

SOURCE = "the input"
UNLABELLED = "entailment"  # any name: it only makes the reader check the sentences of a pair without a label


@dataclass(frozen=True)
class GivenPair:
    """One pair.

    Args:
        premise: As it came; "" where there is no text.
        hypothesis: Likewise.
        label: A name of ``GOLD_NAMES``; None without one; of an unknown label, what stands there.
        problem: Why it cannot be attacked, or None.
        index: Position in the input.
    """

    premise: str
    hypothesis: str
    label: str | None
    problem: str | None = None
    index: int = 0


@dataclass(frozen=True)
class GivenChunk:
    """Pairs that are attacked together; see ``textsem.attacks.chunk.PairChunk``.

    Args:
        pairs: At least one, with consecutive indices.
    """

    pairs: Sequence[GivenPair]

    @property
    def start(self) -> int:
        """Position of the first of them in the input."""
        return self.pairs[0].index

    @property
    def premises(self) -> list[str]:
        """One a pair."""
        return [pair.premise for pair in self.pairs]

    @property
    def hypotheses(self) -> list[str]:
        """One a pair."""
        return [pair.hypothesis for pair in self.pairs]

    @property
    def labels(self) -> list[str | None]:
        """Gold labels; None takes the target's own prediction."""
        return [pair.label for pair in self.pairs]

    @property
    def problems(self) -> Mapping[int, str]:
        """Why a pair cannot be attacked, by its position."""
        return {i: pair.problem for i, pair in enumerate(self.pairs) if pair.problem is not None}


def read_pair(value: object, index: int = 0) -> GivenPair:
    """Return the pair that a dict describes, by any of the column names that files may have; never raises.

    >>> read_pair({"sentence1": "A man sleeps.", "sentence2": "Nobody is awake.", "gold_label": "n"}).label
    'neutral'
    >>> read_pair({"premise": "A man sleeps.", "hypothesis": " ", "label": 0}).problem
    "expected text as hypothesis in row 1 of the input, got ' ': write it there or leave the row out"
    """
    place = f"row {index + 1} of {SOURCE}"
    if not isinstance(value, Mapping):
        wanted = "a dict with premise, hypothesis and perhaps label"
        return GivenPair("", "", None, f"expected {wanted} as {place}, got {shown(value)}", index)
    values = {str(name): found for name, found in value.items()}
    missing = [role for role in ("premise", "hypothesis") if column_of(list(values), role) is None]
    if missing:
        problem = f"expected {' and '.join(missing)} in {place}, got keys {listed(list(values))}"
        return GivenPair("", "", None, problem, index)
    label_column = column_of(list(values), "label") or "label"
    values.setdefault(label_column, None)
    pair = _read(values, place)
    if pair is None:
        pair = _read({**values, label_column: UNLABELLED}, place)
        assert pair is not None
        return GivenPair(pair.premise, pair.hypothesis, None, pair.problem, index)
    return GivenPair(pair.premise, pair.hypothesis, pair.label, pair.problem, index)


def with_label_names(rows: Any) -> Iterator[object]:
    """Yield the rows of a ``datasets`` data set, class numbers as the names that its features give them."""
    features = getattr(rows, "features", None)
    names = {name: kind.names for name, kind in features.items() if hasattr(kind, "names")} if features else {}
    for row in rows:
        if not isinstance(row, Mapping):
            yield row
            continue
        known = {
            name: names[name][row[name]]
            for name in names
            if isinstance(row.get(name), int) and 0 <= row[name] < len(names[name])
        }
        yield {**row, **known}


def _read(values: Mapping[str, object], place: str) -> Pair | None:
    row = Row(place, values)
    return next(iter(PairReader(RowStream(SOURCE, None, tuple(values), {}, lambda: iter([row])))))
