"""Attack a chunk of pairs together: check the unchanged ones, draw candidates, select, search, write down.

Numbers in a line are rounded to ``DECIMALS`` places: float32 sums come out different in the last bits when a row has
other batch mates, and a pair's line must not tell who they were.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from textsem.attacks.candidates import CandidateSource, Constraint, pair_seed
from textsem.attacks.search import SearchOutcome, predict_checked, search
from textsem.attacks.selection import CandidateLimits, select_candidates
from textsem.outputs import AttackResult, Status
from textsem.protocols import Target

__all__ = ["DECIMALS", "AttackConfig", "PairData", "attack_chunk", "error_line"]

DECIMALS = 4
MAX_MESSAGE_LENGTH = 300


class PairData(Protocol):
    """What the loop reads of a data set."""

    @property
    def premises(self) -> Sequence[str]:
        """One a pair."""
        ...

    @property
    def hypotheses(self) -> Sequence[str]:
        """One a pair."""
        ...

    @property
    def labels(self) -> Sequence[int]:
        """Gold labels as indices into the target's ``label_names``."""
        ...


@dataclass(frozen=True)
class AttackConfig:
    """How hard each pair is attacked.

    Args:
        max_queries: Largest number of rows sent to the target for the candidates of one pair.
        num_candidates: Candidates drawn from the source per pair, before any is dropped.
        eps: Gate of Eq. 6, see `CandidateLimits`.
        max_edits: Most words that may change, see `CandidateLimits`.
        seed: Seed of the run; each pair derives its own from it.
        chunk_size: Pairs that are attacked together; a matter of speed and of how often lines are written.
    """

    max_queries: int = 100
    num_candidates: int = 200
    eps: float | None = None
    max_edits: int | None = None
    seed: int = 0
    chunk_size: int = 128

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_queries", "num_candidates", "chunk_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        self.limits()

    def limits(self) -> CandidateLimits:
        """Return how far a candidate may be from its original."""
        return CandidateLimits(self.eps, self.max_edits)


def attack_chunk(
    indices: Sequence[int],
    data: PairData,
    target: Target,
    source: CandidateSource,
    config: AttackConfig,
    *,
    constraints: Sequence[Constraint] = (),
) -> tuple[list[AttackResult], Counter[str]]:
    """Attack some pairs of a data set.

    A pair that the target has wrong is ``skipped``, one that the source does not take is ``unsupported``; neither costs
    a query beyond the check of the unchanged pair.

    Args:
        indices: Which pairs of ``data``.
        data: The pairs.
        target: The classifier under attack.
        source: Where candidates come from.
        config: Budget, limits, seed.
        constraints: What a candidate must meet before it may cost a query.

    Returns:
        One result for each index, in that order; and the counts of `select_candidates`.
    """
    checks = predict_checked(target, [data.premises[i] for i in indices], [data.hypotheses[i] for i in indices])
    lines = {i: _checked_line(i, data, target, source, row) for i, row in zip(indices, checks.tolist(), strict=True)}
    opened = [i for i in indices if lines[i].status == "failed"]
    if not opened:
        return [lines[i] for i in indices], Counter()
    premises, hypotheses = [data.premises[i] for i in opened], [data.hypotheses[i] for i in opened]
    labels = [data.labels[i] for i in opened]
    seeds = [pair_seed(config.seed, lines[i].premise, lines[i].hypothesis, lines[i].label) for i in opened]
    proposals = source.propose(hypotheses, labels, seeds, config.num_candidates)
    candidates, counts = select_candidates(hypotheses, proposals, limits=config.limits(), constraints=constraints)
    outcomes = search(target, premises, labels, candidates, max_queries=config.max_queries)
    for i, outcome in zip(opened, outcomes, strict=True):
        lines[i] = _with_outcome(lines[i], outcome, target.label_names)
    return [lines[i] for i in indices], counts


def error_line(
    index: int, data: PairData, label_names: Sequence[str], error: Exception, *, queries: int
) -> AttackResult:
    """Return the line of a pair that could not be attacked."""
    return AttackResult(
        index=index,
        premise=data.premises[index],
        hypothesis=data.hypotheses[index],
        label=label_names[data.labels[index]],
        prediction=None,
        status="error",
        queries=queries,
        message=f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH],
    )


def _checked_line(
    index: int, data: PairData, target: Target, source: CandidateSource, probabilities: Sequence[float]
) -> AttackResult:
    """Return a pair's line after the check of the unchanged pair; ``failed`` if it is open to attack."""
    names, label = target.label_names, data.labels[index]
    prediction = max(range(len(names)), key=lambda k: probabilities[k])
    reason = source.supports(data.hypotheses[index])
    status: Status = "failed" if reason is None else "unsupported"
    return AttackResult(
        index=index,
        premise=data.premises[index],
        hypothesis=data.hypotheses[index],
        label=names[label],
        prediction=names[prediction],
        status=status if prediction == label else "skipped",
        scores={"original": _scores(names, probabilities)},
        message=reason if prediction == label else None,
    )


def _with_outcome(line: AttackResult, outcome: SearchOutcome, names: Sequence[str]) -> AttackResult:
    """Write down what the search found."""
    candidate = outcome.candidate
    if candidate is None or outcome.prediction is None or outcome.probabilities is None:
        return replace(line, queries=outcome.queries)
    return replace(
        line,
        status="success",
        adversarial=candidate.text,
        adversarial_prediction=names[outcome.prediction],
        scores={**(line.scores or {}), "adversarial": _scores(names, outcome.probabilities)},
        queries=outcome.queries,
        distance=round(candidate.distance, DECIMALS),
        edits=candidate.edits,
    )


def _scores(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, float]:
    # Adding 0.0 turns the -0.0 of a rounded tiny negative number into 0.0.
    return {name: round(p, DECIMALS) + 0.0 for name, p in zip(names, probabilities, strict=True)}
