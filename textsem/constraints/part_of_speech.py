"""Parts of speech: a noun may stand for a noun, and where asked for, a plural only for a plural."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, get_args

from textsem.constraints.conjunction import Composable
from textsem.constraints.memory import BoundedMemory
from textsem.constraints.taggers import Tagger
from textsem.protocols import CandidateRows
from textsem.text.tokenization import is_punctuation, tokenize

__all__ = ["PartOfSpeechConstraint", "Tagset", "word_class"]

Tagset = Literal["universal", "penn"]

# The universal classes of Petrov, Das & McDonald 2012 (arXiv:1104.2086).  Punctuation marks never get here.
_CLASSES = {
    "ADJ": "JJ JJR JJS AFX",
    "ADP": "IN",
    "ADV": "RB RBR RBS WRB",
    "CONJ": "CC",
    "DET": "DT EX PDT WDT",
    "NOUN": "NN NNS NNP NNPS",
    "NUM": "CD",
    "PRON": "PRP PRP$ WP WP$",
    "PRT": "POS RP TO",
    "VERB": "MD VB VBD VBG VBN VBP VBZ",
}
_CLASS_OF_TAG = {tag: name for name, tags in _CLASSES.items() for tag in tags.split()}


class PartOfSpeechConstraint(Composable):
    """Refuse a candidate in which a word was replaced by one of another part of speech; implements ``Constraint``.

    Words are compared place by place where both sentences have as many, else as ``difflib`` aligns them; of a stretch
    replaced by a longer or shorter one, the parts of speech of the shorter must occur in order among those of the
    longer, the rest being inserted or deleted.  Inserted and deleted words and punctuation are not this constraint's
    business, nor are unchanged words whose tag changed with their neighbours.

    Args:
        tagger: What gives lower-cased words their Penn tags in their sentence; see ``load_tagger``.
        tagset: ``universal`` keeps the word class; ``penn`` also the form, as number and tense.
        memory_size: Most sentences whose tags are remembered.

    Raises:
        ValueError: If the tagset is unknown.
    """

    name = "part_of_speech"

    def __init__(self, tagger: Tagger, *, tagset: Tagset = "universal", memory_size: int = 50_000) -> None:
        if tagset not in get_args(Tagset):
            raise ValueError(f"expected tagset to be one of {', '.join(get_args(Tagset))}, got {tagset!r}")
        self.tagger = tagger
        self.tagset = tagset
        self._memory: BoundedMemory[tuple[str, ...], tuple[str, ...]] = BoundedMemory(memory_size)

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: does every replaced word keep its part of speech?"""
        words_of = {text: tokenize(text).words for text in dict.fromkeys([*rows.originals, *rows.candidates])}
        parts = dict(zip(words_of, self._memory.recall(list(words_of.values()), self._tag), strict=True))
        bare = {text: [word for word in words if not is_punctuation(word)] for text, words in words_of.items()}
        return [
            all(
                _is_part_in_order(parts[original][old], parts[candidate][new])
                for old, new in _replaced(bare[original], bare[candidate])
            )
            for original, candidate in zip(rows.originals, rows.candidates, strict=True)
        ]

    def _tag(self, sentences: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return the part of speech of each word, punctuation left out after it has served as context."""
        tags = self.tagger.tag(sentences)
        sizes = [len(words) for words in sentences]
        if [len(own) for own in tags] != sizes:
            raise ValueError(f"expected one tag a word of {self.tagger.name} for {len(sizes)} sentences, got others")
        return [
            tuple(self._part(tag) for word, tag in zip(words, own, strict=True) if not is_punctuation(word))
            for words, own in zip(sentences, tags, strict=True)
        ]

    def _part(self, tag: str) -> str:
        return tag if self.tagset == "penn" else word_class(tag)


def word_class(tag: str) -> str:
    """Return the universal word class of a Penn tag; X for foreign words, symbols, interjections and unknown tags.

    Example:
        >>> word_class("VBZ")
        'VERB'
    """
    return _CLASS_OF_TAG.get(tag, "X")


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[slice, slice]]:
    """Yield where words of ``old`` gave way to words of ``new``."""
    if len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                yield slice(i, i + 1), slice(i, i + 1)
        return
    for kind, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "replace":
            yield slice(old_start, old_end), slice(new_start, new_end)


def _is_part_in_order(a: Sequence[str], b: Sequence[str]) -> bool:
    """Tell whether the shorter sequence is what is left of the longer after deletions."""
    shorter, longer = sorted((a, b), key=len)
    remaining = iter(longer)
    return all(part in remaining for part in shorter)
