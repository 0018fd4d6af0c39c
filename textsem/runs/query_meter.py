"""How often a target was asked, by phase of the work: what every metered target keeps, of words or of pixels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from textsem.outputs import QueryCounts

__all__ = ["QueryMeter"]

Phase = TypeVar("Phase", bound=str)


class QueryMeter(Generic[Phase]):
    """Count the rows that a target is asked for, each to the phase in which it was.

    Args:
        phases: All there are.
        phase: That of what is asked outside of any ``during`` block.
    """

    def __init__(self, phases: Sequence[Phase], phase: Phase) -> None:
        self.phase = phase
        self.counts: dict[Phase, QueryCounts] = {name: QueryCounts() for name in phases}
        self._seen: dict[Phase, set[int]] = {name: set() for name in phases}

    @property
    def current(self) -> QueryCounts:
        """The counts of the present phase."""
        return self.counts[self.phase]

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Count what is asked inside the ``with`` block to ``phase``.

        Raises:
            ValueError: If there is no such phase.
        """
        if phase not in self.counts:
            raise ValueError(f"expected phase to be one of {', '.join(self.counts)}, got {phase!r}")
        before, self.phase = self.phase, phase
        try:
            yield
        finally:
            self.phase = before

    def add_distinct(self, hashes: Iterable[int]) -> None:
        """Count among the distinct rows those that were never sent before in this phase, told by their hashes."""
        seen = self._seen[self.phase]
        before = len(seen)
        seen.update(hashes)
        self.current.distinct_rows += len(seen) - before

    def add_differentiated(self, num_rows: int) -> None:
        """Count rows whose logits are differentiated: all of them requested, sent and distinct."""
        counts = self.current
        counts.rows_requested += num_rows
        counts.rows_sent += num_rows
        counts.distinct_rows += num_rows

    def restore(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the counts of a run that is resumed, phase by phase; rows seen before count as new ones."""
        for phase in self.counts:
            self.counts[phase] = QueryCounts(**counts.get(phase, {}))
