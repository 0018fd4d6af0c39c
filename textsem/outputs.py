"""Frozen results that every layer may pass on.  Floor 0: plain Python, no tensors."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["STATUSES", "AttackResult", "QueryCounts", "Status"]

Status = Literal["success", "failed", "skipped", "unsupported", "error"]
STATUSES: tuple[Status, ...] = ("success", "failed", "skipped", "unsupported", "error")


@dataclass(frozen=True)
class AttackResult:
    """One line of ``results.jsonl``: what became of one premise-hypothesis pair.

    Args:
        index: Position of the pair in the input, from 0, after unlabelled rows were dropped.
        premise: As given; never changed.
        hypothesis: As given.
        label: Gold label name.
        prediction: The target's label name for the unchanged pair; None if it was never asked.
        status: ``success``; ``failed``; ``skipped`` (the target was wrong before); ``unsupported`` (the hypothesis is
            longer than the model takes); ``error`` (see ``message``).
        adversarial: The very text that was queried, or None.
        adversarial_prediction: The target's label name for it, or None.
        scores: Probabilities of the unchanged pair ("original") and of the adversarial one ("adversarial"), label
            name to probability; under label access 1.0 for the predicted label and 0.0 for the others.
        queries: Rows sent to the target for candidates of this pair (the row that checks the unchanged pair apart).
        distance: L2 distance of the embedded hypotheses, the norm of Eq. 6's gate; None without an adversarial.
        edits: Words replaced, inserted or deleted, case and punctuation apart; None without an adversarial.
        message: What went wrong, for ``error`` and ``unsupported``.
    """

    index: int
    premise: str
    hypothesis: str
    label: str
    prediction: str | None
    status: Status
    adversarial: str | None = None
    adversarial_prediction: str | None = None
    scores: dict[str, dict[str, float]] | None = None
    queries: int = 0
    distance: float | None = None
    edits: int | None = None
    message: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types, in the order above."""
        return asdict(self)


@dataclass
class QueryCounts:
    """What one phase asked of the target.

    Args:
        rows_requested: Rows asked for by the caller.
        rows_sent: Rows that were sent to the target: soft-word rows of gradient access, rows of calls that raised, and
            what a `RepeatingTarget` sent again, included.
        distinct_rows: Different pairs among the rows sent (each soft-word row counts as different).
        cache_hits: Rows answered from memory, repeats within one call included.
    """

    rows_requested: int = 0
    rows_sent: int = 0
    distinct_rows: int = 0
    cache_hits: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)
