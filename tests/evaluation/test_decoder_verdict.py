"""The verdict on the paper's claim follows from medians and intervals alone."""

from typing import Any

import pytest

from textsem.evaluation.decoder_verdict import judge_claim

CNN, OTHER = "transpose_cnn", "language_model"


def row(decoder: str, median: float, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    interval = None if low is None else [low, high]
    free = {
        "n": 40,
        "median_ratio": median,
        "median_ratio_interval": interval,
        "median_similarity": 0.71,
        "median_changed_words": 2,
    }
    return {"decoder": decoder, "free": {"adversarial": {"changed": free}}, "reconstruction": {"share_of_tokens": 0.9}}


@pytest.mark.parametrize(
    ("rows", "claim", "lowest"),
    [
        ({"a": row(CNN, 1.5, 1.2, 1.8), "b": row(OTHER, 3.0, 1.9, 4.0)}, "confirmed", "a"),
        ({"a": row(CNN, 1.5, 1.2, 1.8), "b": row(OTHER, 3.0, 1.8, 4.0)}, "not decided", "a"),
        ({"a": row(CNN, 3.0, 1.9, 4.0), "b": row(OTHER, 1.5, 1.2, 1.8)}, "refuted", "b"),
        ({"a": row(CNN, 3.0, 1.8, 4.0), "b": row(OTHER, 1.5, 1.2, 1.8)}, "not decided", "b"),
        # Each decoder stands by its best model; one rival that is as good is enough against the claim.
        ({"a": row(CNN, 9.0, 8, 10), "c": row(CNN, 1.0, 0.9, 1.1), "b": row(OTHER, 2.0, 1.2, 3)}, "confirmed", "c"),
        ({"a": row(CNN, 1.0, 0.9, 1.1), "b": row(OTHER, 2, 1.5, 3), "c": row("arae", 4, 1.0, 5)}, "not decided", "a"),
        ({"a": row(CNN, 1.0, 0.9, 1.1), "b": row(CNN, 2.0, 1.5, 3.0)}, "not decided", "a"),
        ({"b": row(OTHER, 2.0, 1.5, 3.0), "c": row("arae", 1.0, 0.9, 1.1)}, "not decided", "c"),
        ({"a": row(CNN, 1.0), "b": row(OTHER, 2.0, 1.5, 3.0)}, "not decided", "a"),
    ],
)
def test_claim_is_decided_by_intervals(rows: dict[str, Any], claim: str, lowest: str) -> None:
    verdict = judge_claim(rows)
    assert (verdict["claim"], verdict["lowest"]) == (claim, lowest)
    assert f"the most legible text: {claim}." in verdict["text"]
    assert f"with {lowest} ({rows[lowest]['decoder']}): " in verdict["text"]


def test_paragraph_tells_figures_of_both_sides() -> None:
    text = judge_claim({"a": row(CNN, 3.0, 1.9, 4.0), "b": row(OTHER, 1.5, 1.2, 1.8)})["text"]
    assert "b (language_model): 1.50 (1.20 to 1.80), similarity 0.71, words changed 2, 90.0% of tokens" in text
    assert "The best transpose CNN is a (transpose_cnn): 3.00 (1.90 to 4.00)" in text
    assert "do not overlap" in text


def test_decoder_that_changes_nothing_decides_nothing() -> None:
    rows = {"a": row(CNN, 1.5, 1.2, 1.8), "b": row(OTHER, 3.0, 1.9, 4.0)}
    rows["b"]["free"]["adversarial"]["changed"] = None
    found = judge_claim(rows)
    assert (found["claim"], found["lowest"]) == ("not decided", "a")
    assert "too few sentences" in found["text"]
