"""Lines of ``results.jsonl``: how a result is written, and how a file of millions is read without holding them.

One line a pair, keys in the order of ``AttackResult``'s fields (nested keys alphabetical), characters as they are
(UTF-8, no escapes), floats rounded to 5 decimals, no times: the same results give the same bytes.  Text that UTF-8
cannot hold, lone surrogates, is written with escapes, and its line alone.
"""

import json
import logging
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn, overload

from textsem.outputs import STATUSES, AttackResult
from textsem.runs.whole_files import to_json_bytes

__all__ = ["DECIMALS", "ResultLines", "from_line", "read_results", "to_line"]

logger = logging.getLogger(__name__)

DECIMALS = 5
NAMES = [f.name for f in fields(AttackResult)]
TEXT, OPTIONAL_TEXT, NOTHING = (str,), (str, type(None)), type(None)
TYPES: dict[str, tuple[type, ...]] = {
    **{"index": (int,), "premise": TEXT, "hypothesis": TEXT, "label": TEXT, "prediction": OPTIONAL_TEXT},
    **{"status": TEXT, "adversarial": OPTIONAL_TEXT, "adversarial_prediction": OPTIONAL_TEXT},
    **{"scores": (dict, NOTHING), "queries": (int,), "distance": (float, int, NOTHING), "edits": (int, NOTHING)},
    "message": OPTIONAL_TEXT,
}


def to_line(result: AttackResult) -> bytes:
    """Return the line of a result, its end included.

    A number that is not finite is no answer: such a result becomes one with status ``error`` and without its outcome,
    so that it costs no other pair its line.
    """
    bad = _not_finite(result)
    if bad is not None:
        message = f"expected finite numbers, got {bad}"
        logger.warning("pair %d is written as an error: %s", result.index, message)
        lost = {"scores": None, "adversarial": None, "adversarial_prediction": None, "distance": None, "edits": None}
        result = replace(result, status="error", message=message, **lost)  # type: ignore[arg-type]
    return to_json_bytes({name: _plain(value) for name, value in result.to_dict().items()}) + b"\n"


def from_line(line: bytes, number: int, path: Path) -> AttackResult:
    """Return the result that a line holds, whichever pair it is about.

    Args:
        line: With its end.
        number: Which line of the file it is, from 0, for the message.
        path: The file, for the message.

    Raises:
        ValueError: If the line is torn, or has other fields or values.
    """
    try:
        values = DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a whole JSON line {number} of {path}, got {line[:60]!r}") from error
    if not isinstance(values, dict) or list(values) != NAMES:
        raise ValueError(f"expected fields {NAMES} in line {number} of {path}, got {line[:60]!r}")
    for name, value in values.items():
        if type(value) not in TYPES[name]:
            expected = " or ".join(kind.__name__ for kind in TYPES[name])
            raise ValueError(f"expected {name} of type {expected} in line {number} of {path}, got {value!r}")
    if values["status"] not in STATUSES:
        known = ", ".join(STATUSES)
        raise ValueError(f"expected status among {known} in line {number} of {path}, got {values['status']!r}")
    if not line.endswith(b"\n"):
        raise ValueError(f"expected line {number} of {path} to be whole, got one without its end")
    return AttackResult(**values)


def _from_line_in_order(line: bytes, index: int, path: Path) -> AttackResult:
    """Return the result of a line of a whole run: line i is about pair i."""
    result = from_line(line, index, path)
    if result.index != index:
        raise ValueError(f"expected line {index} to be whole and in order, got {result.index} in {path}")
    return result


class ResultLines(Sequence[AttackResult]):
    """The results of a file, each read when it is asked for; in memory are 8 bytes a line.

    Every line is checked once, when the object is made.  The file must not change while the object is used.

    Args:
        path: ``results.jsonl``, whole.

    Raises:
        ValueError: If a line is torn, has other fields, or stands out of order; the message names line and file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._offsets = array("q", [0])
        with self.path.open("rb") as file:
            for index, line in enumerate(file):
                _from_line_in_order(line, index, self.path)
                self._offsets.append(self._offsets[-1] + len(line))
        self._places = range(len(self._offsets) - 1)

    def __len__(self) -> int:
        """Return how many results there are."""
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> AttackResult: ...

    @overload
    def __getitem__(self, place: slice) -> "ResultLines": ...

    def __getitem__(self, place: int | slice) -> "AttackResult | ResultLines":
        """Return one result, or those of a slice, which are read when they are asked for."""
        if isinstance(place, slice):
            part = ResultLines.__new__(ResultLines)
            part.path, part._offsets, part._places = self.path, self._offsets, self._places[place]
            return part
        return next(self._read(range(self._places[place], self._places[place] + 1)))

    def __iter__(self) -> Iterator[AttackResult]:
        """Read the results one after the other."""
        return self._read(self._places)

    def __eq__(self, other: object) -> bool:
        """Tell whether a sequence holds the same results."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _read(self, places: range) -> Iterator[AttackResult]:
        if not places:
            return
        with self.path.open("rb") as file:
            for index in places:
                file.seek(self._offsets[index])
                line = file.read(self._offsets[index + 1] - self._offsets[index])
                yield _from_line_in_order(line, index, self.path)


def read_results(path: str | Path) -> ResultLines:
    """Check a whole file and return its results, which are read when they are asked for.

    Raises:
        ValueError: If a line is torn, has other fields, or stands out of order; the message names line and file.
    """
    return ResultLines(path)


def _plain(value: Any) -> Any:
    """Round floats and sort nested keys; adding 0.0 turns -0.0 into 0.0."""
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    return value


def _not_finite(result: AttackResult) -> str | None:
    """Name the first number of a result that is not finite."""
    numbers = {"distance": result.distance}
    for which, scores in (result.scores or {}).items():
        numbers |= {f"scores.{which}.{name}": probability for name, probability in scores.items()}
    found = (f"{name} {value}" for name, value in numbers.items() if value is not None and not math.isfinite(value))
    return next(found, None)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {constant}")


DECODER = json.JSONDecoder(parse_constant=_refuse)
