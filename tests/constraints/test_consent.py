"""Consent: the label must be ahead by so much in a second model's eyes."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.constraints.fakes import as_rows
from textsem.constraints.consent import ConsentConstraint
from textsem.protocols import CandidateRows


class Says:
    label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

    def __init__(self, *probabilities: tuple[float, float, float]) -> None:
        self.probabilities = probabilities
        self.calls = 0

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.calls += 1
        return torch.tensor([self.probabilities[int(text)] for text in hypotheses])


def test_label_must_be_ahead_by_the_margin() -> None:
    # The label, entailment, is ahead by log 2, by log 4, and behind.
    model = Says((0.5, 0.25, 0.25), (0.8, 0.2, 0.0), (0.3, 0.6, 0.1))
    rows = as_rows(["x"] * 3, ["0", "1", "2"])
    assert ConsentConstraint(model, min_margin=math.log(2) - 1e-4).accepts(rows) == [True, True, False]
    assert ConsentConstraint(model, min_margin=math.log(2) + 1e-4).accepts(rows) == [False, True, False]
    assert ConsentConstraint(model).accepts(rows) == [True, True, False]


def test_not_entailment_is_neutral_and_contradiction_together() -> None:
    rows = CandidateRows(["p"], ["x"], ["0"], [3])
    assert ConsentConstraint(Says((0.4, 0.3, 0.3)), min_margin=math.log(1.4)).accepts(rows) == [True]


@pytest.mark.parametrize("memory_size", [0, 10])
def test_nothing_is_remembered_unless_asked_for(memory_size: int) -> None:
    model = Says((0.5, 0.25, 0.25))
    consent = ConsentConstraint(model, memory_size=memory_size)
    rows = as_rows(["x"], ["0"])
    assert consent.accepts(rows) == consent.accepts(rows) == [True]
    assert model.calls == (1 if memory_size else 2)
