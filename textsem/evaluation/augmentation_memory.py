"""Does the memory of a streamed augmentation grow with the stream?  Its peak for two lengths, each in a fresh process.

The figure is the operating system's: ``ru_maxrss``, the most memory that a process has had resident at once.  It never
goes down, and on Linux a process that is started inherits it from the one that starts it, so whoever starts the
measurements must be smaller than they are: this module loads nothing heavy, and each figure comes with its start.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import IterableDataset

__all__ = ["StreamPeak", "fresh_peaks", "memory_report", "peak_bytes", "stream_peak"]

ALLOWED_GROWTH = 0.05  # largest peak over smallest, less 1
_MEBI = 1024.0**2


@dataclass(frozen=True)
class StreamPeak:
    """Memory of one process that streamed rows through an augmenter.

    Args:
        rows: Rows that went in.
        new_rows: Rows that came out beyond those.
        start_bytes: Peak before the first row: Python and what was imported, or what was inherited.
        first_bytes: Peak when the first row came out: with models loaded and the first batch done.
        peak_bytes: Peak at the end.
        seconds: From the first row asked for to the last.
    """

    rows: int
    new_rows: int
    start_bytes: int
    first_bytes: int
    peak_bytes: int
    seconds: float


def peak_bytes() -> int:
    """Return the most memory that this process has had resident so far."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def stream_peak(
    augment: Callable[["IterableDataset"], Iterable[Any]],
    pairs: Callable[[], Iterator[dict[str, Any]]],
    *,
    num_rows: int,
) -> StreamPeak:
    """Stream rows through an augmenter, keep none of them, and return the peak of this process.

    Args:
        augment: Makes of a streamed data set another one with more rows.
        pairs: Yields rows with ``premise``, ``hypothesis`` and ``label``; read once.
        num_rows: So many of them are taken.

    Raises:
        ValueError: If there are fewer.
    """
    from datasets import IterableDataset

    start, began, first = peak_bytes(), time.perf_counter(), 0
    num_out = num_in = 0

    def taken() -> Iterator[dict[str, Any]]:
        nonlocal num_in
        for row in pairs():
            if num_in == num_rows:
                return
            num_in += 1
            yield row

    for _ in augment(IterableDataset.from_generator(taken)):
        first = first or peak_bytes()
        num_out += 1
    if num_in < num_rows:
        raise ValueError(f"expected at least {num_rows:,} labelled pairs, got {num_in:,}")
    return StreamPeak(num_in, num_out - num_in, start, first, peak_bytes(), time.perf_counter() - began)


def fresh_peaks(command: Sequence[str], num_rows: Sequence[int]) -> list[StreamPeak]:
    """Run a command once for each number of rows and return what it measured.

    Args:
        command: Program and arguments; the number is added as the last.  It prints a `StreamPeak` as JSON in the last
            line of its output.
        num_rows: Numbers of rows.

    Raises:
        ValueError: If a run fails; its last line of error is told.
    """
    peaks = []
    for count in num_rows:
        done = subprocess.run([*command, str(count)], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ValueError(f"expected {count:,} rows to be streamed, got exit code {done.returncode}: {last}")
        peaks.append(StreamPeak(**json.loads(done.stdout.strip().splitlines()[-1])))
    return peaks


def memory_report(peaks: Sequence[StreamPeak]) -> dict[str, Any]:
    """Return the peaks, largest over smallest, and a sentence on whether memory stays constant, as plain JSON types.

    Args:
        peaks: At least two, of different numbers of rows.

    Raises:
        ValueError: If there are fewer.
    """
    if len({peak.rows for peak in peaks}) < 2:
        raise ValueError(f"expected peaks of two numbers of rows or more, got {[peak.rows for peak in peaks]}")
    ordered = sorted(peaks, key=lambda peak: peak.rows)
    sizes = [peak.peak_bytes for peak in ordered]
    ratio = max(sizes) / min(sizes)
    told = " and ".join(f"{peak.peak_bytes / _MEBI:,.0f} MiB for {peak.rows:,} rows" for peak in ordered)
    within = "within" if ratio <= 1 + ALLOWED_GROWTH else "NOT within"
    hidden = [peak.rows for peak in ordered if peak.peak_bytes <= peak.start_bytes]
    text = f"Peak memory: {told}; largest over smallest {ratio:.3f}, {within} {ALLOWED_GROWTH:.0%} of each other."
    if hidden:
        text += f" The start hides the peak of {', '.join(f'{rows:,}' for rows in hidden)} rows: no more was needed."
    return {"peaks": [asdict(peak) for peak in ordered], "ratio": ratio, "within": within == "within", "text": text}
