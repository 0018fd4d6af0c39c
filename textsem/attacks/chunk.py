"""What happens to pairs that are attacked together: the check of the unchanged ones; then candidates and queries."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from textsem.attacks.candidates import CandidateSource, pair_seed
from textsem.attacks.search import SearchOutcome, predict_checked, search
from textsem.attacks.selection import CandidateLimits, Step, select_candidates
from textsem.outputs import AttackResult, Status
from textsem.protocols import Ranker, Target
from textsem.text.labels import GOLD_NAMES, agreeing_classes

__all__ = ["AttackConfig", "PairChunk", "PairStream", "attack_checked", "check_pairs"]


class PairChunk(Protocol):
    """Some pairs that stand together in a data set."""

    @property
    def start(self) -> int:
        """Position of its first pair in the run."""
        ...

    @property
    def premises(self) -> Sequence[str]:
        """One a pair."""
        ...

    @property
    def hypotheses(self) -> Sequence[str]:
        """One a pair."""
        ...

    @property
    def labels(self) -> Sequence[str | None]:
        """Names of ``GOLD_NAMES``; None takes the target's own prediction; of a problem row, whatever stood there."""
        ...

    @property
    def problems(self) -> Mapping[int, str]:
        """What is wrong with a pair that cannot be asked (a sentence is missing), by its position in the chunk."""
        ...


class PairStream(Protocol):
    """A data set of any length, chunk by chunk."""

    def chunks(self, size: int) -> Iterator[PairChunk]:
        """Yield all pairs from the first on, ``size`` at a time, at last perhaps fewer."""
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
        num_return_sequences: Adversarials that are looked for in one pair.
        chunk_size: Pairs that are attacked together; a matter of speed and of how often lines are written.
    """

    max_queries: int = 100
    num_candidates: int = 200
    eps: float | None = None
    max_edits: int | None = None
    seed: int = 0
    num_return_sequences: int = 1
    chunk_size: int = 128

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_queries", "num_candidates", "num_return_sequences", "chunk_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        CandidateLimits(self.eps, self.max_edits)


def check_pairs(
    positions: Sequence[int], chunk: PairChunk, target: Target, source: CandidateSource
) -> list[AttackResult]:
    """Ask the target about the unchanged pairs, one row each.

    Args:
        positions: Which pairs of the chunk.
        chunk: The pairs.
        target: The classifier under attack.
        source: Asked whether it takes the hypothesis.

    Returns:
        One result for each position: ``skipped`` where the target is wrong, ``unsupported`` where it is right and the
        source does not take the hypothesis, ``failed`` (as yet) where the pair is open to attack.

    Raises:
        ValueError: If a label agrees with none of the target's classes.
    """
    names = target.label_names
    premises, hypotheses = [chunk.premises[i] for i in positions], [chunk.hypotheses[i] for i in positions]
    results = []
    for i, probabilities in zip(positions, predict_checked(target, premises, hypotheses), strict=True):
        prediction = int(probabilities.argmax())
        given = chunk.labels[i]
        label = names[prediction] if given is None else given
        is_right = prediction in agreeing_classes(label, names)
        reason = source.supports(chunk.hypotheses[i]) if is_right else None
        status: Status = "skipped" if not is_right else "failed" if reason is None else "unsupported"
        results.append(
            AttackResult(
                index=chunk.start + i,
                premise=chunk.premises[i],
                hypothesis=chunk.hypotheses[i],
                label=label,
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
        The same results, each with its outcome; where several adversarials were wanted and found, one result for each,
        best first; and the counts of `select_candidates`.

    Raises:
        ValueError: If a result is not open to attack, or if source, constraint or target answer out of form.
    """
    closed = [result.index for result in results if result.status != "failed"]
    if closed:
        raise ValueError(f"expected results with status failed, got others at {closed[:5]}")
    hypotheses = [result.hypothesis for result in results]
    labels = [GOLD_NAMES.index(result.label) for result in results]
    seeds = [pair_seed(config.seed, result.premise, result.hypothesis, result.label) for result in results]
    proposals = source.propose(hypotheses, labels, seeds, config.num_candidates)
    limits = CandidateLimits(config.eps, config.max_edits)
    premises = [result.premise for result in results]
    candidates, counts = select_candidates(
        premises, hypotheses, labels, proposals, limits=limits, constraints=constraints, ranker=ranker
    )
    outcomes = search(
        target,
        premises,
        labels,
        candidates,
        max_queries=config.max_queries,
        num_flips=config.num_return_sequences,
    )
    names = target.label_names
    pairs = zip(results, outcomes, strict=True)
    return [line for result, outcome in pairs for line in _with_outcome(result, outcome, names)], counts


def _with_outcome(result: AttackResult, outcome: SearchOutcome, names: Sequence[str]) -> list[AttackResult]:
    """Write down what the search found."""
    if not outcome.flips:
        return [replace(result, queries=outcome.queries)]
    return [
        replace(
            result,
            status="success",
            adversarial=flip.candidate.text,
            adversarial_prediction=names[flip.prediction],
            scores={**(result.scores or {}), "adversarial": dict(zip(names, flip.probabilities, strict=True))},
            queries=flip.queries,
            distance=flip.candidate.distance,
            edits=flip.candidate.edits,
        )
        for flip in outcome.flips
    ]
