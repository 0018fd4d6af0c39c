"""The arms of the augmentation experiment: the same base rows, and as many new rows from the same pairs in each."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from textsem.attacks.candidates import pair_seed
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.text.tokenization import render, tokenize
from textsem.training.labelled_pairs import JoinedPairs, LabelledPairs, joined_pairs

__all__ = ["CONTROLS", "DROPOUT", "DUPLICATES", "PLAIN", "WORDNET", "arm_rows", "drop_words", "joined", "swap_words"]

PLAIN, DUPLICATES, DROPOUT, WORDNET = "plain", "duplicates", "word dropout", "wordnet"
CONTROLS = (DUPLICATES, DROPOUT, WORDNET)
DROP_RATE = 0.15
MAX_SWAPS = 2
# WordNet's part of speech by the first letter of the Penn tag; auxiliaries have synonyms of another verb.
PARTS_OF_SPEECH = {"N": "n", "V": "v", "J": "a", "R": "r"}
AUXILIARIES = frozenset("am are be been being did do does had has have is was were".split())

Tagged = Sequence[tuple[str, str]]


def arm_rows(arm: str, new: Sequence[AugmentedRow], *, seed: int) -> list[AugmentedRow]:
    """Return the new rows of a control: for each of ours one that was made from the same pair in the control's way.

    Args:
        arm: One of ``CONTROLS``.
        new: Our rows.
        seed: Of the words that are dropped or swapped.

    Raises:
        ValueError: If there is no such control.
        LookupError: If nltk's tagger or WordNet is not to be had, for ``wordnet``.
    """
    ways: dict[str, Callable[[str, random.Random], str]] = {
        DUPLICATES: lambda hypothesis, rng: hypothesis,
        DROPOUT: drop_words,
        WORDNET: lambda hypothesis, rng: swap_words(hypothesis, rng),
    }
    if arm not in ways:
        raise ValueError(f"expected one of {', '.join(ways)}, got {arm!r}")
    rows = []
    for number, row in enumerate(new):
        rng = random.Random(pair_seed(seed, row.premise, row.original, f"{arm} {number}"))
        hypothesis = ways[arm](row.original, rng)
        rows.append(AugmentedRow(row.premise, hypothesis, row.label, row.original, arm))
    return rows


def joined(base: LabelledPairs, new: Sequence[AugmentedRow]) -> JoinedPairs:
    """Return the base rows and after them the new ones."""
    columns = JoinedPairs(
        tuple(row.premise for row in new), tuple(row.hypothesis for row in new), tuple(row.label for row in new)
    )
    return joined_pairs([base, columns])


def drop_words(hypothesis: str, rng: random.Random) -> str:
    """Return a hypothesis without a random 15% of its words, at least one and never all of them."""
    text = tokenize(hypothesis)
    places = [i for i, word in enumerate(text.words) if word[0].isalnum()]
    if len(places) < 2:
        return hypothesis
    dropped = [i for i in places if rng.random() < DROP_RATE] or [rng.choice(places)]
    dropped = dropped[: len(places) - 1]
    return render(text, [word for i, word in enumerate(text.words) if i not in dropped])


def swap_words(hypothesis: str, rng: random.Random, tag: Callable[[list[str]], Tagged] | None = None) -> str:
    """Return a hypothesis with one or two words, as it comes, replaced by synonyms in WordNet of the same kind.

    The label is kept blindly.  Where no word has a synonym the hypothesis comes back as it was.

    Args:
        hypothesis: The sentence.
        rng: Draws number, places and synonyms.
        tag: Penn tags of words; nltk's tagger if None.
    """
    import nltk

    text = tokenize(hypothesis)
    tagged = (tag or nltk.pos_tag)(list(text.words))
    words, open_swaps = list(text.words), rng.randint(1, MAX_SWAPS)
    for i in rng.sample(range(len(words)), len(words)):
        synonyms = _synonyms(words[i], tagged[i][1]) if open_swaps else []
        if synonyms:
            words[i] = rng.choice(synonyms)
            open_swaps -= 1
    return render(text, words)


def _synonyms(word: str, tag: str) -> list[str]:
    from nltk.corpus import wordnet

    net: Any = wordnet
    kind = PARTS_OF_SPEECH.get(tag[:1])
    if kind is None or word in AUXILIARIES or not word.isalpha():
        return []
    base = net.morphy(word, kind) or word
    names = {lemma.name().lower() for synset in net.synsets(base, kind) for lemma in synset.lemmas()}
    return sorted(name for name in names - {word, base} if name.isalpha())
