"""Attack a whole data set: chunk by chunk, every pair ends as one line, and nothing but the user ends the run.

The data are cut into chunks of a fixed number of pairs.  A resumed run starts again at the beginning of the chunk in
which the other one was cut off, and writes only the lines that are missing: it sends the same batches, so it writes
the same bytes.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor
from tqdm import tqdm

from textsem.attacks.candidates import CandidateSource, Constraint
from textsem.attacks.chunk import AttackConfig, PairData, attack_chunk, error_line
from textsem.outputs import AttackResult
from textsem.protocols import Target

__all__ = ["ResultSink", "RunStatistics", "run_attack"]

logger = logging.getLogger(__name__)


class ResultSink(Protocol):
    """Where finished lines go."""

    def write(self, result: AttackResult) -> None:
        """Store one line for good; lines come in input order."""
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
    source: CandidateSource,
    config: AttackConfig,
    sink: ResultSink,
    *,
    constraints: Sequence[Constraint] = (),
    num_completed: int = 0,
    show_progress: bool = False,
) -> RunStatistics:
    """Attack every pair and write one line for each, in input order.

    Args:
        data: The pairs.
        target: The classifier under attack.
        source: Where candidates come from.
        config: Budget, limits, seed.
        sink: Gets each line once.
        constraints: What a candidate must meet before it may cost a query.
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

    def attack(indices: Sequence[int]) -> list[AttackResult]:
        results, counts = attack_chunk(indices, data, counted, source, config, constraints=constraints)
        statistics.candidates.update(counts)
        return results

    def report_error(index: int, error: Exception, rows_sent: int) -> AttackResult:
        # The first row was the check of the unchanged pair.
        return error_line(index, data, target.label_names, error, queries=max(0, rows_sent - 1))

    began = time.perf_counter()
    with tqdm(total=num_pairs, initial=num_completed, unit="pair", disable=not show_progress) as bar:
        for start in range(num_completed - num_completed % config.chunk_size, num_pairs, config.chunk_size):
            chunk = range(start, min(start + config.chunk_size, num_pairs))
            for result in _attack_or_halve(chunk, attack, report_error, counted):
                num_successes += result.status == "success"
                if result.index >= num_completed:
                    sink.write(result)
                    bar.update()
            statistics.pairs += len(chunk)
            statistics.rows_sent = counted.rows_sent
            statistics.seconds = time.perf_counter() - began
            rows_per_second = statistics.rows_sent / statistics.seconds
            bar.set_postfix_str(f"{num_successes} successes, {rows_per_second:.0f} rows/s")
    return statistics


def _attack_or_halve(
    indices: Sequence[int],
    attack: Callable[[Sequence[int]], list[AttackResult]],
    report_error: Callable[[int, Exception, int], AttackResult],
    counted: _RowCounter,
) -> list[AttackResult]:
    """Attack some pairs; if anything raises, attack their halves, down to the single pair whose line reports it."""
    sent_before = counted.rows_sent
    try:
        return attack(indices)
    except Exception as error:
        if len(indices) == 1:
            return [report_error(indices[0], error, counted.rows_sent - sent_before)]
        logger.debug("pairs %d to %d are attacked again by halves: %s", indices[0], indices[-1], error)
    middle = len(indices) // 2
    halves = (indices[:middle], indices[middle:])
    return [result for half in halves for result in _attack_or_halve(half, attack, report_error, counted)]
