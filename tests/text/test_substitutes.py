"""Words from outside any vocabulary."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.text.substitutes import SUBSTITUTES, WordNet, misspellings


class SmallNet:
    """Two verbs and a noun, as nltk would answer."""

    def ensure_loaded(self) -> None:
        pass

    def morphy(self, word: str, kind: str) -> str | None:
        return {("runs", "v"): "run", ("runs", "n"): "run"}.get((word, kind))

    def synsets(self, word: str, kind: str) -> list[Any]:
        names = {("run", "v"): ["run", "Sprint", "run_away"], ("run", "n"): ["run", "tally"], ("be", "v"): ["exist"]}

        class Lemma:
            def __init__(self, name: str) -> None:
                self._name = name

            def name(self) -> str:
                return self._name

        class Synset:
            def lemmas(self) -> list[Lemma]:
                return [Lemma(name) for name in names.get((word, kind), [])]

        return [Synset()]


@pytest.fixture
def wordnet(monkeypatch: pytest.MonkeyPatch) -> WordNet:
    monkeypatch.setattr("nltk.corpus.wordnet", SmallNet())
    return WordNet()


def test_synonyms_have_the_part_of_speech_of_the_tag(wordnet: WordNet) -> None:
    assert wordnet("runs", "VBZ") == ["sprint"]  # lower-cased, no phrase, neither the word nor its base
    assert wordnet("runs", "NNS") == ["tally"]


def test_auxiliaries_closed_classes_and_numbers_have_none(wordnet: WordNet) -> None:
    assert wordnet("be", "VB") == wordnet("runs", "IN") == wordnet("2", "NN") == []


def test_misspellings_of_a_word_are_these() -> None:
    assert misspellings("boats", "NNS") == [
        "baots",
        "botas",
        "bats",
        "bots",
        "boas",
        "booats",
        "boaats",
        "boatts",
    ]


@given(st.text(string.ascii_lowercase, min_size=4, max_size=12))
def test_misspellings_keep_first_and_last_letter_and_differ(word: str) -> None:
    new = misspellings(word, "NN")
    assert len(set(new)) == len(new)
    assert word not in new
    assert all(other[0] == word[0] and other[-1] == word[-1] for other in new)
    assert all(len(other) - len(word) in (-1, 0, 1) for other in new)


@pytest.mark.parametrize(("word", "tag"), [("dog", "NN"), ("don't", "VB"), ("with", "IN"), ("2000", "CD"), ("", "NN")])
def test_short_words_and_closed_classes_are_spelt_right(word: str, tag: str) -> None:
    assert misspellings(word, tag) == []


def test_every_kind_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nltk.corpus.wordnet", SmallNet())
    assert {name: make()("running", "NN")[:1] for name, make in SUBSTITUTES.items()} == {
        "wordnet": [],
        "misspellings": ["rnuning"],
    }


def test_missing_wordnet_is_told_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost:
        def ensure_loaded(self) -> None:
            raise LookupError("not found")

    monkeypatch.setattr("nltk.corpus.wordnet", Lost())
    with pytest.raises(ValueError, match=r"expected nltk to find WordNet: .* nltk.downloader wordnet"):
        WordNet()
