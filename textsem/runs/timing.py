"""Medians of repeated calls, wall clock and processor time, with the cases of one comparison in turn."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

__all__ = ["TICK", "Timing", "import_seconds", "time_calls", "use_threads"]

TICK = 1e-9  # seconds; a clock of processor time may not have moved


@dataclass(frozen=True)
class Timing:
    """Medians over the repeats of one call.

    Args:
        wall: Wall-clock seconds; on a busy machine longer than the work.
        cpu: Processor seconds of this process, the sum over its threads.
    """

    wall: float
    cpu: float

    def per(self, count: float) -> "Timing":
        """Return the share of one of ``count`` equal parts."""
        return Timing(self.wall / count, self.cpu / count)


@contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Let torch use so many threads inside the ``with`` block.

    Raises:
        ValueError: If there is to be no thread.
    """
    if threads < 1:
        raise ValueError(f"expected threads >= 1, got {threads}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_calls(calls: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Timing]:
    """Time every call ``repeats`` times, after one call each that does not count.

    All cases run once before any runs again, so that whatever else the machine does at some time meets all of them:
    ratios between them stand on a busy machine where the times themselves do not.

    Args:
        calls: What to time, by name.
        repeats: At least 1.

    Returns:
        Medians by name.

    Raises:
        ValueError: If ``repeats`` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"expected repeats >= 1, got {repeats}")
    for call in calls.values():
        call()
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            samples[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: Timing(*(median(column) for column in zip(*rows, strict=True))) for name, rows in samples.items()}


def import_seconds(*, repeats: int) -> dict[str, float]:
    """Return the median wall-clock seconds of ``python -c pass`` and of ``import textsem``, in turn, as processes."""
    programs = {"pass": "pass", "import textsem": "import textsem"}

    def start(program: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", program], check=True)

    timed = time_calls({name: start(program) for name, program in programs.items()}, repeats=repeats)
    return {name: timing.wall for name, timing in timed.items()}
