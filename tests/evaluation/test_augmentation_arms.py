"""Controls: as many rows as ours, from the same pairs, in the same order; only what is changed differs."""

import random
from collections.abc import Sequence

import pytest

from textsem.evaluation import augmentation_arms
from textsem.evaluation.augmentation_arms import CONTROLS, arm_rows, drop_words, joined, swap_words
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.training.labelled_pairs import JoinedPairs

SENTENCES = (
    "A man is playing music outside.",
    "The dogs are running, happily!",
    "Nobody sleeps.",
    "Two boys don't eat",
)
OURS = [
    AugmentedRow("a premise", f"new {i} {text}", i % 3, text, "adversarial")
    for i, text in enumerate(SENTENCES * 3)
]  # fmt: skip
SYNONYMS = {"man": ["bloke"], "music": ["song", "tune"], "dogs": ["hounds"], "eat": ["dine"], "boys": ["lads"]}


class FixedTagger:
    """Calls every word a noun, and notes what it was asked."""

    name = "fixed"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        return [["NN"] * len(words) for words in sentences]


@pytest.fixture(autouse=True)
def small_wordnet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation_arms, "load_tagger", lambda kind: FixedTagger())
    monkeypatch.setattr(augmentation_arms, "WordNet", lambda: lambda word, tag: SYNONYMS.get(word, []))


@pytest.mark.parametrize("arm", CONTROLS)
def test_control_has_a_row_for_each_of_ours_from_the_same_pair(arm: str) -> None:
    rows = arm_rows(arm, OURS, seed=0)
    assert [(row.premise, row.label, row.original) for row in rows] == [
        (row.premise, row.label, row.original) for row in OURS
    ]
    assert not {row.hypothesis for row in rows} & {row.hypothesis for row in OURS}


def test_duplicates_repeat_and_the_others_change() -> None:
    assert [row.hypothesis for row in arm_rows("duplicates", OURS, seed=0)] == [row.original for row in OURS]
    assert all(row.hypothesis != row.original for row in arm_rows("word dropout", OURS, seed=0))


@pytest.mark.parametrize("arm", ["word dropout", "wordnet"])
def test_words_depend_on_seed_and_row_alone(arm: str) -> None:
    rows = arm_rows(arm, OURS, seed=0)
    assert arm_rows(arm, OURS, seed=0) == rows
    assert arm_rows(arm, OURS[:5], seed=0) == rows[:5]
    if arm == "word dropout":
        assert arm_rows(arm, OURS, seed=1) != rows
        assert len({row.hypothesis for row in rows if row.original == SENTENCES[0]}) > 1


def test_row_without_synonym_repeats_the_pair_and_says_so() -> None:
    rows = arm_rows("wordnet", OURS, seed=0)
    repeated = [row for row in rows if row.origin == "wordnet, unchanged"]
    assert repeated
    assert {row.original for row in repeated} == {"Nobody sleeps."}
    assert all(row.hypothesis == row.original for row in repeated)
    assert {row.origin for row in rows} == {"wordnet", "wordnet, unchanged"}


def test_lone_word_is_kept_by_dropout_and_counted() -> None:
    (row,) = arm_rows("word dropout", [AugmentedRow("p", "h", 0, "Sleep!", "adversarial")], seed=0)
    assert (row.hypothesis, row.origin) == ("Sleep!", "word dropout, unchanged")


def test_dropout_drops_a_word_keeps_a_word_and_no_mark() -> None:
    generator = random.Random(0)
    shares = []
    for _ in range(2000):
        kept = drop_words("One two three four five six seven eight nine ten.", generator)
        words = kept.rstrip(".").lower().split()
        assert kept.endswith(".")
        assert 1 <= len(words) <= 9
        shares.append(1 - len(words) / 10)
    # Of ten words 1.5 are dropped, and one where none would be: 0.85^10 = 0.197 of the time.
    assert sum(shares) / len(shares) == pytest.approx(0.15 + 0.0197, abs=0.006)
    assert {drop_words("Yes sir.", generator) for _ in range(60)} == {"Yes.", "Sir."}


def test_swap_replaces_one_word_or_two_by_synonyms() -> None:
    generator, tagger = random.Random(0), FixedTagger()
    seen = {
        swap_words("A man plays music.", generator, tagger=tagger, synonyms=lambda word, tag: SYNONYMS.get(word, []))
        for _ in range(80)
    }
    one = {"A bloke plays music.", "A man plays song.", "A man plays tune."}
    assert seen == one | {"A bloke plays song.", "A bloke plays tune."}


def test_base_rows_stand_before_the_new_ones() -> None:
    base = JoinedPairs(("p",), ("h",), (2,))
    rows = joined(base, OURS[:2])
    assert rows.premises == ("p", "a premise", "a premise")
    assert rows.hypotheses == ("h", OURS[0].hypothesis, OURS[1].hypothesis)
    assert rows.labels == (2, 0, 1)


def test_unknown_control_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of duplicates, word dropout, wordnet, got 'paraphrase'"):
        arm_rows("paraphrase", OURS, seed=0)
