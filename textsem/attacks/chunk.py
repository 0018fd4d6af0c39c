"""What happens to pairs that are attacked together: the check of the unchanged ones; then candidates and queries."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from textsem.attacks.candidates import CandidateSource, pair_seed
from textsem.attacks.search import SearchOutcome, predict_checked, search
from textsem.attacks.selection import CandidateLimits, Step, select_candidates
from textsem.outputs import AttackResult, Status
from textsem.protocols import Ranker, Target

__all__ = ["AttackConfig", "PairData", "attack_checked", "check_pairs"]


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

    @property
    def problems(self) -> Mapping[int, str]:
        """What is wrong with a pair that cannot be asked (a sentence is missing), by its position."""
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
        CandidateLimits(self.eps, self.max_edits)


def check_pairs(indices: Sequence[int], data: PairData, target: Target, source: CandidateSource) -> list[AttackResult]:
    """Ask the target about the unchanged pairs, one row each.

    Args:
        indices: Which pairs of ``data``.
        data: The pairs.
        target: The classifier under attack.
        source: Asked whether it takes the hypothesis.

    Returns:
        One result for each index: ``skipped`` where the target is wrong, ``unsupported`` where it is right and the
        source does not take the hypothesis, ``failed`` (as yet) where the pair is open to attack.
    """
    names = target.label_names
    premises, hypotheses = [data.premises[i] for i in indices], [data.hypotheses[i] for i in indices]
    results = []
    for i, probabilities in zip(indices, predict_checked(target, premises, hypotheses), strict=True):
        label, prediction = data.labels[i], int(probabilities.argmax())
        reason = source.supports(data.hypotheses[i]) if prediction == label else None
        status: Status = "skipped" if prediction != label else "failed" if reason is None else "unsupported"
        results.append(
            AttackResult(
                index=i,
                premise=data.premises[i],
                hypothesis=data.hypotheses[i],
                label=names[label],
                prediction=names[prediction],
                status=status,
                scores={"original": dict(zip(names, probabilities.tolist(), strict=True))},
                message=reason,
            )
        )
    return results


def attack_checked(
    results: Sequence[AttackResult],
    target: Target,
    source: CandidateSource,
    config: AttackConfig,
    *,
    constraints: Sequence[Step] = (),
    ranker: Ranker | None = None,
) -> tuple[list[AttackResult], Counter[str]]:
    """Attack pairs that are open: draw candidates, select, search.

    Args:
        results: From `check_pairs`, those with status ``failed``.
        target: The classifier under attack.
        source: Where candidates come from.
        config: Budget, limits, seed.
        constraints: What a candidate must meet before it may cost a query.
        ranker: Which candidates are asked first; None for the candidates' own similarity.

    Returns:
        The same results, each with its outcome; and the counts of `select_candidates`.

    Raises:
        ValueError: If a result is not open to attack, or if source, constraint or target answer out of form.
    """
    closed = [result.index for result in results if result.status != "failed"]
    if closed:
        raise ValueError(f"expected results with status failed, got others at {closed[:5]}")
    hypotheses = [result.hypothesis for result in results]
    labels = [target.label_names.index(result.label) for result in results]
    seeds = [pair_seed(config.seed, result.premise, result.hypothesis, result.label) for result in results]
    proposals = source.propose(hypotheses, labels, seeds, config.num_candidates)
    limits = CandidateLimits(config.eps, config.max_edits)
    premises = [result.premise for result in results]
    candidates, counts = select_candidates(
        premises, hypotheses, labels, proposals, limits=limits, constraints=constraints, ranker=ranker
    )
    outcomes = search(target, premises, labels, candidates, max_queries=config.max_queries)
    names = target.label_names
    return [_with_outcome(result, outcome, names) for result, outcome in zip(results, outcomes, strict=True)], counts


def _with_outcome(result: AttackResult, outcome: SearchOutcome, names: Sequence[str]) -> AttackResult:
    """Write down what the search found."""
    candidate = outcome.candidate
    if candidate is None or outcome.prediction is None or outcome.probabilities is None:
        return replace(result, queries=outcome.queries)
    return replace(
        result,
        status="success",
        adversarial=candidate.text,
        adversarial_prediction=names[outcome.prediction],
        scores={**(result.scores or {}), "adversarial": dict(zip(names, outcome.probabilities, strict=True))},
        queries=outcome.queries,
        distance=candidate.distance,
        edits=candidate.edits,
    )
