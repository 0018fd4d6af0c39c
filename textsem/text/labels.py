"""The labels of natural language inference: one order inside the package, any order and case outside.

Some classifiers and data sets know two classes, entailment or not.  Their ``not_entailment`` agrees with neutral and
with contradiction, and is a gold label of its own where nothing finer is known.
"""

import re
from collections.abc import Mapping, Sequence

__all__ = [
    "GOLD_NAMES",
    "LABEL_NAMES",
    "NOT_ENTAILMENT",
    "TWO_CLASS_NAMES",
    "agree",
    "agreeing_classes",
    "align_labels",
    "label_id",
]

LABEL_NAMES = ("entailment", "neutral", "contradiction")
NOT_ENTAILMENT = "not_entailment"
TWO_CLASS_NAMES = ("entailment", NOT_ENTAILMENT)
# What a pair's gold label may be; the number of a label is its place here.
GOLD_NAMES = (*LABEL_NAMES, NOT_ENTAILMENT)

_IDS = {spelling: i for i, name in enumerate(LABEL_NAMES) for spelling in (name, name[0])}
_NUMBERED = re.compile(r"(?:label[ _-]?)?\d+", re.IGNORECASE)


def label_id(name: str) -> int | None:
    """Return the position of a label in ``LABEL_NAMES``, or None if it is none of the three.

    Case and surrounding blanks do not matter; e, n and c stand for the three names.

    >>> label_id("Neutral"), label_id("c"), label_id("LABEL_0")
    (1, 2, None)
    """
    return _IDS.get(name.strip().lower())


def agree(first: str, second: str) -> bool:
    """Tell whether two labels may be said of one pair: the same, or one ``not_entailment`` and the other no entailment.

    >>> agree("neutral", "not_entailment"), agree("entailment", "not_entailment"), agree("neutral", "contradiction")
    (True, False, False)
    """
    return first == second or (NOT_ENTAILMENT in (first, second) and "entailment" not in (first, second))


def agreeing_classes(label: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of a classifier's classes that agree with a gold label: its answers that are no flip.

    >>> agreeing_classes("not_entailment", LABEL_NAMES), agreeing_classes("neutral", TWO_CLASS_NAMES)
    ((1, 2), (1,))

    Args:
        label: One of ``GOLD_NAMES``.
        names: The classifier's ``label_names``.

    Raises:
        ValueError: If the label agrees with none of them.
    """
    classes = tuple(i for i, name in enumerate(names) if agree(label, name))
    if not classes:
        raise ValueError(f"expected a label that agrees with one of {_shown(list(names))}, got {label!r}")
    return classes


def align_labels(
    names: Mapping[int, str] | Mapping[str, str] | Sequence[str], label_order: Sequence[str] | None = None
) -> tuple[int, int, int]:
    """Return where entailment, neutral and contradiction stand among the labels of a model or a data set.

    With ``order = align_labels(names)``, ``probabilities[:, order]`` has its columns in the order of ``LABEL_NAMES``,
    and ``order.index(k)`` is the package's label of class k.

    >>> align_labels(["CONTRADICTION", "entailment", "Neutral"])
    (1, 2, 0)
    >>> align_labels({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, ["c", "n", "e"])
    (2, 1, 0)

    Args:
        names: Name of each class, by position or as a mapping from class number (``id2label``; JSON's string keys too).
        label_order: What the classes mean, in the order of their numbers.  Read only where ``names`` are mere numbers,
            such as LABEL_0: names that say what they mean are believed.

    Raises:
        ValueError: If there are not three classes, or their meaning is not certain.
    """
    listed = _listed(names)
    if all(_NUMBERED.fullmatch(name.strip()) for name in listed) and listed:
        if label_order is None:
            raise ValueError(
                f"expected label names {', '.join(LABEL_NAMES)}, got {_shown(listed)}, which do not say what they "
                "mean: pass label_order (--label-order), the three names in the order of their numbers"
            )
        if len(listed) != len(label_order):
            raise ValueError(
                f"expected one name in label_order for each of {_shown(listed)}, got {_shown(label_order)}"
            )
        listed = list(label_order)
    ids = [label_id(name) for name in listed]
    if sorted(-1 if i is None else i for i in ids) != [0, 1, 2]:
        raise ValueError(f"expected the labels {', '.join(LABEL_NAMES)} in any order and case, got {_shown(listed)}")
    return ids.index(0), ids.index(1), ids.index(2)


def _listed(names: Mapping[int, str] | Mapping[str, str] | Sequence[str]) -> list[str]:
    if not isinstance(names, Mapping):
        return list(names)
    by_number = {int(number): name for number, name in names.items()}
    if sorted(by_number) != list(range(len(names))):
        raise ValueError(f"expected classes numbered from 0 without gaps, got {sorted(by_number)}")
    return [by_number[number] for number in range(len(by_number))]


def _shown(names: Sequence[str]) -> str:
    return "[" + ", ".join(names) + "]"
