"""The three labels of natural language inference: one order inside the package, any order and case outside."""

import re
from collections.abc import Mapping, Sequence

__all__ = ["LABEL_NAMES", "align_labels", "label_id"]

LABEL_NAMES = ("entailment", "neutral", "contradiction")

_IDS = {spelling: i for i, name in enumerate(LABEL_NAMES) for spelling in (name, name[0])}
_NUMBERED = re.compile(r"(?:label[ _-]?)?\d+", re.IGNORECASE)


def label_id(name: str) -> int | None:
    """Return the position of a label in ``LABEL_NAMES``, or None if it is none of the three.

    Case and surrounding blanks do not matter; e, n and c stand for the three names.

    >>> label_id("Neutral"), label_id("c"), label_id("LABEL_0")
    (1, 2, None)
    """
    return _IDS.get(name.strip().lower())


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
