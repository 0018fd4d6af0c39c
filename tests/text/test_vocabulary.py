from collections import Counter

import pytest

from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID, UNKNOWN_ID, Vocabulary


def test_special_symbols_have_the_first_four_ids() -> None:
    vocabulary = Vocabulary(["man", "a"])
    assert vocabulary.words == ("<pad>", "<start>", "<end>", "<unknown>", "man", "a")
    assert [vocabulary.words[i] for i in (PAD_ID, START_ID, END_ID, UNKNOWN_ID)] == list(SPECIAL_WORDS)
    assert vocabulary.size == 6


def test_words_come_back_up_to_the_end() -> None:
    vocabulary = Vocabulary(["man", "a"])
    assert vocabulary.encode(["a", "tall", "man"]) == [5, UNKNOWN_ID, 4]
    assert vocabulary.decode([START_ID, 5, UNKNOWN_ID, 4, END_ID, 4, PAD_ID]) == ["a", "<unknown>", "man"]
    assert vocabulary.decode([PAD_ID, 4]) == ["man"]


def test_most_frequent_words_are_kept_ties_in_alphabetical_order() -> None:
    counts = Counter({"c": 2, "b": 5, "d": 2, "a": 2, "rare": 1})
    assert Vocabulary.from_counts(counts, 3).words[4:] == ("b", "a", "c")
    assert Vocabulary.from_counts(counts, 99).words[4:] == ("b", "a", "c", "d", "rare")


@pytest.mark.parametrize("words", [["a", "a"], ["a", "<end>"]])
def test_repeated_and_special_words_are_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match="expected every word once and no special symbol, got"):
        Vocabulary(words)
