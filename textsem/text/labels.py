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
    "gold_id",
    "label_id",
]

LABEL_NAMES = ("entailment", "neutral", "contradiction")
NOT_ENTAILMENT = "not_entailment"
TWO_CLASS_NAMES = ("entailment", NOT_ENTAILMENT)
# What a pair's gold label may be; the number of a label is its place here.
GOLD_NAMES = (*LABEL_NAMES, NOT_ENTAILMENT)

_IDS = {spelling: i for i, name in enumerate(LABEL_NAMES) for spelling in (name, name[0])}
_NUMBERED = re.compile(r"(?:label[ _-]?)?\d+", re.IGNORECASE)
_NO_ENTAILMENT = re.compile(r"(?:not|non|no)[ _-]*entail(?:ment|ed)")


def label_id(name: str) -> int | None:
    """Return the position of a label in ``LABEL_NAMES``, or None if it is none of the three.

    Case and surrounding blanks do not matter; e, n and c stand for the three names.

    >>> label_id("Neutral"), label_id("c"), label_id("LABEL_0")
    (1, 2, None)
    """
    return _IDS.get(name.strip().lower())


def gold_id(name: str) -> int | None:
    """Return the position of a label in ``GOLD_NAMES``, or None if it is none of the four.

    Spellings as in ``label_id``; and for ``not_entailment`` also non-entailment, not entailed and the like.

    >>> gold_id("NEUTRAL"), gold_id("non-entailment"), gold_id("Not Entailment"), gold_id("unrelated")
    (1, 3, 3, None)
    """
    folded = name.strip().lower()
    return GOLD_NAMES.index(NOT_ENTAILMENT) if _NO_ENTAILMENT.fullmatch(folded) else _IDS.get(folded)


def agree(first: str, second: str | None) -> bool:
    """Tell whether two labels may be said of one pair: the same, or ``not_entailment`` beside neutral or contradiction.

    No label (None, of a pair that was not asked) agrees with none.

    >>> agree("neutral", "not_entailment"), agree("entailment", "not_entailment"), agree("neutral", "contradiction")
    (True, False, False)
    """
    return first == second or (
        NOT_ENTAILMENT in (first, second) and not {"neutral", "contradiction"}.isdisjoint((first, second))
    )


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
) -> tuple[int, ...]:
    """Return where the package's labels stand among those of a model or a data set: three labels, or two.

    With ``order = align_labels(names)``, ``probabilities[:, order]`` has its columns in the order of ``LABEL_NAMES``,
    or of ``TWO_CLASS_NAMES`` where there are two; ``order.index(k)`` is class k's place among those names.

    >>> align_labels(["CONTRADICTION", "entailment", "Neutral"]), align_labels(["not entailment", "entailment"])
    ((1, 2, 0), (1, 0))
    >>> align_labels({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, ["c", "n", "e"])
    (2, 1, 0)

    Args:
        names: Name of each class, by position or as a mapping from class number (``id2label``; JSON's string keys too).
        label_order: What the classes mean, in the order of their numbers.  Read where ``names`` are mere numbers, such
            as LABEL_0, or two of which one is neutral or contradiction: is it all that is no entailment, or is the
            third class left out?  Other names are believed.

    Raises:
        ValueError: If there are not two or three classes, or their meaning is not certain.
    """
    listed = _listed(names)
    is_numbered = len(listed) in (2, 3) and all(_NUMBERED.fullmatch(name.strip()) for name in listed)
    if is_numbered or _is_ambiguous(listed):
        if label_order is None:
            raise ValueError(_order_wanted(listed, is_numbered=is_numbered))
        if len(listed) != len(label_order):
            raise ValueError(
                f"expected one name in label_order for each of {_shown(listed)}, got {_shown(label_order)}"
            )
        # Of two classes that have names of their own, the one called entailment is.
        if not is_numbered and [gold_id(name) == 0 for name in listed] != [gold_id(name) == 0 for name in label_order]:
            raise ValueError(
                f"expected label_order to leave entailment where {_shown(listed)} has it, got {_shown(label_order)}"
            )
        listed = list(label_order)
    ids = [gold_id(name) for name in listed]
    for classes in (LABEL_NAMES, TWO_CLASS_NAMES):
        places = [GOLD_NAMES.index(name) for name in classes]
        if len(ids) == len(places) and set(ids) == set(places):
            return tuple(ids.index(place) for place in places)
    raise ValueError(
        f"expected the labels {', '.join(LABEL_NAMES)}, or {', '.join(TWO_CLASS_NAMES)}, in any order and case, "
        f"got {_shown(listed)}"
    )


def _is_ambiguous(listed: Sequence[str]) -> bool:
    """Tell whether two classes are entailment and one of the labels that are none."""
    return len(listed) == 2 and {gold_id(name) for name in listed} in ({0, 1}, {0, 2})


def _order_wanted(listed: Sequence[str], *, is_numbered: bool) -> str:
    known = TWO_CLASS_NAMES if len(listed) == 2 else LABEL_NAMES
    if is_numbered:
        return (
            f"expected label names {', '.join(known)}, got {_shown(listed)}, which do not say what they mean: pass "
            f"label_order (--label-order), the {'two' if len(listed) == 2 else 'three'} names in the order of their "
            "numbers"
        )
    order = ", ".join("entailment" if gold_id(name) == 0 else NOT_ENTAILMENT for name in listed)
    return (
        f"expected two classes {', '.join(TWO_CLASS_NAMES)}, got {_shown(listed)}: where the other class is all that "
        f"is no entailment, pass label_order (--label-order) {order}"
    )


def _listed(names: Mapping[int, str] | Mapping[str, str] | Sequence[str]) -> list[str]:
    if not isinstance(names, Mapping):
        return list(names)
    by_number = {int(number): name for number, name in names.items()}
    if sorted(by_number) != list(range(len(names))):
        raise ValueError(f"expected classes numbered from 0 without gaps, got {sorted(by_number)}")
    return [by_number[number] for number in range(len(by_number))]


def _shown(names: Sequence[str]) -> str:
    return "[" + ", ".join(names) + "]"
