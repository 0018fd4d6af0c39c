"""What one judge makes of a run, and the tables that follow: failures, thresholds, agreement of judges."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from textsem.evaluation.judges import Judgement
from textsem.evaluation.validity_conditions import (
    CONDITIONS,
    Condition,
    ValidityThresholds,
    failed_conditions,
    is_flip,
    was_attacked,
)
from textsem.outputs import AttackResult
from textsem.text.labels import GOLD_NAMES, agree

__all__ = [
    "JudgedPairs",
    "JudgedRun",
    "agreement",
    "count_failures",
    "gather_pairs",
    "judge_run",
    "table_over_thresholds",
]

SIMILARITIES = (0.70, 0.75, 0.80, 0.85, 0.90, 0.95)
PERPLEXITY_RATIOS = (1.5, 2.0, 3.0, None)

Pair = tuple[AttackResult, Judgement]


@dataclass
class JudgedPairs:
    """What figures about valid success are made of, gathered in one pass over lines that may not fit into memory.

    Args:
        judges: Their names.
        attacked: Pairs that the target had right.
        flips: Those on which the target's label changed, with what was measured.
        rows: Rows sent for candidates.
        asked: Pairs that the target was asked about.
        judged: Pairs with a gold label and a judgement.
        by_label: Attacked pairs of each gold label.
        right: Attacked pairs that each judge had right before.
        right_everywhere: The same of all judged pairs.
        same_before: Attacked pairs on which two judges agreed before.
    """

    judges: Sequence[str]
    attacked: int = 0
    flips: list[Pair] = field(default_factory=list)
    rows: int = 0
    asked: int = 0
    judged: int = 0
    by_label: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    right_everywhere: Counter[str] = field(default_factory=Counter)
    same_before: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, result: AttackResult, judgement: Judgement | None) -> None:
        """Count a line."""
        self.rows += result.queries
        self.asked += result.prediction is not None
        is_labelled = result.prediction is not None or result.label in GOLD_NAMES
        right = (
            [] if judgement is None else [name for name in self.judges if agree(result.label, judgement.before[name])]
        )
        if is_labelled:
            self.by_label[result.label] += 0
            self.judged += judgement is not None
            self.right_everywhere.update(right)
        if judgement is None or not was_attacked(result):
            return
        self.attacked += 1
        self.by_label[result.label] += 1
        self.right.update(right)
        before = judgement.before
        self.same_before.update((a, b) for a, b in combinations(self.judges, 2) if agree(before[a], before[b]))
        if is_flip(result):
            self.flips.append((result, judgement))


def gather_pairs(
    results: Iterable[AttackResult], judgements: Sequence[Judgement], judges: Sequence[str]
) -> JudgedPairs:
    """Go through a run's lines once.

    Raises:
        ValueError: If an attacked pair has no judgement, or a judgement no line.
    """
    found = {judgement.index: judgement for judgement in judgements}
    pairs, missing, num_met = JudgedPairs(judges), [], 0
    for result in results:
        judgement = found.get(result.index)
        num_met += judgement is not None
        if judgement is None and was_attacked(result):
            missing.append(result.index)
        pairs.add(result, judgement)
    if missing:
        raise ValueError(f"expected a judgement of every attacked pair, got none of {len(missing)}, first {missing[0]}")
    if num_met != len(found):
        raise ValueError(f"expected judgements of the run's lines alone, got {len(found) - num_met} of others")
    return pairs


@dataclass(frozen=True)
class JudgedRun:
    """A run as one judge sees it.

    Args:
        name: The judge.
        pairs: What was gathered.
        failures: The conditions that each flip fails, by index; empty where similarity or fluency was not measured.
    """

    name: str
    pairs: JudgedPairs
    failures: Mapping[int, set[Condition]]

    @cached_property
    def valid(self) -> set[int]:
        """The flips that fail no condition."""
        return {index for index, failed in self.failures.items() if not failed}


def judge_run(name: str, pairs: JudgedPairs, thresholds: ValidityThresholds, *, is_measured: bool) -> JudgedRun:
    """Look at the flips through one judge; without measures none is called valid or not."""
    flips = pairs.flips if is_measured else []
    return JudgedRun(name, pairs, {r.index: failed_conditions(r, j, name, thresholds) for r, j in flips})


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
        for result, judgement in run.pairs.flips
        if run.failures[result.index] <= movable
    ]
    table = []
    for least in SIMILARITIES:
        for most in PERPLEXITY_RATIOS:
            count = sum(s >= least and (most is None or ratio <= most) for s, ratio in measured)
            rate = count / run.pairs.attacked if run.pairs.attacked else None
            row = {"min_similarity": least, "max_perplexity_ratio": most}
            table.append({**row, "valid_successes": count, "valid_rate": rate})
    return table


def agreement(runs: Sequence[JudgedRun], *, is_measured: bool) -> list[dict[str, Any]]:
    """Return for each two judges how often they say the same.

    Returns:
        ``judges``; ``before``: share of attacked pairs with labels that agree; ``after``: the same of flips with their
        new hypothesis; ``valid``: share of flips that both call valid, or both not (None where validity is not stated).
    """
    rows = []
    for a, b in combinations(runs, 2):
        pairs = a.pairs
        after = [j.after is not None and agree(j.after[a.name], j.after[b.name]) for _, j in pairs.flips]
        valid = [(r.index in a.valid) == (r.index in b.valid) for r, _ in pairs.flips] if is_measured else []
        shares = {
            "before": pairs.same_before[a.name, b.name] / pairs.attacked if pairs.attacked else None,
            "after": _share(after),
            "valid": _share(valid),
        }
        rows.append({"judges": [a.name, b.name], **shares})
    return rows


def _share(statements: Sequence[bool]) -> float | None:
    return sum(statements) / len(statements) if statements else None
