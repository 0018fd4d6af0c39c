"""Attack a whole data set: chunk by chunk, every pair ends as one line, and no single pair ends the run.

The data are cut into chunks of a fixed number of pairs.  A resumed run starts again at the beginning of the chunk in
which the other one was cut off, and writes only the lines that are missing: it sends the same batches, so it writes
the same bytes.  (Numbers are rounded in one place, where the lines are written.)
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar, cast

from torch import Tensor

from textsem.attacks.candidates import CandidateSource
from textsem.attacks.chunk import AttackConfig, PairChunk, PairStream, attack_checked, check_pairs
from textsem.attacks.progress import AttackProgress
from textsem.attacks.selection import Step
from textsem.outputs import AttackResult
from textsem.protocols import Ranker, Target, TargetError

__all__ = ["CandidateAttack", "PairAttack", "ResultSink", "RunStatistics", "attack_chunk", "run_attack"]

logger = logging.getLogger(__name__)

MAX_MESSAGE_LENGTH = 300
FEWEST_ERRORS = 8  # fewer pairs may all be bad ones

Item = TypeVar("Item")


class PairAttack(Protocol):
    """An attack on pairs that the target has right: what it finds for one does not depend on the others."""

    @property
    def chunk_size(self) -> int:
        """Pairs that are attacked together."""
        ...

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or the reason why this hypothesis cannot be attacked."""
        ...

    def attack(self, results: Sequence[AttackResult], target: Target) -> tuple[list[AttackResult], Counter[str]]:
        """Return the same results, all with status ``failed`` before, each with its outcome; and counts of candidates.

        Every row that is sent to ``target`` for a pair counts among its ``queries``.
        """
        ...


class CandidateAttack:
    """Candidates of a source, selected, ranked and asked in rounds (`attack_checked`); implements ``PairAttack``.

    Args:
        source: Where candidates come from.
        config: Budget, limits, seed.
        constraints: What a candidate must meet before it may cost a query.
        ranker: Which candidates are asked first; None for the candidates' own similarity.
    """

    def __init__(
        self,
        source: CandidateSource,
        config: AttackConfig,
        *,
        constraints: Sequence[Step] = (),
        ranker: Ranker | None = None,
    ) -> None:
        self.source = source
        self.config = config
        self.constraints = tuple(constraints)
        self.ranker = ranker

    @property
    def chunk_size(self) -> int:
        """Pairs that are attacked together."""
        return self.config.chunk_size

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or the reason why the source does not take this hypothesis."""
        return self.source.supports(hypothesis)

    def attack(self, results: Sequence[AttackResult], target: Target) -> tuple[list[AttackResult], Counter[str]]:
        """Return the results with their outcomes, and the counts of `select_candidates`."""
        return attack_checked(
            results, target, self.source, self.config, constraints=self.constraints, ranker=self.ranker
        )


class ResultSink(Protocol):
    """Where finished lines go."""

    def write(self, results: Sequence[AttackResult]) -> None:
        """Store the lines of a chunk for good; they come in input order."""
        ...


@dataclass
class RunStatistics:
    """What one process did; a resumed run counts from its own start.

    Args:
        pairs: Pairs attacked, those among them included whose line had been written before.
        rows_sent: Rows sent to the target: checks of the unchanged pairs, queries, repetitions after an error.
        seconds: Wall-clock time.
        candidates: How many candidates were proposed, dropped by each filter, and kept; see `select_candidates`.
    """

    pairs: int = 0
    rows_sent: int = 0
    seconds: float = 0.0
    candidates: Counter[str] = field(default_factory=Counter)


class _RowCounter:
    """Passes rows on to a target and counts them, those of a call that raises included."""

    def __init__(self, target: Target, tell: Callable[[int], None] | None = None) -> None:
        self.label_names = target.label_names
        self.rows_sent = 0
        self._target = target
        self._tell = tell

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.rows_sent += len(premises)
        answer = self._target.predict(premises, hypotheses)
        if self._tell is not None:
            self._tell(self.rows_sent)
        return answer


def run_attack(
    data: PairStream,
    target: Target,
    attack: PairAttack,
    sink: ResultSink,
    *,
    num_completed: int = 0,
    skip: Callable[[PairChunk], bool] | None = None,
    total: int | None = None,
    show_progress: bool = False,
) -> RunStatistics:
    """Attack every pair and write one line for each, in input order.

    Args:
        data: The pairs.
        target: The classifier under attack.
        attack: What is done to the pairs that the target has right.
        sink: Gets each line once.
        num_completed: Lines that an interrupted run has written already; they are not written again.
        skip: Tells of a chunk whether its lines are there, or another process makes them.
        total: Number of pairs, for the progress bar; None where it is not known.
        show_progress: Draw a progress bar on standard error.

    Returns:
        Counts of this process.

    Raises:
        TargetError: If the target does not answer, or answers none of the first pairs.
        ValueError: If more lines are completed than there are pairs.
    """
    statistics, num_pairs = RunStatistics(), 0
    began = time.perf_counter()
    with AttackProgress(total, is_shown=show_progress) as progress:
        counted = _RowCounter(target, progress.tick)
        for chunk in data.chunks(attack.chunk_size):
            num_pairs = chunk.start + len(chunk.premises)
            if num_pairs <= num_completed or (skip is not None and skip(chunk)):
                progress.skip(len(chunk.premises))
                continue
            results = attack_chunk(chunk, counted, attack, statistics.candidates)
            sink.write(results[max(0, num_completed - chunk.start) :])
            _check_answers(results, chunk, is_first=not statistics.pairs)
            statistics.pairs += len(results)
            statistics.rows_sent = counted.rows_sent
            statistics.seconds = time.perf_counter() - began
            progress.update(len(results), results, counted.rows_sent)
    if not 0 <= num_completed <= num_pairs:
        raise ValueError(f"expected at most {num_pairs} completed lines, one a pair, got {num_completed}")
    return statistics


def attack_chunk(
    chunk: PairChunk, target: Target, attack: PairAttack, counts: Counter[str] | None = None
) -> list[AttackResult]:
    """Return the results of a chunk's pairs, in their order, whatever happens; add to ``counts``.

    Raises:
        TargetError: If the target does not answer.
    """
    counts = Counter() if counts is None else counts
    counted = target if isinstance(target, _RowCounter) else _RowCounter(target)

    def check(some: Sequence[int]) -> list[AttackResult]:
        # Of its source, check_pairs asks nothing but `supports`.
        return check_pairs(some, chunk, counted, cast(CandidateSource, attack))

    def report_unchecked(position: int, message: str, rows_sent: int) -> AttackResult:
        pair = (chunk.premises[position], chunk.hypotheses[position])
        label = chunk.labels[position] or ""
        return AttackResult(
            chunk.start + position, *pair, label=label, prediction=None, status="error", message=message
        )

    def attack_open(some: Sequence[AttackResult]) -> list[AttackResult]:
        results, new_counts = attack.attack(some, counted)
        counts.update(new_counts)
        return results

    def report_checked(result: AttackResult, message: str, rows_sent: int) -> AttackResult:
        return replace(result, status="error", message=message, queries=rows_sent)

    positions = range(len(chunk.premises))
    sound = [i for i in positions if i not in chunk.problems]
    checked = [report_unchecked(i, chunk.problems[i], 0) for i in positions if i in chunk.problems]
    checked += _whole_or_halves(sound, check, report_unchecked, counted)
    attacked = _whole_or_halves([r for r in checked if r.status == "failed"], attack_open, report_checked, counted)
    return sorted([r for r in checked if r.status != "failed"] + attacked, key=lambda r: r.index)


def _check_answers(results: Sequence[AttackResult], chunk: PairChunk, *, is_first: bool) -> None:
    """Stop after the first chunk if the target answered about none of its pairs: it would be so for all."""
    asked = [result for result in results if result.index - chunk.start not in chunk.problems]
    if is_first and len(asked) >= FEWEST_ERRORS and all(result.prediction is None for result in asked):
        raise TargetError(
            f"expected an answer of the target, got an error on each of the first {len(asked)} pairs, "
            f"such as: {asked[0].message}"
        )


def _whole_or_halves(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], list[AttackResult]],
    report: Callable[[Item, str, int], AttackResult],
    counted: _RowCounter,
) -> list[AttackResult]:
    """Work on all items; if anything raises, on their halves, down to the single one whose result reports it."""
    if not items:
        return []
    sent_before = counted.rows_sent
    try:
        return work(items)
    except TargetError:
        raise
    except Exception as error:
        logger.debug("%d pairs are attacked again by halves: %s", len(items), error)
        if len(items) == 1:
            message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH]
            return [report(items[0], message, counted.rows_sent - sent_before)]
    halves = (items[: len(items) // 2], items[len(items) // 2 :])
    return [result for half in halves for result in _whole_or_halves(half, work, report, counted)]
