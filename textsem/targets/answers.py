"""What classifiers of other people's making answer, read into probabilities: whose fault it is where that fails."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from textsem.protocols import TargetError
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, TWO_CLASS_NAMES, align_labels, gold_id

__all__ = ["ClassOrder", "check_probabilities", "read_rows"]

# Half-precision softmax and callables that round to a few digits still pass; logits do not.
_SUM_TOLERANCE = 1e-2
_NUMBERED = re.compile(r"(?:label[ _-]?)?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class ClassOrder:
    """Tell where the classes of another order stand among the package's.

    Args:
        label_names: ``LABEL_NAMES`` or ``TWO_CLASS_NAMES``.
        columns: Where each of them stands in the other order.
        has_numbers: Whether the other order was given by somebody, so that ``LABEL_1`` means its second class.
    """

    label_names: tuple[str, ...] = LABEL_NAMES
    columns: tuple[int, ...] = (0, 1, 2)
    has_numbers: bool = False

    @classmethod
    def of(cls, names: Sequence[str], label_order: Sequence[str] | None = None) -> "ClassOrder":
        """Read the classes' names, as `textsem.text.labels.align_labels` does.

        Raises:
            ValueError: If they are neither the three nor the two names, or do not say what they mean.
        """
        columns = align_labels(names, label_order)
        return cls(LABEL_NAMES if len(columns) == len(LABEL_NAMES) else TWO_CLASS_NAMES, columns, has_numbers=True)

    def place(self, label: str | int) -> int | None:
        """Return the place among ``label_names`` of a name, or of a number in the other order; None if it has none.

        >>> order = ClassOrder.of(["not entailment", "entailment"])
        >>> order.place("Entailment"), order.place(0), order.place("LABEL_0"), order.place("neutral")
        (0, 1, 1, None)
        """
        if isinstance(label, str):
            name = gold_id(label)
            if name is not None:
                return self.label_names.index(GOLD_NAMES[name]) if GOLD_NAMES[name] in self.label_names else None
            numbered = _NUMBERED.fullmatch(label.strip())
            if not numbered or not self.has_numbers:
                return None
            label = int(numbered[1])
        return self.columns.index(label) if label in self.columns else None


def read_rows(answer: object, order: ClassOrder, *, num_rows: int, first_row: int = 0) -> Tensor:
    """Return probabilities [rows, classes], float32 on the CPU, of an answer that has one entry for each pair.

    Args:
        answer: A tensor, an array or a sequence.  Its entries are labels (names, or numbers in the other order), rows
            of probabilities in the other order, dicts from name to probability, or what a text-classification pipeline
            of transformers gives: ``{"label": ..., "score": ...}``, read as the label, or a list with one for each
            class, read as probabilities.
        order: The classes' meaning.
        num_rows: Pairs asked.
        first_row: Number of the first of them, for messages.

    Raises:
        TargetError: If it has another number of rows or of classes, or is none of these.
        ValueError: If one row is at fault: an unknown label, NaN, no answer, not summing to one.
    """
    answer = _plain(answer)
    if not isinstance(answer, list):
        raise TargetError(f"expected {_wanted(order, num_rows)}, got {type(answer).__name__}")
    if len(answer) != num_rows:
        raise TargetError(f"expected {_wanted(order, num_rows)}, got {len(answer)} rows")
    rows = [_read_row(row, order, number=i, num_rows=num_rows) for i, row in enumerate(answer, first_row)]
    return check_probabilities(
        torch.tensor(rows, dtype=torch.float32).reshape(num_rows, len(order.columns)),
        num_rows=num_rows,
        num_classes=len(order.columns),
        first_row=first_row,
    )


def check_probabilities(answer: object, *, num_rows: int, num_classes: int, first_row: int = 0) -> Tensor:
    """Return a target's answer as it is, detached, in float32 on the CPU, if it is one row of probabilities a pair.

    Raises:
        TargetError: If it is no float tensor [rows, classes].
        ValueError: If a row is not finite, has a negative value or does not sum to one; the first such row is named.
    """
    expected = f"expected the target to return probabilities [{num_rows}, {num_classes}] whose rows sum to one"
    if not isinstance(answer, Tensor) or not answer.is_floating_point():
        kind = f"a tensor of {answer.dtype}" if isinstance(answer, Tensor) else type(answer).__name__
        raise TargetError(f"{expected}, got {kind}")
    if list(answer.shape) != [num_rows, num_classes]:
        raise TargetError(f"{expected}, got shape {list(answer.shape)}")
    answer = answer.detach().float().cpu()
    # A comparison with NaN is false, and so is one of infinity minus infinity.
    is_right = ((answer.sum(dim=-1) - 1.0).abs() <= _SUM_TOLERANCE) & (answer >= 0.0).all(dim=-1)
    if not is_right.all():
        row = int((~is_right).nonzero()[0])
        raise ValueError(f"{expected}, got {answer[row].tolist()} in row {first_row + row}")
    return answer


def _read_row(row: Any, order: ClassOrder, *, number: int, num_rows: int) -> list[float]:
    """Return one row's probabilities in the order of ``label_names``."""
    if row is None or (isinstance(row, float) and math.isnan(row)):
        raise ValueError(f"expected an answer for every pair, got {row} in row {number}")
    if isinstance(row, str | Integral) and not isinstance(row, bool):
        return _one_hot(row if isinstance(row, str) else int(row), order, number)
    if _is_scored(row) or (isinstance(row, list) and row and all(map(_is_scored, row))):
        scored = [(item["label"], item["score"]) for item in (row if isinstance(row, list) else [row])]
        return _of_top_label(*scored[0], order, number) if len(scored) == 1 else _of_names(scored, order, number)
    if isinstance(row, Mapping):
        return _of_names(list(row.items()), order, number)
    if not isinstance(row, list) or not all(map(_is_number, row)):
        raise TargetError(f"expected {_wanted(order, num_rows)}, got {_short(row)} in row {number}")
    if len(row) != len(order.columns):
        raise TargetError(f"expected {_wanted(order, num_rows)}, got {len(row)} classes in row {number}")
    return [_value(row[column]) for column in order.columns]


def _of_top_label(name: Any, score: Any, order: ClassOrder, number: int) -> list[float]:
    """Return the one-hot row of a label; a model that computes NaN has a label too, but no score."""
    if not isinstance(name, str) or not _is_number(score):
        raise TargetError(f"expected a label with its score, got {_short([name, score])} in row {number}")
    if not math.isfinite(_value(score)):
        raise ValueError(f"expected a label with a finite score, got {_short([name, score])} in row {number}")
    return _one_hot(name, order, number)


def _of_names(named: Sequence[tuple[Any, Any]], order: ClassOrder, number: int) -> list[float]:
    """Return one row's probabilities of names with their values."""
    if not all(isinstance(name, str) and _is_number(value) for name, value in named):
        raise TargetError(f"expected names of labels with their probabilities, got {_short(named)} in row {number}")
    values = {_known_place(name, order, number): _value(value) for name, value in named}
    if len(values) != len(order.columns) or len(named) != len(values):
        raise TargetError(
            f"expected one probability for each of {', '.join(order.label_names)}, got {_short(named)} in row {number} "
            "(a pipeline of transformers gives all of them with top_k=None)"
        )
    return [values[place] for place in range(len(values))]


def _one_hot(label: str | int, order: ClassOrder, number: int) -> list[float]:
    place = _known_place(label, order, number)
    return [float(i == place) for i in range(len(order.columns))]


def _known_place(label: str | int, order: ClassOrder, number: int) -> int:
    place = order.place(label)
    if place is None:
        raise ValueError(
            f"expected a label of {', '.join(order.label_names)}, got {_short(label)} in row {number}: if the "
            "classes are called otherwise, pass label_order, their names in the order of their numbers"
        )
    return place


def _plain(value: object) -> Any:
    """Return arrays, tensors and tuples as lists, numbers as they are."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def _is_scored(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"label", "score"}


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Real) and not isinstance(value, bool)) or hasattr(value, "tolist")


def _value(value: Any) -> float:
    """Return a number as a float; what is missing or too large for one is the row's fault, found where rows are."""
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf


def _wanted(order: ClassOrder, num_rows: int) -> str:
    return f"{num_rows} labels or rows of {len(order.columns)} probabilities ({', '.join(order.label_names)})"


def _short(value: object) -> str:
    try:
        shown = repr(value)
    except ValueError:  # Python writes no integer of thousands of digits
        shown = f"an {type(value).__name__} too long to write"
    return shown if len(shown) <= 100 else shown[:100] + "..."
