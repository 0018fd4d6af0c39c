"""Each condition of a valid success by itself, at its threshold and beside it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.evaluation.judged import ENTAILED, FLIP, NEUTRAL, judged
from textsem.evaluation.validity_conditions import ValidityThresholds, failed_conditions, is_valid

NOT = "not_entailment"


@pytest.mark.parametrize(
    ("measured", "failed"),
    [
        ({}, set()),
        ({"before": ENTAILED}, {"judge wrong before"}),
        ({"before": ENTAILED, "after": ENTAILED}, {"judge wrong before"}),
        ({"after": ENTAILED}, {"judge follows the flip"}),
        ({"after": "contradiction"}, {"judge follows the flip"}),
        ({"similarity": 0.80}, set()),
        ({"similarity": 0.79999}, {"similarity"}),
        ({"ratio": 2.0}, set()),
        ({"ratio": 2.00001}, {"fluency"}),
        ({"has_new_unknown": True}, {"unknown word"}),
        ({"has_new_unknown": True, "ratio": 3.0, "similarity": -1.0}, {"unknown word", "fluency", "similarity"}),
    ],
)
def test_each_condition_at_its_threshold(measured: dict[str, Any], failed: set[str]) -> None:
    assert failed_conditions(FLIP, judged(**measured), "first", ValidityThresholds()) == failed
    assert is_valid(FLIP, judged(**measured), "first") == (not failed)


@pytest.mark.parametrize(
    ("label", "prediction", "before", "after", "failed"),
    [
        # A judge with two classes, gold labels of three.
        (NEUTRAL, NEUTRAL, NOT, NOT, set()),
        (NEUTRAL, NEUTRAL, NOT, ENTAILED, {"judge follows the flip"}),
        (NEUTRAL, NEUTRAL, ENTAILED, NOT, {"judge wrong before"}),
        # A judge with three classes, gold labels of two: it keeps the label, whichever of both it gives.
        (NOT, NEUTRAL, NEUTRAL, NEUTRAL, set()),
        (NOT, NOT, NEUTRAL, "contradiction", set()),
        (NOT, NOT, "contradiction", ENTAILED, {"judge follows the flip"}),
        (NOT, NOT, ENTAILED, NEUTRAL, {"judge wrong before"}),
        # A target with two classes and a judge with three are each held against the gold label, not each other.
        (NEUTRAL, NOT, "contradiction", "contradiction", {"judge wrong before"}),
        (NEUTRAL, NOT, NEUTRAL, "contradiction", {"judge follows the flip"}),
    ],
)
def test_judge_keeps_the_label_if_its_own_agrees_with_it(
    label: str, prediction: str, before: str, after: str, failed: set[str]
) -> None:
    flip = replace(FLIP, label=label, prediction=prediction)
    assert failed_conditions(flip, judged(before, after), "first", ValidityThresholds()) == failed


@pytest.mark.parametrize("adversarial", ["a man sleeps", "A  man sleeps!", "A MAN, SLEEPS.", "A man sle-eps."])
def test_case_space_and_punctuation_alone_are_no_attack(adversarial: str) -> None:
    result = replace(FLIP, adversarial=adversarial)
    assert failed_conditions(result, judged(), "first", ValidityThresholds()) == {"no word changed"}


def test_each_judge_decides_by_itself() -> None:
    judgement = judged(after=ENTAILED)
    assert not is_valid(FLIP, judgement, "first")
    assert is_valid(FLIP, judgement, "second")


@pytest.mark.parametrize(
    ("judgement", "judge", "message"),
    [
        (replace(judged(), similarity=None), "first", "validity cannot be stated"),
        (replace(judged(), perplexity_ratio=None), "first", "validity cannot be stated"),
        (replace(judged(), has_new_unknown=None), "first", "validity cannot be stated"),
        (replace(judged(), index=3), "first", "expected the judgement of pair 0, got that of pair 3"),
        (judged(after=None), "first", "expected a judged success of pair 0"),
        (judged(), "third", r"expected a judge among \['first', 'second'\], got 'third'"),
    ],
)
def test_what_is_missing_never_passes_silently(judgement: Any, judge: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        is_valid(FLIP, judgement, judge)


@pytest.mark.parametrize("values", [(1.01, 2.0), (float("nan"), 2.0), (0.8, 0.0), (0.8, float("nan"))])
def test_thresholds_out_of_range_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="expected m"):
        ValidityThresholds(*values)
