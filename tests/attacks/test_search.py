from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.attacks.fakes import LABEL_NAMES, candidate
from textsem.attacks.candidates import Candidate
from textsem.attacks.search import SearchOutcome, round_size, search
from textsem.protocols import TargetError
from textsem.text.labels import GOLD_NAMES


class FlipsOn:
    """Says entailment, and contradiction to the texts it is given; remembers its batches."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.batches: list[list[str]] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.batches.append(list(hypotheses))
        return torch.tensor([[0.1, 0.1, 0.8] if text in self.texts else [0.7, 0.2, 0.1] for text in hypotheses])


def queue(name: str, length: int) -> list[Candidate]:
    return [candidate(f"{name}{i}") for i in range(length)]


def search_one(target: FlipsOn, candidates: Sequence[Candidate], max_queries: int = 100) -> SearchOutcome:
    return search(target, ["p"], [0], [candidates], max_queries=max_queries)[0]


def test_success_on_the_first_candidate_costs_one_query() -> None:
    target = FlipsOn("a0")
    outcome = search_one(target, queue("a", 50))
    assert [(f.candidate, f.prediction, f.queries) for f in outcome.flips] == [(candidate("a0"), 2, 1)]
    assert outcome.flips[0].probabilities == pytest.approx((0.1, 0.1, 0.8))
    assert target.batches == [["a0"]]


def test_budget_is_spent_and_never_exceeded() -> None:
    for max_queries in (0, 1, 7, 9, 21, 45, 100, 130):
        target = FlipsOn()
        outcome = search_one(target, queue("a", 200), max_queries)
        assert (outcome.flips, outcome.queries) == ((), max_queries)
        assert sum(map(len, target.batches)) == max_queries


def test_running_sums_of_rounds_meet_the_reported_budgets() -> None:
    sums = [0]
    while sums[-1] < 200:
        sums.append(sums[-1] + round_size(sums[-1]))
    assert {1, 5, 20, 100} <= set(sums)


def test_less_than_a_fifth_of_the_queries_follows_the_first_success() -> None:
    for first in range(0, 300, 3):
        outcome = search_one(FlipsOn(f"a{first}"), queue("a", 330), max_queries=400)
        assert (outcome.queries - (first + 1)) / outcome.queries < 0.2


def test_no_row_is_sent_after_the_round_of_the_success() -> None:
    target = FlipsOn("a9")
    assert search_one(target, queue("a", 50)).queries == 10
    assert target.batches[-1] == ["a8", "a9"]


def test_of_two_flips_in_a_round_the_higher_ranked_is_taken() -> None:
    outcome = search_one(FlipsOn("a10", "a11"), queue("a", 50))
    assert [flip.candidate for flip in outcome.flips] == [candidate("a10")]
    assert outcome.queries == 12


def test_several_flips_are_looked_for_until_there_are_enough() -> None:
    target, names = FlipsOn("a1", "a9", "a10", "a11", "a30"), queue("a", 50)
    outcome = search(target, ["p"], [0], [names], max_queries=100, num_flips=3)[0]
    assert [(flip.candidate.text, flip.queries) for flip in outcome.flips] == [("a1", 2), ("a9", 10), ("a10", 12)]
    assert outcome.queries == 12
    alone = search_one(FlipsOn("a1", "a9", "a10", "a11", "a30"), names)
    assert alone.flips == outcome.flips[:1]
    assert len(search(target, ["p"], [0], [names], max_queries=100, num_flips=9)[0].flips) == 5


def test_class_that_agrees_with_the_gold_label_is_no_flip() -> None:
    class Neutral(FlipsOn):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            return torch.tensor([[0.1, 0.8, 0.1] if "b" in text else [0.8, 0.1, 0.1] for text in hypotheses])

    not_entailed = GOLD_NAMES.index("not_entailment")
    queues = [queue("b", 2), queue("a", 2)]
    found = search(Neutral(), ["p", "p"], [not_entailed, not_entailed], queues, max_queries=2)
    assert [len(outcome.flips) for outcome in found] == [0, 1]


def test_pairs_share_batches_but_not_results() -> None:
    target = FlipsOn("b1", "c3")
    outcomes = search(target, ["p"] * 4, [0] * 4, [queue("a", 3), queue("b", 9), queue("c", 9), []], max_queries=5)
    assert target.batches == [["a0", "b0", "c0"], ["a1", "b1", "c1"], ["a2", "c2"], ["c3"]]
    assert [outcome.queries for outcome in outcomes] == [3, 2, 4, 0]
    found = [[flip.candidate for flip in outcome.flips] for outcome in outcomes]
    assert found == [[], [candidate("b1")], [candidate("c3")], []]


def test_flip_is_judged_against_the_pairs_own_label() -> None:
    outcomes = search(FlipsOn(), ["p", "p"], [0, 1], [queue("a", 1), queue("b", 1)], max_queries=5)
    assert [[flip.prediction for flip in outcome.flips] for outcome in outcomes] == [[], [0]]


def test_without_candidates_the_target_is_not_called() -> None:
    target = FlipsOn()
    assert search(target, ["p"], [0], [[]], max_queries=5)[0].queries == 0
    assert target.batches == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (torch.full((1, 3), float("nan")), "expected finite probabilities"),
        (torch.full((2, 3), 0.3), r"expected probabilities of shape \[1, 3\], got \[2, 3\]"),
        (torch.full((1, 2), 0.5), r"expected probabilities of shape \[1, 3\], got \[1, 2\]"),
    ],
)
def test_answers_that_are_no_probabilities_are_errors(answer: Tensor, message: str) -> None:
    class Broken(FlipsOn):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            return answer

    with pytest.raises((ValueError, TargetError), match=message):
        search_one(Broken(), queue("a", 1))
