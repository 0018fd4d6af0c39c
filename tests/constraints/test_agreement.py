from collections.abc import Sequence

import pytest
import torch

from tests.constraints.fakes import as_rows
from textsem.constraints.agreement import AgreementConstraint
from textsem.protocols import CandidateRows, Constraint, Ranker
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES


class Filter:
    """Entailment has 1/2 a shared word (at most two), contradiction a quarter of the rest, neutral what is left."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self) -> None:
        self.asked: list[list[tuple[str, str]]] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> torch.Tensor:
        self.asked.append(list(zip(premises, hypotheses, strict=True)))
        shared = torch.tensor([min(2, len(set(p.split()) & set(h.split()))) / 2 for p, h in self.asked[-1]])
        return torch.stack([shared, 0.75 * (1 - shared), 0.25 * (1 - shared)], dim=1)


def rows() -> CandidateRows:
    candidates = ["a dog", "a cat", "the cat", "a cat", "the cat", "the cat"]
    return CandidateRows(["a dog"] * 6, ["o"] * 6, candidates, [0, 0, 0, 1, 1, 2])


def test_known_probabilities_of_each_rows_own_label() -> None:
    assert AgreementConstraint(Filter()).scores(rows()) == [1.0, 0.5, 0.0, 0.375, 0.75, 0.25]


def test_label_that_two_classes_agree_with_has_both_probabilities() -> None:
    label = GOLD_NAMES.index(NOT_ENTAILMENT)
    some = CandidateRows(["a dog"] * 3, ["o"] * 3, ["a dog", "a cat", "the cat"], [label] * 3)
    assert AgreementConstraint(Filter()).scores(some) == [0.0, 0.5, 1.0]


def test_model_with_two_classes_answers_for_all_labels() -> None:
    class TwoClasses(Filter):
        label_names: tuple[str, ...] = TWO_CLASS_NAMES

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> torch.Tensor:
            shared = super().predict(premises, hypotheses)[:, 0]
            return torch.stack([shared, 1 - shared], dim=1)

    some = CandidateRows(["a dog"] * 4, ["o"] * 4, ["the cat"] * 4, range(4))
    assert AgreementConstraint(TwoClasses()).scores(some) == [0.0, 1.0, 1.0, 1.0]


def test_threshold_is_met_with_equality() -> None:
    accepts = AgreementConstraint(Filter()).accepts(rows())
    assert accepts == [True, True, False, False, True, False]
    assert AgreementConstraint(Filter(), min_probability=0.51).accepts(rows())[1] is False


def test_candidate_is_judged_and_not_the_original() -> None:
    constraint = AgreementConstraint(Filter())
    assert constraint.accepts(as_rows(["a dog", "the cat"], ["the cat", "a dog"], premise="a dog")) == [False, True]


def test_each_distinct_pair_is_asked_once_and_remembered() -> None:
    model = Filter()
    constraint = AgreementConstraint(model)
    scores = constraint.scores(rows())
    assert model.asked == [[("a dog", "a dog"), ("a dog", "a cat"), ("a dog", "the cat")]]
    constraint.accepts(rows())
    assert constraint.scores(rows()) == scores
    constraint.scores(as_rows(["o"], ["a dog"], premise="the cat"))
    assert model.asked[1:] == [[("the cat", "a dog")]]


def test_memory_is_bounded() -> None:
    model = Filter()
    constraint = AgreementConstraint(model, memory_size=1)
    assert constraint.scores(rows()) == constraint.scores(rows())
    assert [len(pairs) for pairs in model.asked] == [3, 2]


def test_it_is_a_constraint_and_a_ranker_named_agreement() -> None:
    constraint = AgreementConstraint(Filter())
    assert isinstance(constraint, Constraint)
    assert isinstance(constraint, Ranker)
    assert constraint.name == "agreement"
    assert constraint.accepts(as_rows([], [])) == []


@pytest.mark.parametrize("probability", [0.0, 1.1, float("nan")])
def test_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match=f"expected min_probability above 0 and at most 1, got {probability}"):
        AgreementConstraint(Filter(), min_probability=probability)


def test_labels_in_another_order_are_refused() -> None:
    model = Filter()
    model.label_names = LABEL_NAMES[::-1]
    with pytest.raises(ValueError, match="expected a model with labels"):
        AgreementConstraint(model)
