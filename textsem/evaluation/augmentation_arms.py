"""The arms of the augmentation experiment: the same base rows, and as many new rows from the same pairs in each."""

import random
from collections.abc import Callable, Sequence

from textsem.attacks.candidates import pair_seed
from textsem.constraints.taggers import Tagger, load_tagger
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.text.substitutes import Substitutes, WordNet
from textsem.text.tokenization import render, tokenize
from textsem.training.labelled_pairs import JoinedPairs, LabelledPairs, joined_pairs

__all__ = [
    "CONTROLS",
    "DROPOUT",
    "DUPLICATES",
    "PLAIN",
    "UNCHANGED",
    "WORDNET",
    "arm_rows",
    "drop_words",
    "joined",
    "swap_words",
]

PLAIN, DUPLICATES, DROPOUT, WORDNET = "plain", "duplicates", "word dropout", "wordnet"
CONTROLS = (DUPLICATES, DROPOUT, WORDNET)
UNCHANGED = ", unchanged"  # ends the origin of a control's row for which its way found nothing to change
DROP_RATE = 0.15
MAX_SWAPS = 2


def arm_rows(arm: str, new: Sequence[AugmentedRow], *, seed: int) -> list[AugmentedRow]:
    """Return the new rows of a control: for each of ours one that was made from the same pair in the control's way.

    Where that way has nothing to change, a lone word or one without synonyms, the row repeats the pair, and its origin
    says so.

    Args:
        arm: One of ``CONTROLS``.
        new: Our rows.
        seed: Of the words that are dropped or swapped.

    Raises:
        ValueError: If there is no such control, or nltk's tagger or WordNet is not to be had for ``wordnet``.
    """
    change, rows = _way(arm), []
    for number, row in enumerate(new):
        rng = random.Random(pair_seed(seed, row.premise, row.original, f"{arm} {number}"))
        hypothesis = change(row.original, rng)
        is_repeated = arm != DUPLICATES and hypothesis == row.original
        origin = f"{arm}{UNCHANGED}" if is_repeated else arm
        rows.append(AugmentedRow(row.premise, hypothesis, row.label, row.original, origin))
    return rows


def _way(arm: str) -> Callable[[str, random.Random], str]:
    """Return what a control does to a hypothesis."""
    if arm == DUPLICATES:
        return lambda hypothesis, rng: hypothesis
    if arm == DROPOUT:
        return drop_words
    if arm == WORDNET:
        tagger, synonyms = load_tagger("nltk"), WordNet()
        return lambda hypothesis, rng: swap_words(hypothesis, rng, tagger=tagger, synonyms=synonyms)
    raise ValueError(f"expected one of {', '.join(CONTROLS)}, got {arm!r}")


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


def swap_words(hypothesis: str, rng: random.Random, *, tagger: Tagger, synonyms: Substitutes) -> str:
    """Return a hypothesis with one or two words, as it comes, replaced by synonyms of the same kind.

    The label is kept blindly.  Where no word has a synonym the hypothesis comes back as it was.

    Args:
        hypothesis: The sentence.
        rng: Draws number, places and synonyms.
        tagger: Gives words their Penn tags.
        synonyms: Gives a word with its tag its synonyms, in a fixed order; `WordNet`.
    """
    text = tokenize(hypothesis)
    (tags,) = tagger.tag([text.words])
    words, open_swaps = list(text.words), rng.randint(1, MAX_SWAPS)
    for i in rng.sample(range(len(words)), len(words)):
        known = synonyms(words[i], tags[i]) if open_swaps else []
        if known:
            words[i] = rng.choice(known)
            open_swaps -= 1
    return render(text, words) if tuple(words) != tuple(text.words) else hypothesis
