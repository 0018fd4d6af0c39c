"""Batches in which a row's result does not depend on its batch mates, to the last bit.

Floating-point sums depend on their order, and the order depends on shapes.  Measured on a two-core x86-64 CPU (float32,
one thread): a row of a matrix product keeps its bits among any number of rows from 4 on; with 1 or 2 rows a
matrix-vector kernel takes over and the last bits change.  It keeps them at every position, too, unless fewer than 12
outputs are computed from a number of inputs that is no multiple of 4: hence ``check_width``.  Sums over words change
bits with the padded length.  So the padded length is a function of the row alone, and a batch never has fewer rows than
``ROW_MULTIPLE``.  With MiniLM, 69 of 96 pairs changed bits without the filling, 50 with an even number of rows, none
with a multiple of 4 or 8.  On a GPU the whole shape chooses the kernel: there every batch has the full number of rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

__all__ = [
    "LENGTH_MULTIPLE",
    "ROW_MULTIPLE",
    "check_width",
    "constant_shape_batches",
    "num_rows_to_fill",
    "padded_length",
]

LENGTH_MULTIPLE = 8
ROW_MULTIPLE = 8
_WIDTH_MULTIPLE = 4


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


def check_width(name: str, width: int) -> None:
    """Refuse a layer's width whose product with the few columns of the logits would depend on a row's position.

    Raises:
        ValueError: If ``width`` is no positive multiple of 4.
    """
    if width < 1 or width % _WIDTH_MULTIPLE:
        raise ValueError(f"expected {name} to be a positive multiple of {_WIDTH_MULTIPLE}, got {width}")
