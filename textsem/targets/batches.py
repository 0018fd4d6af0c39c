"""Batches in which a row's result does not depend on its batch mates, to the last bit.

Floating-point sums depend on their order, and the order depends on shapes.  Measured on a two-core x86-64 CPU (MKL and
oneDNN, one and two threads, float32): a row of a matrix product keeps its bits at every position and among any number
of rows from 4 on; with 1 or 2 rows a matrix-vector kernel takes over and the last bits change.  Sums over words change
bits with the padded length.  So the padded length is a function of the row alone, and a batch never has fewer rows than
``ROW_MULTIPLE``.  On a GPU the kernel is chosen by the whole shape: there every batch has the full number of rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

__all__ = ["LENGTH_MULTIPLE", "ROW_MULTIPLE", "constant_shape_batches", "num_rows_to_fill", "padded_length"]

LENGTH_MULTIPLE = 8
ROW_MULTIPLE = 8


def padded_length(length: int) -> int:
    """Round a length up to a multiple of ``LENGTH_MULTIPLE``, at least one multiple."""
    return max(1, -(-length // LENGTH_MULTIPLE)) * LENGTH_MULTIPLE


def constant_shape_batches(
    lengths: Sequence[tuple[int, ...]], batch_size: int
) -> Iterator[tuple[list[int], tuple[int, ...]]]:
    """Group rows whose padded lengths are equal.

    Args:
        lengths: One tuple of lengths a row (one sentence: one length; a pair encoded apart: two).
        batch_size: Most rows in a group.

    Yields:
        The row numbers of a group, in input order, and the padded lengths that they share.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, row_lengths in enumerate(lengths):
        groups[tuple(padded_length(length) for length in row_lengths)].append(row)
    for widths, rows in groups.items():
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size], widths


def num_rows_to_fill(num_rows: int, batch_size: int, device_type: str) -> int:
    """Return how many dummy rows a group needs so that its number of rows cannot change a row's bits."""
    multiple = ROW_MULTIPLE if device_type == "cpu" else batch_size
    return -num_rows % multiple
