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
import json
from textsem import pipeline
pair = {"premise": "A man in a red shirt plays a guitar.", "hypothesis": "A man is making music outside."}
result = pipeline("nli-attack")(pair)
assert result["status"] in ("success", "failed")
print(json.dumps(result), flush=True)
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


def first_result_seconds(*, repeats: int = 3) -> tuple[float, float]:
    """Return the median times from the start of a fresh, offline process to its first result, and to its end.

    Args:
        repeats: Processes, one after the other; each attacks one pair and prints the result.

    Raises:
        subprocess.CalledProcessError: If a process fails or prints no result.
    """
    command = [sys.executable, "-c", FIRST_RESULT]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    to_result, to_end = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            to_result.append(time.perf_counter() - began)
            code = process.wait()
        to_end.append(time.perf_counter() - began)
        if code or not line:
            raise subprocess.CalledProcessError(code or 1, command)
    return median(to_result), median(to_end)


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
