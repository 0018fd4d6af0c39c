"""Words with their surfaces: a changed sentence keeps case, spacing and punctuation where no word changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

__all__ = ["TokenizedText", "first_words", "is_punctuation", "render", "tokenize", "word_edits"]

_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_APOSTROPHES = "'\u2019"
_NO_SPACE_BEFORE = frozenset(".,;:!?%)]}'\u2019\u201d-/")
_NO_SPACE_AFTER = frozenset("([{\u2018\u201c$#-/")


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

    @cached_property
    def surfaces(self) -> tuple[str, ...]:
        """Each token as it stands in the text."""
        return tuple(self.text[start:end] for start, end in self.spans)

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """The white space before each token."""
        ends = (0, *(end for _, end in self.spans))
        return tuple(self.text[end:start] for end, (start, _) in zip(ends, self.spans, strict=False))


def tokenize(text: str) -> TokenizedText:
    """Split a sentence into lower-cased words and punctuation marks, and remember their places.

    A word is a run of letters, digits and underscores, apostrophes inside included; every other visible character is a
    token of its own.

    Example:
        >>> tokenize("A man isn't here.").words
        ('a', 'man', "isn't", 'here', '.')
    """
    matches = list(_TOKEN.finditer(text))
    return TokenizedText(text, tuple(map(_word, matches)), tuple(m.span() for m in matches))


def first_words(text: str, count: int) -> tuple[str, ...]:
    """Return ``tokenize(text).words[:count]`` without reading on: of a megabyte, that is a second's work.

    Example:
        >>> first_words("A man isn't here.", 3)
        ('a', 'man', "isn't")
    """
    return tuple(map(_word, islice(_TOKEN.finditer(text), count)))


def _word(match: re.Match[str]) -> str:
    return match.group().lower().replace("\u2019", "'")


def is_punctuation(word: str) -> bool:
    """Tell whether a token has no letter and no digit in it."""
    return not (word.isalnum() or any(c.isalnum() for c in word))


def word_edits(old: Sequence[str], new: Sequence[str]) -> int:
    """Count the words replaced, inserted or deleted (Levenshtein distance), punctuation marks left out.

    Example:
        >>> word_edits(("a", "man", "sleeps", "."), ("a", "woman", "sleeps"))
        1
    """
    start, old_end, new_end = _changed_part(old, new)
    a = [w for w in old[start:old_end] if not is_punctuation(w)]
    b = [w for w in new[start:new_end] if not is_punctuation(w)]
    start, a_end, b_end = _changed_part(a, b)
    a, b = a[start:a_end], b[start:b_end]
    return max(len(a), len(b)) if _is_aligned_in_order(len(a), len(b)) else _edits_to_the_end(a, b)[0][0]


def render(original: TokenizedText, words: Sequence[str]) -> str:
    """Write new words into an old sentence so that unchanged words keep case, spacing and punctuation.

    Words are aligned by fewest edits.  A replaced word takes over the capital initial and the white space of the word
    whose place it takes; a sentence that began with a capital begins with one again; words never run together.  With
    no word changed the result is the original text to the letter.

    Args:
        original: The tokenized sentence that the words come from.
        words: New lower-cased tokens.

    Returns:
        The new sentence.
    """
    text, spans = original.text, original.spans
    start, old_end, new_end = _changed_part(original.words, words)
    if start == old_end == new_end:
        return text
    # All before the first and after the last changed word is copied; the word after the change is written anew, for
    # the space before it may change.
    written = text[: spans[start - 1][1]] if start else ""
    places = _places(original.words[start:old_end], words[start:new_end])
    rows = [(word, None if i is None else start + i) for word, i in zip(words[start:new_end], places, strict=True)]
    if old_end < len(spans):
        rows.append((original.words[old_end], old_end))
    previous, is_previous_new = words[start - 1] if start else "", False
    for word, i in rows:
        is_new = i is None or original.words[i] != word
        surface = word if i is None else original.surfaces[i]
        gap = original.gaps[i] if i and is_punctuation(word) == is_punctuation(original.words[i]) else None
        if is_new and i is not None:
            surface = _match_case(word, surface, is_all_capitals=text.isupper())
        if gap is None or (is_previous_new and previous in _NO_SPACE_AFTER):
            is_tight = previous in _NO_SPACE_AFTER or (is_new and word in _NO_SPACE_BEFORE)
            gap = "" if is_tight else " "
        if not written:
            gap = original.gaps[0] if spans else ""
            surface = _start_sentence(surface, original)
        elif not gap and _would_run_together(written, surface):
            gap = " "
        written += gap + surface
        previous, is_previous_new = word, is_new
    if not spans:
        return written + text
    return written + text[spans[min(old_end, len(spans) - 1)][1] :]


def _changed_part(old: Sequence[str], new: Sequence[str]) -> tuple[int, int, int]:
    """Return where both begin to differ, and where the old and the new one begin to agree to their ends."""
    start, old_end, new_end = 0, len(old), len(new)
    shorter = min(old_end, new_end)
    while start < shorter and old[start] == new[start]:
        start += 1
    while old_end > start and new_end > start and old[old_end - 1] == new[new_end - 1]:
        old_end -= 1
        new_end -= 1
    return start, old_end, new_end


def _is_aligned_in_order(num_old: int, num_new: int) -> bool:
    """Tell whether words whose first and last ones differ need no table: nothing beats one edit for each in order."""
    return min(num_old, num_new) == 0 or num_old == num_new <= 2


def _places(old: Sequence[str], new: Sequence[str]) -> list[int | None]:
    """Return for each new word the old one whose place it takes, by fewest edits; None for an inserted one."""
    if _is_aligned_in_order(len(old), len(new)):
        return [i if i < len(old) else None for i in range(len(new))]
    left = _edits_to_the_end(old, new)
    places: list[int | None] = []
    i = 0
    while len(places) < len(new):
        j = len(places)
        if i < len(old) and left[i][j] == left[i + 1][j + 1] + (old[i] != new[j]):
            places.append(i)
            i += 1
        elif i < len(old) and left[i][j] == left[i + 1][j] + 1:
            i += 1
        else:
            places.append(None)
    return places


def _edits_to_the_end(old: Sequence[str], new: Sequence[str]) -> list[list[int]]:
    """Return Levenshtein distances of all suffixes: entry [i][j] is that of ``old[i:]`` and ``new[j:]``."""
    num_new = len(new)
    below = list(range(num_new, -1, -1))
    rows = [below]
    for i in range(len(old) - 1, -1, -1):
        word, right = old[i], below[num_new] + 1
        row = [right] * (num_new + 1)
        for j in range(num_new - 1, -1, -1):
            right = min(below[j + 1] + (word != new[j]), below[j] + 1, right + 1)
            row[j] = right
        rows.append(row)
        below = row
    rows.reverse()
    return rows


def _match_case(word: str, old_surface: str, *, is_all_capitals: bool) -> str:
    if is_all_capitals:
        return _if_same_word(word.upper(), word)
    # The capitals of "I" and of "TV" belong to the word, not to its place.
    is_capital_of_place = old_surface[0].isupper() and old_surface != "I" and not old_surface[1:].isupper()
    return _capitalised(word) if is_capital_of_place else word


def _start_sentence(surface: str, original: TokenizedText) -> str:
    return _capitalised(surface) if original.surfaces and original.surfaces[0][0].isupper() else surface


def _capitalised(word: str) -> str:
    return _if_same_word(word[:1].upper() + word[1:], word)


def _if_same_word(cased: str, word: str) -> str:
    """Return ``cased`` unless a letter has no capital of its own, as the German sharp s."""
    return cased if cased.lower() == word.lower() else word


def _would_run_together(written: str, surface: str) -> bool:
    """Tell whether both would be read as one word without a space between."""
    if not _is_word_character(surface[0]):
        return False
    return _is_word_character(written[-1]) or (
        written[-1] in _APOSTROPHES and len(written) > 1 and _is_word_character(written[-2])
    )


def _is_word_character(character: str) -> bool:
    return character.isalnum() or character == "_"
