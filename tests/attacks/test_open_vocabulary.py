"""Swaps with words that the adversary does not know, beside another source's candidates."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.attacks.fakes import FakeSource, candidate
from textsem.attacks.candidates import Candidate
from textsem.attacks.open_vocabulary import OpenVocabularySource
from textsem.text.tokenization import tokenize

HYPOTHESES = ["A man is playing.", "Nobody sleeps!", "The man, the dog"]
LEXICON = {"man": ["bloke", "chap"], "playing": ["frolicking"], "dog": ["hound"]}


class FixedTagger:
    """Calls every word a noun."""

    name = "fixed"

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        return [["NN"] * len(words) for words in sentences]


class NoCandidates:
    """Knows nothing, and refuses one sentence."""

    name = "none"

    def supports(self, hypothesis: str) -> str | None:
        return "not this one" if hypothesis == "refused" else None

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        return [[] for _ in hypotheses]


def make(adversary: Any, source: Any = None, lexicons: Any = None, **options: Any) -> OpenVocabularySource:
    return OpenVocabularySource(
        source or NoCandidates(),
        lexicons or [lambda word, tag: LEXICON.get(word, [])],
        tagger=FixedTagger(),
        vocabulary=adversary.vocabulary,
        table=adversary.embedding_table().detach(),
        max_length=adversary.config.max_length,
        **options,
    )


def texts(rows: Sequence[Candidate]) -> set[str]:
    return {row.text for row in rows}


def test_all_swaps_of_one_and_two_words_are_found_and_nothing_else(tiny_adversary: Any) -> None:
    (found,) = make(tiny_adversary).propose(HYPOTHESES[:1], [0], [7], 400)
    one = {"A bloke is playing.", "A chap is playing.", "A man is frolicking."}
    assert texts(found) == one | {"A bloke is frolicking.", "A chap is frolicking."}
    assert {row.edits for row in found if row.text in one} == {1}
    assert {row.edits for row in found if row.text not in one} == {2}
    assert all(row.words == tuple(tokenize(row.text).words) for row in found)
    assert all(row.distance > 0.0 for row in found)


def test_one_swap_at_most_where_one_is_allowed(tiny_adversary: Any) -> None:
    (found,) = make(tiny_adversary, max_swaps=1).propose(HYPOTHESES[:1], [0], [7], 400)
    assert {row.edits for row in found} == {1}


def test_sentence_without_substitutes_gets_the_other_source_alone(tiny_adversary: Any) -> None:
    class One(NoCandidates):
        def propose(self, *args: Any) -> list[list[Candidate]]:
            return [[candidate("someone sleeps")]]

    assert make(tiny_adversary).propose(HYPOTHESES[1:2], [0], [7], 40) == [[]]
    assert make(tiny_adversary, One()).propose(HYPOTHESES[1:2], [0], [7], 40) == [[candidate("someone sleeps")]]


def test_half_of_the_candidates_are_the_other_sources(tiny_adversary: Any) -> None:
    asked = []

    class Counting(FakeSource):
        def propose(self, *args: Any) -> Any:
            asked.append(args[-1])
            return super().propose(*args)

    lexicons = [
        lambda word, tag: [f"{word}{i}" for i in range(90)],
        lambda word, tag: [f"{i}{word}" for i in range(90)],
    ]
    (found,) = make(tiny_adversary, Counting(), lexicons).propose(HYPOTHESES[:1], [0], [7], 42)
    assert asked == [22]
    assert len(found) <= 42
    brought = [set(row.words) - set(tokenize(HYPOTHESES[0]).words) for row in found[22:]]
    first = sum(all(word[-1].isdigit() for word in words) for words in brought)
    second = sum(all(word[0].isdigit() for word in words) for words in brought)
    assert (first, second) == (len(brought) - second, 10)


def test_sentence_that_both_know_is_proposed_once(tiny_adversary: Any) -> None:
    class Known(NoCandidates):
        def propose(self, *args: Any) -> list[list[Candidate]]:
            return [[Candidate("A bloke is playing.", ("a", "bloke", "is", "playing", "."), 1.0, 1, 0.9)]]

    (found,) = make(tiny_adversary, Known()).propose(HYPOTHESES[:1], [0], [7], 400)
    assert sum(row.text == "A bloke is playing." for row in found) == 1
    assert len(found) == 5


def test_what_a_pair_gets_depends_on_its_seed_alone(tiny_adversary: Any) -> None:
    source = make(tiny_adversary, FakeSource())
    together = source.propose(HYPOTHESES, [0, 1, 2], [5, 6, 7], 12)
    apart = [source.propose([text], [i], [5 + i], 12)[0] for i, text in enumerate(HYPOTHESES)]
    assert together == apart
    many = make(tiny_adversary, lexicons=[lambda word, tag: [f"{word}{i}" for i in range(90)]])
    drawn = [texts(many.propose(HYPOTHESES[:1], [0], [seed], 12)[0]) for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


@pytest.mark.parametrize(("hypothesis", "reason"), [("refused", "not this one"), ("a " * 500, "the model takes")])
def test_both_must_take_a_hypothesis(tiny_adversary: Any, hypothesis: str, reason: str) -> None:
    assert reason in str(make(tiny_adversary).supports(hypothesis))
    assert make(tiny_adversary).supports("A man sleeps.") is None
