from collections.abc import Sequence

import pytest

from tests.constraints.fakes import FakeTagger, as_rows
from textsem.constraints.part_of_speech import PartOfSpeechConstraint, Tagset, word_class
from textsem.protocols import Constraint


def tagger() -> FakeTagger:
    return FakeTagger(
        NN="dog cat man",
        NNS="dogs cats",
        VBZ="runs sleeps",
        VBD="ran slept",
        DT="a the",
        JJ="big red",
        RB="fast",
        IN="in",
    )


def accepts(original: str, candidate: str, *, tagset: Tagset = "universal") -> bool:
    (answer,) = PartOfSpeechConstraint(tagger(), tagset=tagset).accepts(as_rows([original], [candidate]))
    return answer


@pytest.mark.parametrize(
    ("candidate", "universal", "penn"),
    [
        ("The dog runs.", True, True),
        ("The cat runs.", True, True),
        ("A cat sleeps.", True, True),
        ("The dogs runs.", True, False),  # number
        ("The dog slept.", True, False),  # tense
        ("The big runs.", False, False),
        ("The dog dog.", False, False),
        ("The in runs.", False, False),
    ],
)
def test_replaced_word_keeps_class_or_form(candidate: str, universal: bool, penn: bool) -> None:
    assert accepts("The dog runs.", candidate) is universal
    assert accepts("The dog runs.", candidate, tagset="penn") is penn


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("The big dog runs.", True),
        ("Dog runs.", True),
        ("Runs.", True),
        ("The big cat runs.", True),  # dog gives way to big cat: a noun is still there
        ("The cat fast runs.", True),
        ("The big red runs.", False),  # dog gives way to big red
        ("The dog big fast.", False),  # runs gives way to big fast
        ("Big.", False),
    ],
)
def test_insertions_and_deletions_are_left_alone(candidate: str, expected: bool) -> None:
    assert accepts("The dog runs.", candidate) is expected
    assert accepts(candidate, "The dog runs.") is expected


def test_order_counts_in_a_longer_stretch() -> None:
    assert accepts("the dog slept in the man", "the big cat runs fast in the man") is True
    assert accepts("the dog slept in the man", "the runs fast big cat in the man") is False


def test_as_many_words_are_compared_place_by_place() -> None:
    assert accepts("dog in the man", "in the man dog") is False


def test_punctuation_is_not_compared() -> None:
    assert accepts("The dog, runs.", "The cat runs!") is True
    assert accepts("The dog, runs.", "The dog sleeps!") is True
    assert accepts("The dog runs.", "The dog, runs") is True


def test_unchanged_word_whose_tag_changed_is_left_alone() -> None:
    class ByLength(FakeTagger):
        def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
            """Call every word but the first a verb in one sentence and a noun in the other."""
            return [["DT"] + ["VB" if words[0] == "a" else "NN"] * (len(words) - 1) for words in sentences]

    constraint = PartOfSpeechConstraint(ByLength())
    assert constraint.accepts(as_rows(["A dog runs", "A dog runs"], ["The dog runs", "The cat runs"])) == [True, False]


def test_sentences_are_tagged_whole_lower_cased_and_once() -> None:
    fake = tagger()
    constraint = PartOfSpeechConstraint(fake)
    rows = as_rows(["The dog runs.", "The dog runs."], ["The cat runs.", "the DOG runs ."])
    assert constraint.accepts(rows) == [True, True]
    constraint.accepts(rows)
    assert fake.asked == [("the", "dog", "runs", "."), ("the", "cat", "runs", ".")]


def test_memory_is_bounded() -> None:
    fake = tagger()
    constraint = PartOfSpeechConstraint(fake, memory_size=1)
    for _ in range(2):
        constraint.accepts(as_rows(["the dog"], ["the cat"]))
    assert fake.asked == [("the", "dog"), ("the", "cat"), ("the", "dog")]


def test_row_does_not_depend_on_the_others() -> None:
    originals = ["The dog runs.", "The dog runs.", "A man", "A man"]
    candidates = ["The cat runs.", "The big runs.", "A big cat", "Man"]
    answers = PartOfSpeechConstraint(tagger()).accepts(as_rows(originals, candidates))
    assert answers == [accepts(a, b) for a, b in zip(originals, candidates, strict=True)] == [True, False, True, True]


def test_known_classes() -> None:
    tags = ["NN", "NNPS", "MD", "VBG", "JJR", "WRB", "PRP$", "EX", "IN", "CC", "CD", "TO", "FW", "nonsense"]
    classes = ["NOUN", "NOUN", "VERB", "VERB", "ADJ", "ADV", "PRON", "DET", "ADP", "CONJ", "NUM", "PRT", "X", "X"]
    assert [word_class(tag) for tag in tags] == classes


def test_it_is_a_constraint_named_part_of_speech() -> None:
    constraint = PartOfSpeechConstraint(tagger())
    assert isinstance(constraint, Constraint)
    assert constraint.name == "part_of_speech"
    assert constraint.accepts(as_rows([], [])) == []
    assert constraint.accepts(as_rows([""], ["dog"])) == [True]


def test_tagger_that_loses_a_word_is_named() -> None:
    class Short(FakeTagger):
        def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
            return [tags[1:] for tags in super().tag(sentences)]

    with pytest.raises(ValueError, match="expected one tag a word of fake"):
        PartOfSpeechConstraint(Short()).accepts(as_rows(["the dog"], ["the cat"]))


def test_unknown_tagset_is_refused() -> None:
    with pytest.raises(ValueError, match="expected tagset to be one of universal, penn, got 'brown'"):
        PartOfSpeechConstraint(tagger(), tagset="brown")  # type: ignore[arg-type]
