"""Success as a function of eps in four norms and of queries, for tables and curves of the report."""

from collections.abc import Sequence
from typing import Any

from images_ext.evaluation.curves import Curve, Panel, draw_panels
from images_ext.evaluation.finished_run import is_flip
from images_ext.evaluation.judged_folders import JudgedRun
from images_ext.evaluation.label_kept import keeps_label
from images_ext.evaluation.metrics import RADII
from textsem.runs.intervals import proportion

__all__ = ["joint_distances", "query_figure", "radius_figure", "radius_tables"]

NORM_LABELS = {
    "l2": "eps in l2, pixels in [0, 1]",
    "linf": "eps in linf, pixels in [0, 1]",
    "rms": "eps in rms, pixels in [0, 1]",
    "mse": "eps in mse, pixels in [0, 1]",
}
MIN_BUDGET = 100  # the axis of queries reaches at least so far


def flip_distances(run: JudgedRun, norm: str) -> list[float]:
    """Return the smallest distance of every attacked image's flips, those that flipped."""
    attacked = (result for result in run.run.results if result.prediction == result.label)
    found = ((result.flip_distance or {}).get(norm) for result in attacked)
    return [distance for distance in found if distance is not None]


def joint_distances(run: JudgedRun, norm: str) -> list[float] | None:
    """Return the distance of every returned flip that keeps the label, in the ball or outside; None if not judged.

    The judge saw the returned image alone: an image that another flip, closer in this norm, might have added is not
    counted.
    """
    if run.judgements is None:
        return None
    results = run.run.results
    kept = [
        results[judgement.index]
        for judgement in run.judgements
        if judgement.original == results[judgement.index].label and keeps_label(results[judgement.index], judgement)
    ]
    return [result.distance[norm] for result in kept if is_flip(result) and result.distance]


def radius_tables(run: JudgedRun) -> dict[str, list[dict[str, Any]]]:
    """Return by norm, for each eps, what ``success_by_radius`` says and ``joint``, None if nobody judged."""
    settings, attacked = run.run.settings, run.figures["attacked"]
    tables: dict[str, list[dict[str, Any]]] = {}
    for norm in RADII:
        distances = joint_distances(run, norm)
        own = settings.get("eps") if settings.get("norm") == norm else None
        tables[norm] = [
            {
                **row,
                "is_own": row["eps"] == own,
                "joint": None
                if distances is None
                else proportion(sum(distance < row["eps"] for distance in distances), attacked),
            }
            for row in run.figures["success_by_radius"][norm]
        ]
    return tables


def radius_figure(own: JudgedRun, others: Sequence[JudgedRun]) -> str | None:
    """Draw success against eps in four norms; None where nothing was attacked."""
    if not own.figures["attacked"]:
        return None
    panels = []
    for norm, radii in RADII.items():
        curves = [Curve("flips", flip_distances(own, norm), own.figures["attacked"])]
        joint = joint_distances(own, norm)
        if joint is not None:
            curves.append(Curve("flips that keep the label", joint, own.figures["attacked"], "joint"))
        curves += [
            Curve(f"flips, {other.run.name}", flip_distances(other, norm), other.figures["attacked"], "other")
            for other in others
        ]
        mark = own.run.settings.get("eps") if own.run.settings.get("norm") == norm else None
        farthest = max((max(curve.points, default=0.0) for curve in curves), default=0.0)
        last = min(1.05 * max(farthest, mark or 0.0), 2 * radii[-1]) or radii[-1]
        panels.append(Panel(NORM_LABELS[norm], curves, last, mark))
    return draw_panels(panels, name="radius")


def query_figure(own: JudgedRun, others: Sequence[JudgedRun]) -> str | None:
    """Draw success in the ball against queries; None where nothing was attacked."""
    if not own.figures["attacked"]:
        return None
    curves = [_queries("success", own, own.successes, "own")]
    if own.joint is not None:
        curves.append(_queries("joint success", own, own.joint, "joint"))
    curves += [_queries(f"success, {other.run.name}", other, other.successes, "other") for other in others]
    last = max(MIN_BUDGET, *(max(curve.points, default=1.0) for curve in curves))
    return draw_panels([Panel("queries an image", curves, last, is_logarithmic=True)], name="queries", columns=1)


def _queries(name: str, run: JudgedRun, indices: frozenset[int], role: str) -> Curve:
    return Curve(name, [run.run.results[index].queries for index in sorted(indices)], run.figures["attacked"], role)
