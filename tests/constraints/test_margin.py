import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from textsem.constraints.margin import MarginConstraint, WeightedRanker
from textsem.protocols import CandidateRows, Constraint, Ranker
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES

PROBABILITIES = {
    "sure": [0.98, 0.01, 0.01],
    "barely": [0.45, 0.35, 0.20],
    "lost": [0.30, 0.60, 0.10],
    "certain": [1.0, 0.0, 0.0],
}
NOT = GOLD_NAMES.index(NOT_ENTAILMENT)


class Table:
    """Answers from the table above; counts what it is asked."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.asked += zip(premises, hypotheses, strict=True)
        return torch.tensor([PROBABILITIES[text] for text in hypotheses])


def rows(*candidates: str, label: int = 0) -> CandidateRows:
    count = len(candidates)
    return CandidateRows(["p"] * count, ["o"] * count, candidates, [label] * count)


def test_margin_is_the_log_ratio_to_the_best_other_label() -> None:
    constraint = MarginConstraint(Table())
    margins = constraint.margins(rows("sure", "barely", "lost"))
    assert margins == pytest.approx([math.log(98), math.log(45 / 35), math.log(0.5)], abs=1e-5)
    assert constraint.margins(rows("lost", label=1)) == pytest.approx([math.log(2)], abs=1e-5)
    assert constraint.margins(rows("barely", label=2)) == pytest.approx([math.log(20 / 45)], abs=1e-5)


def test_not_entailment_is_what_neutral_and_contradiction_are_together() -> None:
    margins = MarginConstraint(Table()).margins(rows("sure", "barely", "lost", label=NOT))
    assert margins == pytest.approx([math.log(2 / 98), math.log(55 / 45), math.log(7 / 3)], abs=1e-5)


class TwoClasses(Table):
    """The same table, entailment or not."""

    label_names: tuple[str, ...] = TWO_CLASS_NAMES

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        answers = super().predict(premises, hypotheses)
        return torch.stack([answers[:, 0], 1 - answers[:, 0]], dim=1)


def test_model_with_two_classes_gives_neutral_and_contradiction_one_margin() -> None:
    constraint = MarginConstraint(TwoClasses())
    for label in (1, 2, NOT):
        assert constraint.margins(rows("sure", "lost", label=label)) == pytest.approx(
            [math.log(2 / 98), math.log(7 / 3)], abs=1e-5
        )
    assert constraint.margins(rows("sure", "lost")) == pytest.approx([math.log(98 / 2), math.log(3 / 7)], abs=1e-5)


def test_three_labels_and_three_classes_have_the_plain_margin_to_the_bit() -> None:
    answers = torch.rand(300, 3, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    labels = [i % 3 for i in range(300)]

    class Given(Table):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            return answers[[int(text) for text in hypotheses]]

    texts = [str(i) for i in range(300)]
    margins = MarginConstraint(Given()).margins(CandidateRows(texts, texts, texts, labels))
    logs = answers.log()
    for i, label in enumerate(labels):
        assert margins[i] == float(logs[i, label] - max(logs[i, k] for k in range(3) if k != label))


def test_band_keeps_what_the_filter_barely_gives_the_label() -> None:
    assert MarginConstraint(Table(), centre=0.25, width=0.5).accepts(rows("sure", "barely", "lost")) == [
        False,
        True,
        False,
    ]
    assert MarginConstraint(Table(), centre=0.0, width=0.7).accepts(rows("lost")) == [True]
    assert MarginConstraint(Table(), centre=0.0, width=0.69).accepts(rows("lost")) == [False]


def test_nearest_to_the_centre_scores_highest() -> None:
    scores = MarginConstraint(Table(), centre=-0.69).scores(rows("sure", "barely", "lost"))
    assert sorted(range(3), key=lambda i: -scores[i]) == [2, 1, 0]


def test_certain_model_has_a_finite_margin() -> None:
    assert MarginConstraint(Table()).margins(rows("certain")) == pytest.approx([-math.log(1e-4)], abs=1e-4)


def test_pair_is_asked_once() -> None:
    model = Table()
    constraint = MarginConstraint(model)
    constraint.accepts(rows("sure", "sure", "lost"))
    constraint.scores(rows("lost", "sure"))
    assert sorted(model.asked) == [("p", "lost"), ("p", "sure")]


def test_no_row_is_no_answer() -> None:
    assert MarginConstraint(Table()).accepts(rows()) == []


def test_it_is_a_constraint_and_a_ranker() -> None:
    assert isinstance(MarginConstraint(Table()), Constraint)
    assert isinstance(MarginConstraint(Table()), Ranker)
    assert isinstance(WeightedRanker((MarginConstraint(Table()), 1.0)), Ranker)


def test_weighted_ranker_adds_up() -> None:
    near, far = MarginConstraint(Table(), centre=0.0), MarginConstraint(Table(), centre=2.0)
    some = rows("sure", "lost")
    expected = [a + 0.5 * b for a, b in zip(near.scores(some), far.scores(some), strict=True)]
    assert WeightedRanker((near, 1.0), (far, 0.5)).scores(some) == pytest.approx(expected)
    assert WeightedRanker((near, 1.0), (far, 0.5)).scores(rows()) == []


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
def test_width_of_nothing_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match="expected width above 0"):
        MarginConstraint(Table(), width=width)


def test_model_with_other_labels_is_refused() -> None:
    model = Table()
    model.label_names = ("yes", "no", "maybe")
    with pytest.raises(ValueError, match="expected a model with labels"):
        MarginConstraint(model)
