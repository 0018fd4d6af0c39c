from dataclasses import replace
from typing import Any

import pytest

from images_ext.evaluation.metrics import success_by_radius, summarise
from images_ext.outputs import ImageAttackResult
from textsem.runs.intervals import wilson_interval

NORMS = ("l2", "linf", "rms", "mse")


def distances(l2: float) -> dict[str, float]:
    return dict.fromkeys(NORMS, l2)


def lines() -> list[ImageAttackResult]:
    """Two successes, a raw flip, a failure, a skipped image, an error before and one after the check."""
    base: dict[str, Any] = {"label": "3", "prediction": "3", "is_reconstruction_flipped": False}
    flip: dict[str, Any] = {"adversarial_prediction": "5"}
    nothing: dict[str, float | None] = dict.fromkeys(NORMS)
    near: dict[str, float | None] = {**distances(0.9)}
    far: dict[str, float | None] = {**distances(2.0)}
    return [
        ImageAttackResult(0, status="success", queries=1, distance=distances(1.0), flip_distance=near, **base, **flip),
        ImageAttackResult(
            1, status="success", queries=20, distance=distances(1.4), flip_distance={**distances(1.4)}, **base, **flip
        ),
        ImageAttackResult(2, status="failed", queries=100, distance=distances(2.0), flip_distance=far, **base, **flip),
        ImageAttackResult(
            3, status="failed", queries=100, flip_distance=nothing, **{**base, "is_reconstruction_flipped": True}
        ),
        ImageAttackResult(4, label="4", prediction="9", status="skipped"),
        ImageAttackResult(5, label="4", prediction=None, status="error", message="no"),
        ImageAttackResult(6, label="4", prediction="4", status="error", message="no"),
    ]


def rate(count: int, of: int) -> dict[str, Any]:
    return {"count": count, "of": of, "rate": count / of, "interval": list(wilson_interval(count, of))}


def test_every_rate_by_hand() -> None:
    summary = summarise(lines(), norm="l2", epsilon=1.5)
    assert (summary["n"], summary["attacked"], summary["successes"]) == (7, 5, 2)
    assert summary["statuses"] == {"success": 2, "failed": 2, "skipped": 1, "error": 2}
    assert summary["success"] == rate(2, 5)
    assert summary["success_of_all"] == rate(2, 7)
    assert summary["raw"] == rate(3, 5)
    assert summary["reconstruction_flips"] == rate(1, 4)
    assert summary["target_accuracy"] == 5 / 6
    assert summary["accuracy_under_attack"] == 3 / 6
    assert summary["queries"]["total"] == 221
    assert summary["queries"]["mean"] == 221 / 5
    assert summary["queries"]["median"] == 20
    found = {k: row["count"] for k, row in summary["queries"]["success_at"].items()}
    assert found == {"1": 1, "5": 1, "20": 2, "100": 2}
    assert summary["distance"]["l2"] == {"mean": pytest.approx(1.2), "median": pytest.approx(1.2), "max": 1.4}
    assert summary["by_label"] == {"3": rate(2, 4), "4": rate(0, 1)}
    own = [row for row in summary["success_by_radius"]["l2"] if row["eps"] == 1.5]
    assert [row["success"] for row in own] == [summary["success"]]
    assert 1.6 not in [row["eps"] for row in summary["success_by_radius"]["linf"]]


@pytest.mark.parametrize("norm", NORMS)
def test_success_by_radius_is_strict_and_radius_0_is_clean_accuracy_exactly(norm: Any) -> None:
    at = {row["eps"]: row for row in success_by_radius(lines(), norm, [0.0, 0.9, 0.91, 1.4, 1.41, 2.0, 2.01])}
    assert [row["success"]["count"] for row in at.values()] == [0, 0, 1, 1, 2, 2, 3]
    assert at[0.0]["accuracy"] == summarise(lines())["target_accuracy"]
    assert at[2.01]["accuracy"] == 2 / 6
    assert at[0.91]["success_of_all"] == rate(1, 7)


def test_nothing_attacked_gives_no_rate() -> None:
    summary = summarise([ImageAttackResult(0, label="4", prediction="9", status="skipped")])
    assert summary["success"] == {"count": 0, "of": 0, "rate": None, "interval": [0.0, 1.0]}
    assert summary["queries"]["mean"] is None
    assert summary["target_accuracy"] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": "9"},
        {"adversarial_prediction": "3"},
        {"adversarial_prediction": None},
        {"flip_distance": None},
        {"status": "skipped"},
        {"status": "failed", "prediction": "9"},
    ],
)
def test_lines_that_contradict_themselves_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="predictions that fit status"):
        summarise([replace(lines()[0], **changes)])
