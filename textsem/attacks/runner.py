"""Attack a whole data set: chunk by chunk, every pair ends as one line, and nothing but the user ends the run.

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
from tqdm import tqdm

from textsem.attacks.candidates import CandidateSource
from textsem.attacks.chunk import AttackConfig, PairData, attack_checked, check_pairs
from textsem.attacks.selection import Step
from textsem.outputs import AttackResult
from textsem.protocols import Ranker, Target

__all__ = ["CandidateAttack", "PairAttack", "ResultSink", "RunStatistics", "run_attack"]

logger = logging.getLogger(__name__)

MAX_MESSAGE_LENGTH = 300

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

    def __init__(self, target: Target) -> None:
        self.label_names = target.label_names
        self.rows_sent = 0
        self._target = target

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.rows_sent += len(premises)
        return self._target.predict(premises, hypotheses)


def run_attack(
    data: PairData,
    target: Target,
    attack: PairAttack,
    sink: ResultSink,
    *,
    num_completed: int = 0,
    show_progress: bool = False,
) -> RunStatistics:
    """Attack every pair and write one line for each, in input order.

    Args:
        data: The pairs.
        target: The classifier under attack.
        attack: What is done to the pairs that the target has right.
        sink: Gets each line once.
        num_completed: Lines that an interrupted run has written already; they are not written again.
        show_progress: Draw a progress bar on standard error.

    Returns:
        Counts of this process.

    Raises:
        ValueError: If more lines are completed than there are pairs, or a label is none of the target's.
    """
    num_pairs, num_labels = len(data.premises), len(target.label_names)
    if not 0 <= num_completed <= num_pairs:
        raise ValueError(f"expected at most {num_pairs} completed lines, one a pair, got {num_completed}")
    strange = sorted(set(data.labels) - set(range(num_labels)))
    if strange:
        raise ValueError(f"expected labels from 0 to {num_labels - 1}, got {strange[:5]}")

    counted, statistics, num_successes = _RowCounter(target), RunStatistics(), 0
    began = time.perf_counter()
    with tqdm(total=num_pairs, initial=num_completed, unit="pair", disable=not show_progress) as bar:
        for start in range(num_completed - num_completed % attack.chunk_size, num_pairs, attack.chunk_size):
            chunk = range(start, min(start + attack.chunk_size, num_pairs))
            results = _attack_chunk(chunk, data, counted, attack, statistics.candidates)
            missing = results[max(0, num_completed - start) :]
            sink.write(missing)
            statistics.pairs += len(chunk)
            statistics.rows_sent = counted.rows_sent
            statistics.seconds = time.perf_counter() - began
            num_successes += sum(result.status == "success" for result in results)
            bar.update(len(missing))
            bar.set_postfix_str(f"{num_successes} successes, {counted.rows_sent / statistics.seconds:.0f} rows/s")
    return statistics


def _attack_chunk(
    indices: Sequence[int],
    data: PairData,
    counted: _RowCounter,
    attack: PairAttack,
    counts: Counter[str],
) -> list[AttackResult]:
    """Return one result for each pair of a chunk, whatever happens; add to ``counts``."""

    def check(some: Sequence[int]) -> list[AttackResult]:
        # Of its source, check_pairs asks nothing but `supports`.
        return check_pairs(some, data, counted, cast(CandidateSource, attack))

    def report_unchecked(index: int, message: str, rows_sent: int) -> AttackResult:
        label = counted.label_names[data.labels[index]]
        pair = (data.premises[index], data.hypotheses[index])
        return AttackResult(index, *pair, label=label, prediction=None, status="error", message=message)

    def attack_open(some: Sequence[AttackResult]) -> list[AttackResult]:
        results, new_counts = attack.attack(some, counted)
        counts.update(new_counts)
        return results

    def report_checked(result: AttackResult, message: str, rows_sent: int) -> AttackResult:
        return replace(result, status="error", message=message, queries=rows_sent)

    sound = [i for i in indices if i not in data.problems]
    checked = [report_unchecked(i, data.problems[i], 0) for i in indices if i in data.problems]
    checked += _whole_or_halves(sound, check, report_unchecked, counted)
    attacked = _whole_or_halves([r for r in checked if r.status == "failed"], attack_open, report_checked, counted)
    return sorted([r for r in checked if r.status != "failed"] + attacked, key=lambda r: r.index)


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
    except Exception as error:
        logger.debug("%d pairs are attacked again by halves: %s", len(items), error)
        if len(items) == 1:
            message = f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH]
            return [report(items[0], message, counted.rows_sent - sent_before)]
    halves = (items[: len(items) // 2], items[len(items) // 2 :])
    return [result for half in halves for result in _whole_or_halves(half, work, report, counted)]
