"""Words with their surfaces: a changed sentence keeps case, spacing and punctuation where no word changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = ["TokenizedText", "is_punctuation", "render", "tokenize", "word_edits"]

_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = frozenset(".,;:!?%)]}'\u2019\u201d")


@dataclass(frozen=True)
class TokenizedText:
    """A sentence, its lower-cased tokens, and where each one stands.

    Args:
        text: The sentence as given.
        words: Lower-cased words and punctuation marks.
        spans: Start and end of each token in ``text``, in characters.
    """

    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def tokenize(text: str) -> TokenizedText:
    """Split a sentence into lower-cased words and punctuation marks, and remember their places.

    A word is a run of letters, digits and underscores, apostrophes inside included; every other visible character is a
    token of its own.

    Example:
        >>> tokenize("A man isn't here.").words
        ('a', 'man', "isn't", 'here', '.')
    """
    matches = list(_TOKEN.finditer(text))
    words = tuple(m.group().lower().replace("\u2019", "'") for m in matches)
    return TokenizedText(text, words, tuple(m.span() for m in matches))


def is_punctuation(word: str) -> bool:
    """Tell whether a token has no letter and no digit in it."""
    return not any(c.isalnum() for c in word)


def word_edits(old: Sequence[str], new: Sequence[str]) -> int:
    """Count the words replaced, inserted or deleted (Levenshtein distance), punctuation marks left out.

    Example:
        >>> word_edits(("a", "man", "sleeps", "."), ("a", "woman", "sleeps"))
        1
    """
    a = [w for w in old if not is_punctuation(w)]
    b = [w for w in new if not is_punctuation(w)]
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def render(original: TokenizedText, words: Sequence[str]) -> str:
    """Write new words into an old sentence so that unchanged words keep case, spacing and punctuation.

    A replaced word takes over the capital initial and the white space of the word whose place it takes; with no word
    changed the result is the original text to the letter.

    Args:
        original: The tokenized sentence that the words come from.
        words: New lower-cased tokens.

    Returns:
        The new sentence.
    """
    pieces: list[str] = []
    text, spans = original.text, original.spans
    gaps = _gaps(original)
    matcher = SequenceMatcher(None, original.words, tuple(words), autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pieces += [gaps[i] + text[slice(*spans[i])] for i in range(i1, i2)]
            continue
        for k, word in enumerate(words[j1:j2]):
            i = i1 + k
            is_replacement = i < i2
            gap = gaps[i] if is_replacement else _default_gap(word, bool(pieces))
            old_surface = text[slice(*spans[i])] if is_replacement else ""
            pieces.append(gap + _match_case(word, old_surface, is_first=not pieces, original=original))
    tail = text[spans[-1][1] :] if spans else text
    return "".join(pieces).lstrip() + tail if pieces and not gaps[0] else "".join(pieces) + tail


def _gaps(original: TokenizedText) -> list[str]:
    """Return the white space (or whatever is no token) before each token."""
    ends = [0, *(end for _, end in original.spans)]
    return [original.text[ends[i] : start] for i, (start, _) in enumerate(original.spans)]


def _default_gap(word: str, is_inside: bool) -> str:
    return " " if is_inside and word not in _NO_SPACE_BEFORE else ""


def _match_case(word: str, old_surface: str, *, is_first: bool, original: TokenizedText) -> str:
    first_surface = original.text[slice(*original.spans[0])] if original.spans else ""
    model = first_surface if is_first else old_surface
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
