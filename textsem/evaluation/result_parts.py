"""Files that hold some lines of a run each, sorted by pair: which pairs they hold, and all of them as one file."""

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import groupby
from pathlib import Path

from textsem.evaluation.result_lines import from_line
from textsem.outputs import AttackResult
from textsem.runs.whole_files import told_where

__all__ = ["PartLines", "merge_parts", "num_distinct"]


class PartLines:
    """Where the lines of a file stand; in memory are 16 bytes a line.

    Args:
        path: A file of whole lines, sorted by the pairs' indices.

    Raises:
        ValueError: If a line is broken, or the indices do not rise; the message names line and file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._indices, self._offsets = array("q"), array("q", [0])
        for index, line in _numbered_lines(path):
            self._indices.append(index)
            self._offsets.append(self._offsets[-1] + len(line))

    @property
    def num_pairs(self) -> int:
        """Return how many pairs there must be at least: one more than the last index."""
        return self._indices[-1] + 1 if self._indices else 0

    def __contains__(self, index: int) -> bool:
        """Tell whether there is a line about a pair."""
        place = bisect_left(self._indices, index)
        return place < len(self._indices) and self._indices[place] == index

    def between(self, start: int, stop: int) -> list[AttackResult]:
        """Read the results of the pairs from ``start`` to before ``stop`` that are there."""
        first, last = bisect_left(self._indices, start), bisect_left(self._indices, stop)
        if first == last:
            return []
        with self.path.open("rb") as file:
            file.seek(self._offsets[first])
            lines = file.read(self._offsets[last] - self._offsets[first]).splitlines(keepends=True)
        return [from_line(line, number, self.path) for number, line in enumerate(lines, start=first)]


def num_distinct(parts: Sequence[PartLines]) -> int:
    """Return how many pairs have a line in any of the parts."""
    return sum(1 for _ in groupby(merge(*(part._indices for part in parts))))


def merge_parts(paths: Sequence[Path], to: Path) -> None:
    """Write the lines of all files as one, sorted, in constant memory; it is there whole or not at all.

    A line that stands in two files, as after a kill at the end of a merge, is written once.

    Args:
        paths: Files of whole lines, each sorted.
        to: The one file; may be among them.

    Raises:
        ValueError: If a line is broken, a pair has none, or two that differ.
        OSError: If the file cannot be written; the parts stay.
    """
    beside = to.with_name(to.name + ".tmp")
    try:
        with told_where(to):
            with beside.open("wb") as file:
                for line in _all_lines(paths):
                    file.write(line)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, to)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _all_lines(paths: Sequence[Path]) -> Iterator[bytes]:
    num_written, last = 0, b""
    for index, line in merge(*map(_numbered_lines, paths), key=lambda numbered: numbered[0]):
        if index == num_written - 1 and line == last:
            continue
        if index != num_written:
            found = "two that differ" if index < num_written else "none"
            pair = min(index, num_written)
            raise ValueError(f"expected one line about pair {pair} in {', '.join(map(str, paths))}, got {found}")
        yield line
        num_written, last = num_written + 1, line


def _numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield each line with the index of its pair."""
    previous = -1
    with path.open("rb") as file:
        for number, line in enumerate(file):
            index = from_line(line, number, path).index
            if index <= previous:
                raise ValueError(f"expected rising indices in line {number} of {path}, got {index} after {previous}")
            yield index, line
            previous = index
