"""What was done to a hypothesis: words replaced, inserted or deleted."""

from typing import Literal

from textsem.attacks.selection import plain_form
from textsem.text.tokenization import is_punctuation, tokenize, word_edits

__all__ = ["EDIT_KINDS", "EditKind", "edit_kind"]

EditKind = Literal[
    "1 word replaced", "2 words replaced", "3 or more words replaced", "insertion or deletion", "no word changed"
]
EDIT_KINDS: tuple[EditKind, ...] = (
    "1 word replaced",
    "2 words replaced",
    "3 or more words replaced",
    "insertion or deletion",
    "no word changed",
)


def edit_kind(original: str, adversarial: str) -> EditKind:
    """Say what was done to a hypothesis, case, space and punctuation apart.

    Words are replaced where as many stand in both sentences and differ only in place; anything else inserts or deletes.

    Example:
        >>> edit_kind("A man sleeps.", "A woman rests.")
        '2 words replaced'
        >>> edit_kind("A man sleeps.", "A man sleeps deeply.")
        'insertion or deletion'
    """
    if plain_form(original) == plain_form(adversarial):
        return "no word changed"
    old, new = ([w for w in tokenize(text).words if not is_punctuation(w)] for text in (original, adversarial))
    num_replaced = sum(a != b for a, b in zip(old, new, strict=False))
    if len(old) != len(new) or num_replaced > word_edits(old, new):
        return "insertion or deletion"
    return EDIT_KINDS[min(num_replaced, 3) - 1]
