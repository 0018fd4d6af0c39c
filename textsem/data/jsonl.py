"""Files with one JSON object a line."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from textsem.data.lines import Line, read_lines
from textsem.data.shown import shown
from textsem.data.table import Row, RowStream

__all__ = ["open_jsonl"]

# Rows whose keys are taken for the file's columns.
HEAD_ROWS = 100
# Control characters inside a sentence are text.
_DECODER = json.JSONDecoder(strict=False)


def open_jsonl(path: Path, *, source: str, split: str | None) -> RowStream:
    """Return the rows of a jsonl file.

    Raises:
        ValueError: If the file cannot be read, or no line of it is a JSON object.
    """
    names: dict[str, None] = {}
    first_problem = None
    sound = 0
    for row in _rows(path):
        if row.problem is None:
            names.update(dict.fromkeys(row.values))
            sound += 1
        first_problem = first_problem or row.problem
        if sound == HEAD_ROWS:
            break
    if not sound:
        got = "an empty file" if first_problem is None else f"none that can be read; the first: {first_problem}"
        raise ValueError(f"expected one JSON object a line in {str(path)!r}, got {got}")
    return RowStream(source, split, tuple(names), {}, partial(_rows, path))


def _rows(path: Path) -> Iterator[Row]:
    lines = (line for line in read_lines(path) if line.problem is not None or line.text.strip())
    for number, line in enumerate(lines, start=1):
        place = f"row {number} (line {line.number}) of {str(path)!r}"
        try:
            yield Row(place, _object(line))
        except _NoObjectError as error:
            yield Row(place, {}, f"expected a JSON object on line {line.number} of {str(path)!r}, got {error}")


class _NoObjectError(Exception):
    """Says what stands on a line, and the mend."""


def _object(line: Line) -> dict[str, object]:
    if line.problem is not None:
        raise _NoObjectError(line.problem)
    if not line.text.lstrip().startswith("{"):
        raise _NoObjectError(f"{shown(line.text.strip())}: write each pair as one object on a line of its own")
    try:
        values: dict[str, object] = _DECODER.decode(line.text.rstrip())
    except json.JSONDecodeError as error:
        said = error.msg.removesuffix(" at")
        raise _NoObjectError(f"{said} at character {error.pos + 1}: mend or remove the line") from error
    except RecursionError as error:
        raise _NoObjectError("brackets nested too deeply: remove them or the line") from error
    except ValueError as error:  # Python refuses to read numbers of thousands of digits
        raise _NoObjectError(
            f"a number that is too long ({str(error).split(';')[0]}): remove it or the line"
        ) from error
    return values
