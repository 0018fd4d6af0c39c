"""Two sentences held against each other word by word, for a page to show."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from textsem.text.tokenization import TokenizedText, tokenize

__all__ = ["WordPiece", "word_differences"]


@dataclass(frozen=True)
class WordPiece:
    """A run of words in a comparison of two sentences.

    Args:
        kind: Whether the words stand in both, in the old one only, or in the new one only.
        text: Their surface.
        has_space: Whether a space stands before them in their sentence.
    """

    kind: Literal["same", "deleted", "inserted"]
    text: str
    has_space: bool


def word_differences(old: str, new: str) -> list[WordPiece]:
    """Compare two sentences word by word; what is replaced comes as deleted, then inserted.

    Words are compared in lower case and shown with the surface they have in their own sentence.

    Example:
        >>> [(p.kind, p.text) for p in word_differences("A man sleeps.", "A woman sleeps.")]
        [('same', 'A'), ('deleted', 'man'), ('inserted', 'woman'), ('same', 'sleeps.')]
    """
    a, b = tokenize(old), tokenize(new)
    pieces: list[WordPiece] = []
    for tag, a_from, a_to, b_from, b_to in SequenceMatcher(a=a.words, b=b.words, autojunk=False).get_opcodes():
        if tag != "equal" and a_from < a_to:
            pieces.append(_piece("deleted", a, a_from, a_to))
        if b_from < b_to:
            pieces.append(_piece("same" if tag == "equal" else "inserted", b, b_from, b_to))
    return pieces


def _piece(kind: Literal["same", "deleted", "inserted"], sentence: TokenizedText, start: int, end: int) -> WordPiece:
    first, last = sentence.spans[start][0], sentence.spans[end - 1][1]
    return WordPiece(kind, sentence.text[first:last], has_space=sentence.text[:first][-1:].isspace())
