"""Words to put in a word's place from outside any vocabulary: WordNet's synonyms, and misspellings."""

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["SUBSTITUTES", "Substitutes", "WordNet", "misspellings"]

# Substitutes of a lower-cased word with its Penn tag, in a fixed order, without the word itself.
Substitutes = Callable[[str, str], Sequence[str]]

# WordNet's part of speech by the first letter of the Penn tag; auxiliaries have synonyms of another verb.
PARTS_OF_SPEECH = {"N": "n", "V": "v", "J": "a", "R": "r"}
AUXILIARIES = frozenset("am are be been being did do does had has have is was were".split())
MIN_MISSPELT = 4  # letters of a word that may be misspelt: with fewer too little is left of it


class WordNet:
    """Look synonyms up in nltk's WordNet: other words of the same synsets, as they stand there, not inflected.

    Raises:
        ValueError: If nltk does not find WordNet.
    """

    def __init__(self) -> None:
        from nltk.corpus import wordnet

        try:
            wordnet.ensure_loaded()
        except LookupError as error:
            raise ValueError(
                "expected nltk to find WordNet: `python -m nltk.downloader wordnet`, or NLTK_DATA set to a folder that "
                "has corpora/wordnet; or do without it"
            ) from error
        self._net: Any = wordnet

    def __call__(self, word: str, tag: str) -> list[str]:
        """Return the synonyms of a word with a Penn tag, sorted; none of auxiliaries and of closed classes."""
        kind = PARTS_OF_SPEECH.get(tag[:1])
        if kind is None or word in AUXILIARIES or not word.isalpha():
            return []
        base = self._net.morphy(word, kind) or word
        names = {lemma.name().lower() for synset in self._net.synsets(base, kind) for lemma in synset.lemmas()}
        return sorted(name for name in names - {word, base} if name.isalpha())


def misspellings(word: str, tag: str) -> list[str]:
    """Return the word with two inner letters exchanged, one left out, or one doubled; none of short words.

    First and last letter stay: the word can still be read.
    """
    if len(word) < MIN_MISSPELT or not word.isalpha() or PARTS_OF_SPEECH.get(tag[:1]) is None:
        return []
    inner = range(1, len(word) - 1)
    exchanged = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner[:-1]]
    left_out = [word[:i] + word[i + 1 :] for i in inner]
    doubled = [word[: i + 1] + word[i:] for i in inner]
    return [new for new in dict.fromkeys([*exchanged, *left_out, *doubled]) if new != word]


# What makes each kind, when it is asked for: WordNet has to be found first.
SUBSTITUTES: dict[str, Callable[[], Substitutes]] = {"wordnet": WordNet, "misspellings": lambda: misspellings}
