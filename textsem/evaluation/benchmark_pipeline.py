"""How soon the pipeline gives its first result, and what batches are worth."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from textsem.data.nli import NliData
from textsem.text.labels import LABEL_NAMES

__all__ = ["BatchTiming", "compare_batch_sizes", "first_result_seconds", "rows_of"]

FIRST_RESULT = """
from textsem import pipeline
pair = {"premise": "A man in a red shirt plays a guitar.", "hypothesis": "A man is making music outside."}
assert pipeline("nli-attack")(pair)["status"] in ("success", "failed")
"""


@dataclass(frozen=True)
class BatchTiming:
    """One batch size.

    Args:
        batch_size: Pairs attacked together.
        seconds: Wall-clock time for all pairs.
        cpu_seconds: Processor time of this process.
        pairs_per_second: Pairs over wall-clock time.
        is_same: Whether every result is the one that the largest batches gave.
    """

    batch_size: int
    seconds: float
    cpu_seconds: float
    pairs_per_second: float
    is_same: bool


def first_result_seconds(*, repeats: int = 3) -> float:
    """Return the median time of a fresh, offline process from its start to its end, with one pair attacked."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_RESULT], check=True, env=environment, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def rows_of(data: NliData) -> list[dict[str, str]]:
    """Return the sound pairs as the pipeline takes them."""
    rows = zip(data.premises, data.hypotheses, data.labels, strict=True)
    return [
        {"premise": premise, "hypothesis": hypothesis, "label": LABEL_NAMES[label]}
        for i, (premise, hypothesis, label) in enumerate(rows)
        if i not in data.problems
    ]


def compare_batch_sizes(
    make: Callable[[], Callable[..., Any]], rows: Sequence[Mapping[str, str]], sizes: Sequence[int]
) -> list[BatchTiming]:
    """Attack the same pairs in batches of each size.

    Args:
        make: Returns a pipeline that has answered nothing yet: filters remember what they have seen.
        rows: The pairs.
        sizes: Of the batches, in the order in which they are timed.

    Raises:
        ValueError: If there is no pair or no size.
    """
    if not rows or not sizes:
        raise ValueError(f"expected pairs and batch sizes, got {len(rows)} and {len(sizes)}")
    found: dict[int, Any] = {}
    spent: dict[int, tuple[float, float]] = {}
    for size in sizes:
        attack = make()
        attack(dict(rows[0], premise="A warm-up."), batch_size=size)  # loads target and filters
        wall, cpu = time.perf_counter(), time.process_time()
        found[size] = attack(list(rows), batch_size=size)
        spent[size] = time.perf_counter() - wall, time.process_time() - cpu
    reference = found[max(sizes)]
    return [BatchTiming(size, *spent[size], len(rows) / spent[size][0], found[size] == reference) for size in sizes]
