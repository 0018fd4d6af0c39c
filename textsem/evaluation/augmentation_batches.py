"""Batches of data sets of `datasets`: pairs read from their columns, and rows written back with their origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textsem.data.table import column_of
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, gold_id

__all__ = ["ORIGIN", "ORIGINAL", "ORIGINAL_HYPOTHESIS", "PairBatch", "label_names", "with_origin"]

ORIGIN, ORIGINAL_HYPOTHESIS = "origin", "original_hypothesis"  # the columns that are added
ORIGINAL = "original"

Batch = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class PairBatch:
    """The pairs in a batch of columns.

    Args:
        batch: The columns, by the names that files may have.
        label_order: What label numbers mean; SNLI's order if None.

    Raises:
        ValueError: If there is no column of premises, hypotheses or labels.
    """

    batch: Batch
    label_order: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Look for the columns."""
        for role in ("premise", "hypothesis", "label"):
            if column_of(list(self.batch), role) is None:
                raise ValueError(f"expected a column of {role} among those of the data, got {', '.join(self.batch)}")

    @property
    def premises(self) -> list[str]:
        """One a row; "" where there is no text."""
        return _texts(self.batch[self._column("premise")])

    @property
    def hypotheses(self) -> list[str]:
        """One a row; "" where there is no text."""
        return _texts(self.batch[self._column("hypothesis")])

    @property
    def labels(self) -> list[str | None]:
        """Names of ``GOLD_NAMES``, one a row; None where there is none of the four."""
        return [_label_name(value, self.label_order or LABEL_NAMES) for value in self.batch[self._column("label")]]

    def rows(self, choices: Sequence[tuple[int, str | None, str]]) -> dict[str, list[Any]]:
        """Return a batch of rows, each with where it comes from.

        Args:
            choices: For each row of the outcome the row that it is a copy of, its hypothesis (None for the copied row's
                own), and its origin.
        """
        column = self._column("hypothesis")
        out = {name: [values[i] for i, _, _ in choices] for name, values in self.batch.items()}
        out[ORIGINAL_HYPOTHESIS] = [self.batch[column][i] for i, _, _ in choices]
        out[column] = [self.batch[column][i] if text is None else text for i, text, _ in choices]
        out[ORIGIN] = [origin for _, _, origin in choices]
        return out

    def _column(self, role: Literal["premise", "hypothesis", "label"]) -> str:
        return column_of(list(self.batch), role) or role


def label_names(features: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Return what a data set's features say that its label numbers mean; None where they say nothing."""
    column = column_of(list(features), "label") if features else None
    names = getattr(features[column], "names", None) if features and column else None
    return tuple(names) if names and all(gold_id(name) is not None for name in names) else None


def with_origin(features: Any) -> Any:
    """Return the features of a data set after augmentation."""
    from datasets import Features, Value

    return Features({**features, ORIGINAL_HYPOTHESIS: Value("string"), ORIGIN: Value("string")})


def _texts(values: Sequence[Any]) -> list[str]:
    return [value if isinstance(value, str) else "" for value in values]


def _label_name(value: Any, names: Sequence[str]) -> str | None:
    if isinstance(value, str):
        number = gold_id(value)
        return None if number is None else GOLD_NAMES[number]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _label_name(names[value], names) if is_number and 0 <= value < len(names) else None
