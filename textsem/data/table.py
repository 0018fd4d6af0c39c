"""Rows of named values, from memory or read anew each time, before anything in them was checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from textsem.data.shown import listed

__all__ = ["COLUMN_NAMES", "Role", "Row", "RowSource", "RowStream", "Table", "column_of", "join_rows", "known_columns"]

Role = str

# The names under which a column is known, compared in lower case; the second of each is SNLI's own.
COLUMN_NAMES: Mapping[Role, tuple[str, ...]] = {
    "premise": ("premise", "sentence1"),
    "hypothesis": ("hypothesis", "sentence2"),
    "label": ("label", "gold_label"),
    "caption": ("caption", "sentence", "text"),
}


class Row(NamedTuple):
    """One row as it was found.

    Args:
        place: Where it stands, for messages: row, line and file.
        values: By column name; empty where nothing could be read.
        problem: Why the row could not be read, and the mend; None if it could.
    """

    place: str
    values: Mapping[str, object]
    problem: str | None = None


class RowSource(Protocol):
    """What `Table` and `RowStream` have in common."""

    @property
    def source(self) -> str:
        """Hub id or path, as the user gave it."""
        ...

    @property
    def split(self) -> str | None:
        """Split that was asked of the source; None if a single file is read."""
        ...

    @property
    def found(self) -> Sequence[str]:
        """Names of all columns."""
        ...

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Names behind the integers of a column, for columns that carry such names."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield all rows, from the first on each call."""
        ...


@dataclass(frozen=True)
class Table:
    """Rows in memory; implements ``RowSource``.

    Args:
        source: Hub id or path, as the user gave it.
        split: Split that was asked of the source; None if a single file was read.
        columns: Values by column name.
        found: Names of all columns, for error messages.
        class_names: Names behind the integers of a column, for columns that carry such names.
    """

    source: str
    split: str | None
    columns: Mapping[str, Sequence[object]]
    found: tuple[str, ...]
    class_names: Mapping[str, tuple[str, ...]]

    def rows(self) -> Iterator[Row]:
        """Yield all rows, from the first on each call."""
        for number, values in enumerate(zip(*self.columns.values(), strict=True), start=1):
            yield Row(f"row {number} of {self.source!r}", dict(zip(self.columns, values, strict=True)))


@dataclass(frozen=True)
class RowStream:
    """Rows that are read anew on each call, in memory that does not grow with them; implements ``RowSource``.

    Args:
        source: Hub id or path, as the user gave it.
        split: Split that was asked of the source; None if a single file is read.
        found: Names of all columns; of jsonl, those of the first rows.
        class_names: Names behind the integers of a column, for columns that carry such names.
        read: Starts reading.
    """

    source: str
    split: str | None
    found: tuple[str, ...]
    class_names: Mapping[str, tuple[str, ...]]
    read: Callable[[], Iterator[Row]]

    def rows(self) -> Iterator[Row]:
        """Yield all rows, from the first on each call."""
        return self.read()


def column_of(names: Sequence[str], role: Role) -> str | None:
    """Return the column that plays ``role``, or None.

    A file with both ``label`` and ``gold_label`` is read by the one that goes with its sentence columns.
    """
    lowered = {name.strip().lower(): name for name in reversed(names)}
    wanted = COLUMN_NAMES[role]
    if role == "label" and "hypothesis" not in lowered and "sentence2" in lowered:
        wanted = wanted[::-1]
    return next((lowered[name] for name in wanted if name in lowered), None)


def known_columns(found: Sequence[str]) -> list[str]:
    """Return those of the names that ``COLUMN_NAMES`` knows: no others are read where that can be chosen."""
    names = {name for known in COLUMN_NAMES.values() for name in known}
    return [name for name in found if name.strip().lower() in names]


def join_rows(shards: Sequence[RowSource]) -> RowSource:
    """Return the shards of one data set as one source, read one after another.

    Raises:
        ValueError: If the shards have different columns.
    """
    first = shards[0]
    for shard in shards[1:]:
        if (set(known_columns(shard.found)), shard.class_names) != (set(known_columns(first.found)), first.class_names):
            raise ValueError(
                f"expected columns {listed(first.found)} in every shard of {first.source!r}, got {listed(shard.found)}"
            )
    if len(shards) == 1:
        return first

    def read() -> Iterator[Row]:
        for shard in shards:
            yield from shard.rows()

    return RowStream(first.source, first.split, tuple(first.found), first.class_names, read)
