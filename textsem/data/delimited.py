"""Files with one row a line and a header: csv, tsv, and SNLI's own txt."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from textsem.data.lines import Line, read_lines
from textsem.data.table import Row, RowStream, known_columns

__all__ = ["open_delimited", "split_fields"]

# Above what two long sentences take; a quotation mark left open must not swallow the file.
MAX_RECORD_CHARACTERS = 1 << 26


class _Record(NamedTuple):
    """The fields of a row, which begins on line ``number``; ``problem`` says what was found in place of good ones."""

    number: int
    fields: Sequence[str]
    problem: str | None


def open_delimited(path: Path, *, source: str, split: str | None, tabs: bool) -> RowStream:
    """Return the rows of a file whose fields are parted by commas or by tabs.

    Quotation marks work as in csv.  SNLI's and GLUE's tab files leave them as they are, also single ones inside a
    sentence; they are known by their column ``sentence2``.

    Raises:
        ValueError: If the file cannot be read or has no header.
    """
    delimiter = "\t" if tabs else ","
    first = next((line for line in read_lines(path) if line.problem or not _is_blank(line)), None)
    if first is None:
        raise ValueError(f"expected a header and rows in {str(path)!r}, got an empty file")
    is_raw = tabs and "sentence2" in first.text.lower()
    header = next(_records(path, delimiter, is_raw=is_raw))
    if header.problem is not None:
        raise ValueError(f"{_with_place(header, path)}; it is the header, without which no row can be read")
    names = tuple(header.fields)
    return RowStream(source, split, names, {}, partial(_rows, path, delimiter, names, is_raw=is_raw))


def _rows(path: Path, delimiter: str, names: Sequence[str], *, is_raw: bool) -> Iterator[Row]:
    # Fields at the end that nobody reads may be missing.
    known = set(known_columns(names))
    needed = max((i for i, name in enumerate(names, start=1) if name in known), default=len(names))
    mend = (
        f"put fields with {'tabs' if delimiter == chr(9) else 'commas'} inside in quotation marks, write empty ones too"
    )
    records = _records(path, delimiter, is_raw=is_raw)
    next(records)
    for number, record in enumerate(records, start=1):
        place = f"row {number} (line {record.number}) of {str(path)!r}"
        count = len(record.fields)
        if record.problem is not None:
            yield Row(place, dict(zip(names, record.fields, strict=False)), _with_place(record, path))
        elif needed <= count <= len(names):
            yield Row(place, dict(zip(names, record.fields, strict=False)))
        else:
            where = f"line {record.number} of {str(path)!r}"
            yield Row(place, {}, f"expected {len(names)} fields on {where}, got {count}: {mend}")


def _with_place(record: _Record, path: Path) -> str:
    return f"expected well-formed fields on line {record.number} of {str(path)!r}, got {record.problem}"


class _Lines:
    """Hands out lines, and takes back those that turn out not to belong to a row."""

    def __init__(self, path: Path) -> None:
        self._lines = read_lines(path)
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self._num_characters = 0

    def begin(self) -> Line | None:
        """Return the first line of the next row."""
        self.taken, self._num_characters = [], 0
        self.more()
        return self.taken[0] if self.taken else None

    def more(self) -> str | None:
        """Return the next line, or None at the end of the file or where a row gets too long."""
        if self._num_characters > MAX_RECORD_CHARACTERS:
            return None
        line = self._again.popleft() if self._again else next(self._lines, None)
        if line is None:
            return None
        self.taken.append(line)
        self._num_characters += len(line.text)
        return line.text

    def give_back(self) -> None:
        """Take back all lines of the row but the first."""
        self._again.extendleft(reversed(self.taken[1:]))


def _records(path: Path, delimiter: str, *, is_raw: bool) -> Iterator[_Record]:
    """Yield a record for each row, blank lines apart.

    Where a quotation mark is left open, only the line with it is lost: the lines that it swallowed are read again.
    """
    lines = _Lines(path)
    while (first := lines.begin()) is not None:
        if first.problem is None and _is_blank(first):
            continue
        try:
            fields = _cut(first.text).split(delimiter) if is_raw else split_fields(first.text, delimiter, lines.more)
        except ValueError as error:
            lines.give_back()
            yield _Record(first.number, (), str(error))
        else:
            yield _Record(first.number, fields, next((line.problem for line in lines.taken if line.problem), None))


def split_fields(text: str, delimiter: str, more: Callable[[], str | None]) -> list[str]:
    r"""Return the fields of a csv row.

    >>> split_fields('a,"b, ""c"" d",e\n', ",", lambda: None)
    ['a', 'b, "c" d', 'e']

    Args:
        text: The row's first line.
        delimiter: What parts the fields.
        more: Returns the next line of the file, for a field in quotation marks that goes on there; None at the end.

    Raises:
        ValueError: If a quotation mark is left open, or text follows the closing one; says what was found.
    """
    if '"' not in text:
        return _cut(text).split(delimiter)
    fields, at = [], 0
    while True:
        if text.startswith('"', at):
            pieces, at, opened = [], at + 1, at + 1
            while True:
                end = text.find('"', at)
                if end < 0:
                    pieces.append(text[at:])
                    line = more()
                    if line is None:
                        raise ValueError(_open_quote(opened))
                    text, at = line, 0
                elif text.startswith('""', end):
                    pieces.append(text[at : end + 1])
                    at = end + 2
                else:
                    pieces.append(text[at:end])
                    break
            fields.append("".join(pieces))
            end += 1
            if not text.startswith(delimiter, end) and text[end : end + 2] not in ("", "\n", "\r", "\r\n"):
                raise ValueError(_open_quote(opened))
        else:
            end = text.find(delimiter, at)
            fields.append(_cut(text[at:]) if end < 0 else text[at:end])
            if end < 0:
                return fields
        if not text.startswith(delimiter, end):
            return fields
        at = end + 1


def _open_quote(place: int) -> str:
    return f"a quotation mark at character {place} that no other closes at the end of a field: close or double it"


def _cut(text: str) -> str:
    """Return a line without its end."""
    return text.removesuffix("\n").removesuffix("\r")


def _is_blank(line: Line) -> bool:
    return not line.text.strip(" \r\n")
