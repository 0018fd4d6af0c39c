"""The vocabulary: the most frequent words and four special symbols, as numbers and back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

__all__ = ["END_ID", "PAD_ID", "SPECIAL_WORDS", "START_ID", "UNKNOWN_ID", "Vocabulary"]

PAD_ID, START_ID, END_ID, UNKNOWN_ID = 0, 1, 2, 3
SPECIAL_WORDS = ("<pad>", "<start>", "<end>", "<unknown>")


class Vocabulary:
    """Map words to ids and back; ids 0 to 3 are pad, start, end and unknown.

    Args:
        words: The ordinary words, most frequent first, without the four special symbols.

    Raises:
        ValueError: If a word stands twice or is a special symbol.
    """

    def __init__(self, words: Sequence[str]) -> None:
        repeated = [word for word, count in Counter((*SPECIAL_WORDS, *words)).items() if count > 1]
        if repeated:
            raise ValueError(f"expected every word once and no special symbol, got {repeated[:5]} again")
        self.words: tuple[str, ...] = (*SPECIAL_WORDS, *words)

    @classmethod
    def from_counts(cls, counts: Counter[str], max_words: int) -> "Vocabulary":
        """Take the ``max_words`` most frequent words, ties in alphabetical order."""
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls([word for word, _ in ranked[:max_words]])

    @property
    def size(self) -> int:
        """Number of ids, the four special ones included."""
        return len(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Map each word to its id."""
        return {word: i for i, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> list[int]:
        """Return one id a word; a word that is not known gets ``UNKNOWN_ID``."""
        return [self.ids.get(word, UNKNOWN_ID) for word in words]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words of a row of ids up to its end symbol, pads and start symbols left out."""
        words: list[str] = []
        for i in ids:
            if i == END_ID:
                break
            if i not in (PAD_ID, START_ID):
                words.append(self.words[i])
        return words
