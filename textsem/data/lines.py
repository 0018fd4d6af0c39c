"""Lines of text files, one at a time: what is wrong with one is said of that one, and reading goes on."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["MAX_LINE_BYTES", "Line", "read_lines"]

# Far above any pair of sentences; a file without line breaks must not fill the memory.
MAX_LINE_BYTES = 1 << 28


class Line(NamedTuple):
    r"""A line, its end included.

    Args:
        number: From 1.
        text: What stands there; bytes that are no UTF-8 stand as U+DC80 to U+DCFF, each for one.
        problem: What was found in place of UTF-8 text, and the mend; None if nothing is wrong.
    """

    number: int
    text: str
    problem: str | None = None


def read_lines(path: Path) -> Iterator[Line]:
    r"""Yield the lines of a file, cut at ``\n`` alone: other separators may stand in a sentence.

    A byte order mark at the beginning is left out.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES):
                number += 1
                if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
                    while not raw.endswith(b"\n") and (raw := file.readline(1 << 20)):
                        pass
                    problem = f"more than {MAX_LINE_BYTES:,} bytes without a line break: write a row a line"
                    yield Line(number, "", problem)
                    continue
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                try:
                    yield Line(number, raw.decode("utf-8"))
                except UnicodeDecodeError as error:
                    byte = f"the byte 0x{raw[error.start]:02X} at position {error.start + 1}"
                    problem = f"{byte}, which is no UTF-8 text: save the file as UTF-8"
                    yield Line(number, raw.decode("utf-8", "surrogateescape"), problem)
    except OSError as error:
        raise ValueError(
            f"expected a file that can be read, got {str(path)!r}: {error.strerror or error}; check that it is there "
            "and its permissions"
        ) from error
