"""Valid success in figures: rates, costs, what fails, and how far thresholds and judges matter."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean, median
from typing import Any

from textsem.evaluation.edit_kinds import EDIT_KINDS, edit_kind
from textsem.evaluation.judges import Judgement
from textsem.evaluation.metrics import QUERY_BUDGETS
from textsem.evaluation.validity_conditions import ValidityThresholds, has_measures, is_valid
from textsem.evaluation.validity_tables import (
    JudgedRun,
    agreement,
    count_failures,
    gather_pairs,
    judge_run,
    table_over_thresholds,
)
from textsem.outputs import AttackResult
from textsem.runs.intervals import proportion
from textsem.text.labels import agree

__all__ = ["ValidityThresholds", "is_valid", "summarise_validity"]


def summarise_validity(
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement],
    *,
    thresholds: ValidityThresholds | None = None,
    query_budgets: Sequence[int] = QUERY_BUDGETS,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return every figure about valid success, as plain JSON types.

    A rate stands as ``{"count", "of", "rate", "interval"}``, with Wilson's interval.  The denominator of ``valid`` are
    all pairs that the target had right, as in ``summarise``; an empty one gives the rate None.  Where a flip's
    similarity or fluency was not measured, ``statement`` says that validity cannot be stated, and a judge's figures end
    with its accuracy and the flips that it does not follow.

    Args:
        results: All lines of a run, in any order.
        judgements: At least one for each pair that the target had right.
        thresholds: None for METHOD's: 0.80 and 2.
        query_budgets: Numbers of queries at which valid success is told.
        confidence: Coverage of every interval.

    Returns:
        ``statement`` (None where validity can be stated), ``thresholds``, ``confidence``, ``scoring_judge`` (the first
        judge), ``judges`` (name to figures); with several judges ``agreement``, and ``all_judges``: valid under each.

    Raises:
        ValueError: If an attacked pair has no judgement, a flip is not judged, or judges differ between the lines.
    """
    thresholds = thresholds or ValidityThresholds()
    names = _judge_names(judgements)
    pairs = gather_pairs(results, judgements, names)
    statement = _statement([judgement for _, judgement in pairs.flips])
    runs = {name: judge_run(name, pairs, thresholds, is_measured=statement is None) for name in names}
    found: dict[str, Any] = {
        "statement": statement,
        "thresholds": asdict(thresholds),
        "confidence": confidence,
        "scoring_judge": names[0] if names else None,
        "judges": {name: _accuracy(run, confidence) for name, run in runs.items()},
    }
    if statement is None:
        for name, run in runs.items():
            found["judges"][name] |= _success(run, query_budgets, confidence)
    if len(names) > 1:
        found["agreement"] = agreement(list(runs.values()), is_measured=statement is None)
        valid = set.intersection(*(run.valid for run in runs.values()))
        found["all_judges"] = proportion(len(valid), pairs.attacked, confidence) if statement is None else None
    return found


def _judge_names(judgements: Sequence[Judgement]) -> list[str]:
    names = list(judgements[0].before) if judgements else []
    for judgement in judgements:
        if judgement.before.keys() != set(names) or (
            judgement.after is not None and judgement.after.keys() != set(names)
        ):
            raise ValueError(f"expected judges {names} of pair {judgement.index}, got {judgement.before}")
    return names


def _statement(flips: Sequence[Judgement]) -> str | None:
    """Say why validity cannot be stated; None where it can."""
    missing = [judgement for judgement in flips if not has_measures(judgement)]
    if not missing:
        return None
    lacks_similarity = any(j.similarity is None for j in missing)
    lacks_fluency = any(j.perplexity_ratio is None or j.has_new_unknown is None for j in missing)
    lacking = ["similarity in meaning (no sentence encoder)"] * lacks_similarity
    lacking += ["fluency (no language model)"] * lacks_fluency
    return (
        f"Valid success cannot be stated: {len(missing)} of {len(flips)} flips were not measured for "
        f"{' and '.join(lacking)}."
    )


def _accuracy(run: JudgedRun, confidence: float) -> dict[str, Any]:
    """Return how often a judge is right on unchanged pairs, and how many flips it does not follow."""
    name, pairs = run.name, run.pairs
    kept = sum(agree(r.label, j.before[name]) and agree(r.label, (j.after or {}).get(name)) for r, j in pairs.flips)
    return {
        "accuracy": {
            "attacked": proportion(pairs.right[name], pairs.attacked, confidence),
            "overall": proportion(pairs.right_everywhere[name], pairs.judged, confidence),
        },
        "label_kept": proportion(kept, pairs.attacked, confidence),
    }


def _success(run: JudgedRun, query_budgets: Sequence[int], confidence: float) -> dict[str, Any]:
    """Return what one judge says about valid success."""
    pairs = run.pairs
    num_valid, num_attacked, sent = len(run.valid), pairs.attacked, pairs.rows
    valid = [r for r, _ in pairs.flips if r.index in run.valid]
    queries, of_label = [r.queries for r in valid], Counter(r.label for r in valid)
    kinds: dict[str, set[int]] = {kind: set() for kind in EDIT_KINDS}
    for result, _ in pairs.flips:
        kinds[edit_kind(result.hypothesis, result.adversarial or "")].add(result.index)
    return {
        "valid": proportion(num_valid, num_attacked, confidence),
        "valid_of_judge_right": proportion(num_valid, pairs.right[run.name], confidence),
        "valid_of_flips": proportion(num_valid, len(pairs.flips), confidence),
        "valid_within": {
            str(k): proportion(sum(q <= k for q in queries), num_attacked, confidence) for k in query_budgets
        },
        "queries_at_valid": {
            "mean": mean(queries) if queries else None,
            "median": median(queries) if queries else None,
        },
        "valid_per_1000_rows": {
            "queries_alone": 1000 * num_valid / sent if sent else None,
            "with_checks": 1000 * num_valid / (sent + pairs.asked) if sent + pairs.asked else None,
        },
        "by_label": {k: proportion(of_label[k], pairs.by_label[k], confidence) for k in sorted(pairs.by_label)},
        "by_edit_kind": {k: proportion(len(run.valid & own), len(own), confidence) for k, own in kinds.items()},
        "not_valid": count_failures(run),
        "by_thresholds": table_over_thresholds(run),
    }
