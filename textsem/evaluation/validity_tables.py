"""What one judge makes of a run, and the tables that follow: failures, thresholds, agreement of judges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from textsem.evaluation.judges import Judgement
from textsem.evaluation.metrics import wilson_interval
from textsem.evaluation.validity_conditions import (
    CONDITIONS,
    Condition,
    ValidityThresholds,
    failed_conditions,
    is_flip,
)
from textsem.outputs import AttackResult

__all__ = ["JudgedRun", "agreement", "count_failures", "judge_run", "proportion", "table_over_thresholds"]

SIMILARITIES = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
PERPLEXITY_RATIOS = (1.5, 2.0, 3.0, None)

Pair = tuple[AttackResult, Judgement]


@dataclass(frozen=True)
class JudgedRun:
    """The attacked pairs of a run, as one judge sees them.

    Args:
        name: The judge.
        pairs: Pairs that the target had right, with what was measured.
        failures: The conditions that each flip fails, by index; empty where similarity or fluency was not measured.
    """

    name: str
    pairs: Sequence[Pair]
    failures: Mapping[int, set[Condition]]

    @cached_property
    def flips(self) -> list[Pair]:
        """The pairs on which the target's label changed."""
        return [pair for pair in self.pairs if is_flip(pair[0])]

    @cached_property
    def right(self) -> set[int]:
        """The pairs that the judge had right before."""
        return {result.index for result, judgement in self.pairs if judgement.before[self.name] == result.label}

    @cached_property
    def valid(self) -> set[int]:
        """The flips that fail no condition."""
        return {index for index, failed in self.failures.items() if not failed}


def judge_run(name: str, pairs: Sequence[Pair], thresholds: ValidityThresholds, *, is_measured: bool) -> JudgedRun:
    """Look at the attacked pairs through one judge; without measures no flip is called valid or not."""
    flips = [(r, j) for r, j in pairs if is_flip(r) and is_measured]
    return JudgedRun(name, pairs, {r.index: failed_conditions(r, j, name, thresholds) for r, j in flips})


def proportion(count: int, of: int, confidence: float) -> dict[str, Any]:
    """Return a rate with what it is made of and Wilson's interval; the rate of nothing is None."""
    interval = list(wilson_interval(count, of, confidence))
    return {"count": count, "of": of, "rate": count / of if of else None, "interval": interval}


def count_failures(run: JudgedRun) -> dict[str, dict[str, int]]:
    """Return for each condition how many flips fail it, and how many fail it alone."""
    return {
        condition: {
            "fails": sum(condition in failed for failed in run.failures.values()),
            "fails_alone": sum(failed == {condition} for failed in run.failures.values()),
        }
        for condition in CONDITIONS
    }


def table_over_thresholds(run: JudgedRun) -> list[dict[str, Any]]:
    """Return the valid successes at other thresholds, all other conditions as they are.

    Returns:
        One row a pair of thresholds: ``min_similarity``, ``max_perplexity_ratio`` (None: any), ``valid_successes`` and
        ``valid_rate`` over attacked pairs.
    """
    movable: set[Condition] = {"similarity", "fluency"}
    measured = [
        (judgement.similarity or 0.0, judgement.perplexity_ratio or 0.0)
        for result, judgement in run.flips
        if run.failures[result.index] <= movable
    ]
    table = []
    for least in SIMILARITIES:
        for most in PERPLEXITY_RATIOS:
            count = sum(s >= least and (most is None or ratio <= most) for s, ratio in measured)
            rate = count / len(run.pairs) if run.pairs else None
            row = {"min_similarity": least, "max_perplexity_ratio": most}
            table.append({**row, "valid_successes": count, "valid_rate": rate})
    return table


def agreement(runs: Sequence[JudgedRun], *, is_measured: bool) -> list[dict[str, Any]]:
    """Return for each two judges how often they say the same.

    Returns:
        ``judges``; ``before``: share of attacked pairs with the same label; ``after``: the same of flips with their new
        hypothesis; ``valid``: share of flips that both call valid, or both not (None where validity is not stated).
    """
    rows = []
    for a, b in combinations(runs, 2):
        before = [j.before[a.name] == j.before[b.name] for _, j in a.pairs]
        after = [j.after is not None and j.after[a.name] == j.after[b.name] for _, j in a.flips]
        valid = [(r.index in a.valid) == (r.index in b.valid) for r, _ in a.flips] if is_measured else []
        shares = {"before": _share(before), "after": _share(after), "valid": _share(valid)}
        rows.append({"judges": [a.name, b.name], **shares})
    return rows


def _share(statements: Sequence[bool]) -> float | None:
    return sum(statements) / len(statements) if statements else None
