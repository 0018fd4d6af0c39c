"""Are the target's classes what they are called?  A wrong order makes every figure of a run meaningless."""

from collections.abc import Iterable, Sequence

import numpy as np

from textsem.outputs import AttackResult
from textsem.runs.formats import percent
from textsem.runs.intervals import wilson_interval
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, TWO_CLASS_NAMES, agree

__all__ = ["suspect_label_order"]

FEWEST_PAIRS = 30


def suspect_label_order(
    results: Iterable[AttackResult], label_order: Sequence[str] | None = None, *, confidence: float = 0.999
) -> str | None:
    """Return a sentence if the target's classes look as if they were called by each other's names.

    That is: of at least 30 pairs the target is right on fewer than half; another order of its classes, the best of all,
    would make it right on more than half; and Wilson's interval of that rate lies above the interval of the target's
    own and above what always saying one class would reach.  So a target that is merely bad, or that knows one answer
    only, gives no sentence; data that were chosen to mislead it may give one.

    Args:
        results: Lines of a run, read once.
        label_order: The order that the target was loaded with, whose mend is then told; None for the names' own order.
        confidence: Of both intervals; high, since of two targets that guess between two classes one is right on fewer
            than half.
    """
    from scipy.optimize import linear_sum_assignment

    pairs = _confusion(results)
    names = _class_names(pairs)
    n = int(pairs.sum())
    if n < FEWEST_PAIRS or names is None:
        return None
    # rewards[c, d]: pairs on which the target would be right if its class c were called d.
    agreement = np.array([[agree(label, name) for name in names] for label in GOLD_NAMES])
    rewards = pairs[[GOLD_NAMES.index(name) for name in names]] @ agreement
    # Of equally good orders the one that renames fewest: neutral and contradiction are one to not_entailment.
    rows, columns = linear_sum_assignment(rewards * (len(names) + 1) + np.eye(len(names)), maximize=True)
    right, would_be_right = int(np.trace(rewards)), int(rewards[rows, columns].sum())
    constant = int(rewards.sum(axis=0).max())
    level = wilson_interval(would_be_right, n, confidence)[0]
    if not (
        right < n / 2 < would_be_right and level > wilson_interval(right, n, confidence)[1] and level > constant / n
    ):
        return None
    renamed = {names[row]: names[column] for row, column in zip(rows, columns, strict=True)}
    known = label_order if label_order is not None and set(label_order) == set(names) else names
    changes = ", ".join(f"{old} is {new}" for old, new in renamed.items() if old != new)
    return (
        f"The target is right on only {percent(right / n)} of {n:,} pairs, and would be on "
        f"{percent(would_be_right / n)} if what it calls {changes}: its classes seem to be in another order. Say which "
        f"with --label-order {' '.join(renamed[name] for name in known)}, or, where its config.json names them, "
        "correct id2label there."
    )


def _confusion(results: Iterable[AttackResult]) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """Count pairs by the target's prediction and by gold label, both numbers in ``GOLD_NAMES``."""
    counts = np.zeros((len(GOLD_NAMES), len(GOLD_NAMES)), dtype=np.int64)
    numbers = {name: number for number, name in enumerate(GOLD_NAMES)}
    for result in results:
        predicted = None if result.prediction is None else numbers.get(result.prediction)
        label = numbers.get(result.label)
        if predicted is not None and label is not None:
            counts[predicted, label] += 1
    return counts


def _class_names(pairs: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> tuple[str, ...] | None:
    """Tell from what a target has said whether it knows two classes or three; None if it said both."""
    said = {name for name, row in zip(GOLD_NAMES, pairs, strict=True) if row.any()}
    if said <= set(TWO_CLASS_NAMES) and not said <= set(LABEL_NAMES):
        return TWO_CLASS_NAMES
    return LABEL_NAMES if said <= set(LABEL_NAMES) else None
