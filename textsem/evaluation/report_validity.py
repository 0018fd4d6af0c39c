"""What the page shows of a judgement: figures of the scoring judge, controls beside them, and who judged."""

from collections.abc import Mapping, Sequence
from typing import Any

from textsem.evaluation.headline import compare_valid, scored
from textsem.evaluation.judges import Judgement
from textsem.evaluation.validity import ValidityThresholds
from textsem.evaluation.validity_conditions import attacked_pairs, failed_conditions, is_flip
from textsem.outputs import AttackResult
from textsem.runs import figures

__all__ = ["validity_view"]

Summary = Mapping[str, Any]


def validity_view(
    summary: Summary,
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement] | None,
    controls: Mapping[str, Summary],
) -> dict[str, Any] | None:
    """Return what the template reads; None where nobody judged.

    Returns:
        The summary's ``validity``, its ``own`` figures by the scoring ``judge``, and the flips that are ``valid`` and
        ``not_valid`` (both empty where validity cannot be stated).  Where it can: ``why`` (index of a flip to the
        conditions it fails and its measures), ``table``, ``ratios``, ``controls`` and ``figure``.

    Raises:
        ValueError: If there are no judgements to a summary that tells validity.
    """
    validity = summary.get("validity")
    if validity is None or validity["scoring_judge"] is None:
        return None
    if judgements is None:
        raise ValueError("expected the judgements that the summary's validity was made from, got none")
    view = {**validity, "judge": validity["scoring_judge"], "own": scored(summary), "valid": [], "not_valid": []}
    if validity["statement"] is not None:
        return view
    thresholds = ValidityThresholds(**validity["thresholds"])
    flips = attacked_pairs((result for result in results if is_flip(result)), judgements)
    why = {r.index: (failed_conditions(r, j, view["judge"], thresholds), j) for r, j in flips}
    view["valid"] = [result for result, _ in flips if not why[result.index][0]]
    view["not_valid"] = [result for result, _ in flips if why[result.index][0]]
    view["why"] = {index: {"failed": sorted(failed), "measures": j} for index, (failed, j) in why.items()}
    table = view["own"]["by_thresholds"]
    view["ratios"] = list(dict.fromkeys(row["max_perplexity_ratio"] for row in table))
    view["table"] = {
        least: [row for row in table if row["min_similarity"] == least]
        for least in dict.fromkeys(row["min_similarity"] for row in table)
    }
    stated = {name: control for name, control in controls.items() if control["validity"]["statement"] is None}
    view["controls"] = [
        (name, scored(control), compare_valid(summary, control), (control.get("paired") or {}).get("valid"))
        for name, control in stated.items()
    ]
    view["figure"] = _figure(summary, view["valid"], stated)
    return view


def _figure(summary: Summary, valid: Sequence[AttackResult], controls: Mapping[str, Summary]) -> Any:
    from markupsafe import Markup

    if not summary["attacked"]:
        return None
    shares = {
        name: {k: rate["rate"] for k, rate in scored(control)["valid_within"].items()}
        for name, control in controls.items()
        if control["attacked"]
    }
    svg = figures.draw_query_curve(
        [result.queries for result in valid],
        summary["attacked"],
        controls=shares,
        confidence=summary["confidence"],
        what="attacked pairs that fell validly (%)",
        name="valid",
    )
    return Markup(svg)
