"""Every figure of a run, computed from its results lines alone, so that anyone can derive them again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean, median
from typing import Any

from images_ext.outputs import STATUSES, ImageAttackResult
from textsem.latent.objective import Norm
from textsem.runs.intervals import proportion

__all__ = ["RADII", "success_by_radius", "summarise"]

QUERY_BUDGETS = (1, 5, 20, 100)
RADII: dict[Norm, tuple[float, ...]] = {
    "l2": (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0),
    "linf": (0.0, 0.01, 0.02, 8 / 255, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
    "rms": (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3),
    "mse": (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1),
}
"""Values of eps at which success is told, pixels in [0, 1]; the run's own is added to those of its norm."""


def summarise(
    results: Sequence[ImageAttackResult],
    *,
    norm: Norm | None = None,
    epsilon: float | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return every figure that follows from the results lines, as plain JSON types.

    ``attacked`` are all images that the target had right before, those with an ``error`` after that included: they
    count as failures in every denominator.  ``target_accuracy`` is over the images that the target was asked about.
    ``accuracy_under_attack`` is over the same: right before, and no flip inside the ball.  Raw flips are those inside
    the ball or outside it.  An empty denominator gives None.

    Args:
        results: In any order.
        norm: Of the run's ball.
        epsilon: Its radius; None where there is none.
        confidence: Coverage of every interval.

    Raises:
        ValueError: If a line contradicts itself, such as a success on an image that the target had wrong.
    """
    for result in results:
        _check(result)
    attacked = [result for result in results if _was_right(result)]
    successes = [result for result in attacked if result.status == "success"]
    num_asked = sum(result.prediction is not None for result in results)
    statuses = Counter(result.status for result in results)
    reconstructions = [r.is_reconstruction_flipped for r in attacked if r.is_reconstruction_flipped is not None]
    return {
        "n": len(results),
        "attacked": len(attacked),
        "successes": len(successes),
        "statuses": {status: statuses[status] for status in STATUSES},
        "confidence": confidence,
        "target_accuracy": _share(len(attacked), num_asked),
        "accuracy_under_attack": _share(len(attacked) - len(successes), num_asked),
        "success": proportion(len(successes), len(attacked), confidence),
        "success_of_all": proportion(len(successes), len(results), confidence),
        "raw": proportion(sum(_nearest(r) is not None for r in attacked), len(attacked), confidence),
        "reconstruction_flips": proportion(sum(reconstructions), len(reconstructions), confidence),
        "queries": _queries(attacked, successes, confidence),
        "distance": {name: _describe([r.distance[name] for r in successes if r.distance]) for name in RADII},
        "success_by_radius": {
            name: success_by_radius(results, name, _radii(name, norm, epsilon), confidence=confidence) for name in RADII
        },
        "by_label": _by_label(results, confidence),
    }


def success_by_radius(
    results: Sequence[ImageAttackResult], norm: Norm, radii: Sequence[float], *, confidence: float = 0.95
) -> list[dict[str, Any]]:
    """Return what flips at a distance strictly below each eps: among attacked images, among all, and what is left.

    At eps = 0 nothing counts, and the accuracy is the clean accuracy exactly.  A search ends at its first success, and
    prefers what is in its own ball: in other norms, and below the run's own eps, more flips might exist than it met.

    Args:
        results: In any order.
        norm: Of x' - x.
        radii: Values of eps.
        confidence: Coverage of the intervals.
    """
    attacked = [result for result in results if _was_right(result)]
    nearest = [(r.flip_distance or {}).get(norm) for r in attacked]
    num_asked = sum(result.prediction is not None for result in results)
    rows = []
    for eps in radii:
        count = sum(distance is not None and distance < eps for distance in nearest)
        rows.append(
            {
                "eps": eps,
                "success": proportion(count, len(attacked), confidence),
                "success_of_all": proportion(count, len(results), confidence),
                "accuracy": _share(len(attacked) - count, num_asked),
            }
        )
    return rows


def _radii(name: Norm, norm: Norm | None, epsilon: float | None) -> list[float]:
    own = [epsilon] if name == norm and epsilon is not None else []
    return sorted({*RADII[name], *own})


def _queries(
    attacked: Sequence[ImageAttackResult], successes: Sequence[ImageAttackResult], confidence: float
) -> dict[str, Any]:
    rows = [result.queries for result in attacked]
    return {
        "total": sum(rows),
        "mean": mean(rows) if rows else None,
        "median": median(rows) if rows else None,
        "success_at": {
            str(k): proportion(sum(r.queries <= k for r in successes), len(attacked), confidence) for k in QUERY_BUDGETS
        },
    }


def _by_label(results: Sequence[ImageAttackResult], confidence: float) -> dict[str, Any]:
    found = {}
    for label in sorted({result.label for result in results}):
        attacked = [result for result in results if result.label == label and _was_right(result)]
        found[label] = proportion(sum(result.status == "success" for result in attacked), len(attacked), confidence)
    return found


def _was_right(result: ImageAttackResult) -> bool:
    return result.prediction is not None and result.prediction == result.label


def _nearest(result: ImageAttackResult) -> float | None:
    return (result.flip_distance or {}).get("l2")


def _check(result: ImageAttackResult) -> None:
    """Refuse a line whose status does not follow from its predictions."""
    changed = result.adversarial_prediction
    has_flipped = changed is not None and changed != result.label and _nearest(result) is not None
    is_coherent = {
        "success": _was_right(result) and has_flipped,
        "failed": _was_right(result),
        "skipped": result.prediction is not None and not _was_right(result),
        "error": True,
    }[result.status]
    if not is_coherent:
        raise ValueError(
            f"expected predictions that fit status {result.status} in line {result.index}, got label {result.label}, "
            f"prediction {result.prediction}, adversarial_prediction {changed}"
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _describe(values: Sequence[float]) -> Mapping[str, float | None]:
    if not values:
        return {"mean": None, "median": None, "max": None}
    return {"mean": mean(values), "median": median(values), "max": max(values)}
