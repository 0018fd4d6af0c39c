"""Every figure of a run, computed from its results lines alone, so that anyone can derive them again."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from textsem.outputs import STATUSES, AttackResult
from textsem.runs.intervals import wilson_interval
from textsem.text.labels import GOLD_NAMES, agree

__all__ = [
    "success_by_distance",
    "success_by_queries",
    "summarise",
]

QUERY_BUDGETS = (1, 5, 20, 100)
DISTANCES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)


def summarise(
    results: Sequence[AttackResult],
    *,
    query_budgets: Sequence[int] = QUERY_BUDGETS,
    distances: Sequence[float] = DISTANCES,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return every figure that follows from the results lines, as plain JSON types, in one pass over them.

    Right is a prediction that agrees with the gold label: not_entailment agrees with neutral and with contradiction.
    ``attacked`` are all pairs that the target had right before, whatever became of them: a hypothesis that is too long
    (``unsupported``) and a row with an ``error`` count as failures in every denominator.  ``target_accuracy`` is over
    the pairs that the target was asked about.  Query figures are over attacked pairs, failures included; edits and
    distances over successes.  An empty denominator gives None.  ``by_label`` leaves out what is no label.

    Args:
        results: In any order.
        query_budgets: Numbers of queries at which success is told.
        distances: Values of eps at which success is told.
        confidence: Coverage of every interval.

    Raises:
        ValueError: If a line contradicts itself, such as a success on a pair that the target had wrong.
    """
    tally = _Tally()
    for result in results:
        _check(result)
        tally.add(result)
    attacked, successes = len(tally.queries), len(tally.success_queries)
    return {
        "n": sum(tally.statuses.values()),
        "attacked": attacked,
        "successes": successes,
        "statuses": {status: tally.statuses[status] for status in STATUSES},
        "target_accuracy": _share(attacked, tally.asked),
        "attack_success_rate": _share(successes, attacked),
        "attack_success_interval": list(wilson_interval(successes, attacked, confidence)),
        "confidence": confidence,
        "success_rate_of_all": _share(successes, sum(tally.statuses.values())),
        "queries": {
            "total": tally.rows,
            "mean": mean(tally.queries) if attacked else None,
            "median": median(tally.queries) if attacked else None,
            "success_at": {str(k): rate for k, rate in _within(tally.success_queries, query_budgets, attacked)},
        },
        "edits": _describe(tally.edits)
        | {"distribution": {str(k): v for k, v in sorted(Counter(tally.edits).items())}},
        "distance": _describe(tally.distances),
        "success_by_distance": [
            {"eps": eps, "rate": rate} for eps, rate in _gated(tally.distances, distances, attacked)
        ],
        "by_label": {label: _rates(tally.by_label[label], confidence) for label in sorted(tally.by_label)},
    }


def success_by_queries(results: Sequence[AttackResult], budgets: Sequence[int]) -> list[tuple[int, float | None]]:
    """Return for each budget the share of attacked pairs that fell within so many queries."""
    tally = _tally(results)
    return _within(tally.success_queries, budgets, len(tally.queries))


def success_by_distance(
    results: Sequence[AttackResult], distances: Sequence[float]
) -> list[tuple[float, float | None]]:
    """Return for each eps the share of attacked pairs that fell at a distance of at most eps; eps = 0 gives none.

    The gate of the search lets a candidate at the very distance eps through; here it counts likewise.  A candidate at
    distance 0 has the original's own word vectors and is no attack (METHOD, reading 20).
    """
    tally = _tally(results)
    return _gated(tally.distances, distances, len(tally.queries))


@dataclass
class _Tally:
    """What figures are made of, gathered in one pass over lines that may not fit into memory.

    ``queries`` has a number for each attacked pair; what follows it, one for each success where there is any;
    ``by_label`` the numbers of attacked pairs and of successes.
    """

    rows: int = 0
    asked: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    queries: "array[int]" = field(default_factory=lambda: array("q"))
    success_queries: "array[int]" = field(default_factory=lambda: array("q"))
    edits: "array[int]" = field(default_factory=lambda: array("q"))
    distances: "array[float]" = field(default_factory=lambda: array("d"))
    by_label: dict[str, list[int]] = field(default_factory=dict)

    def add(self, result: AttackResult) -> None:
        """Count a line."""
        self.statuses[result.status] += 1
        self.rows += result.queries
        self.asked += result.prediction is not None
        # The label of a row that was refused may be anything, and as many as there are rows.
        if result.prediction is None and result.label not in GOLD_NAMES:
            return
        of_label = self.by_label.setdefault(result.label, [0, 0])
        if not agree(result.label, result.prediction):
            return
        of_label[0] += 1
        self.queries.append(result.queries)
        if result.status != "success":
            return
        of_label[1] += 1
        self.success_queries.append(result.queries)
        if result.edits is not None:
            self.edits.append(result.edits)
        if result.distance is not None:
            self.distances.append(result.distance)


def _tally(results: Iterable[AttackResult]) -> _Tally:
    tally = _Tally()
    for result in results:
        tally.add(result)
    return tally


def _within(queries: Sequence[int], budgets: Sequence[int], attacked: int) -> list[tuple[int, float | None]]:
    return [(k, _share(sum(q <= k for q in queries), attacked)) for k in budgets]


def _gated(found: Sequence[float], distances: Sequence[float], attacked: int) -> list[tuple[float, float | None]]:
    return [(eps, _share(sum(d <= eps and eps > 0 for d in found), attacked)) for eps in distances]


def _check(result: AttackResult) -> None:
    """Refuse a line whose status does not follow from its predictions."""
    was_right = agree(result.label, result.prediction)
    if result.status == "success":
        changed = result.adversarial_prediction
        has_flipped = result.adversarial is not None and changed is not None and not agree(result.label, changed)
        is_coherent = was_right and has_flipped
    elif result.status == "failed":
        is_coherent = was_right
    elif result.status == "skipped":
        is_coherent = result.prediction is not None and not was_right
    else:
        is_coherent = result.status in STATUSES
    if not is_coherent:
        raise ValueError(
            f"expected predictions that fit status {result.status} in line {result.index}, got label {result.label}, "
            f"prediction {result.prediction}, adversarial_prediction {result.adversarial_prediction}"
        )


def _rates(counts: Sequence[int], confidence: float) -> dict[str, Any]:
    attacked, successes = counts
    return {
        "attacked": attacked,
        "successes": successes,
        "attack_success_rate": _share(successes, attacked),
        "attack_success_interval": list(wilson_interval(successes, attacked, confidence)),
    }


def _describe(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"mean": None, "median": None, "max": None}
    return {"mean": mean(values), "median": median(values), "max": max(values)}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
