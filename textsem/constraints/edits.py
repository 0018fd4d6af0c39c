"""Closeness in words: how many were replaced, inserted or deleted."""

from textsem.constraints.conjunction import Composable
from textsem.protocols import CandidateRows
from textsem.text.tokenization import is_punctuation, tokenize, word_edits

__all__ = ["EditsConstraint"]


class EditsConstraint(Composable):
    """Refuse a candidate that differs in too many words; implements ``Constraint``.

        accept when  edits <= max_edits  and  edits / words(x) <= max_share

    with the fewest words replaced, inserted or deleted; punctuation marks do not count on either side.  From an
    original without any word no edit is accepted under ``max_share``.

    Args:
        max_edits: Largest number of edits, 0 or more; None for any.
        max_share: Largest number of edits a word of the original, above 0; None for any.

    Raises:
        ValueError: If neither is given, or one is out of range.
    """

    name = "edits"

    def __init__(self, *, max_edits: int | None = None, max_share: float | None = None) -> None:
        if max_edits is None and max_share is None:
            raise ValueError("expected max_edits or max_share, got neither")
        if max_edits is not None and max_edits < 0:
            raise ValueError(f"expected max_edits of 0 or more, got {max_edits}")
        if max_share is not None and not max_share > 0:
            raise ValueError(f"expected max_share above 0, got {max_share}")
        self.max_edits = max_edits
        self.max_share = max_share

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: are few enough words of the original changed?"""
        old = {text: tokenize(text).words for text in dict.fromkeys(rows.originals)}
        sizes = {text: sum(not is_punctuation(word) for word in words) for text, words in old.items()}
        return [
            self._is_close(word_edits(old[original], tokenize(candidate).words), sizes[original])
            for original, candidate in zip(rows.originals, rows.candidates, strict=True)
        ]

    def _is_close(self, edits: int, num_words: int) -> bool:
        if self.max_edits is not None and edits > self.max_edits:
            return False
        if self.max_share is None or edits == 0:
            return True
        # Divided, not multiplied: 29 edits in 100 words are a share of 0.29, but 100 * 0.29 is below 29.
        return num_words > 0 and edits / num_words <= self.max_share
