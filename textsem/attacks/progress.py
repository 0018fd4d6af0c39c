"""One line about a run that is going on: pairs, success so far, rows a second, time left."""

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from textsem.outputs import AttackResult
from textsem.text.labels import agree

__all__ = ["AttackProgress"]

SECONDS_BETWEEN_LINES = 30.0
# With and without a known end; {postfix} is what `AttackProgress.figures` says, after a comma.
BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} pairs [{elapsed}<{remaining}{postfix}]"
LINE = "{n_fmt}/{total_fmt} pairs ({percentage:.0f}%) [{elapsed}, {remaining} left{postfix}]"
ENDLESS = "{n_fmt} pairs [{elapsed}{postfix}]"


class AttackProgress:
    """Tell how far a run is: a line that refreshes on a terminal, a line now and then in a log.

    Use as a context manager.  In a log nothing is written before the first interval is over, so that a short run leaves
    no line there.

    Args:
        total: Pairs of the whole run; None where nobody knows.
        is_shown: False for nothing at all.
        stream: Where the line goes; None for standard error.
        seconds_between_lines: Shortest time between two lines where the stream is no terminal.
        clock: Seconds from any beginning.
    """

    def __init__(
        self,
        total: int | None,
        *,
        is_shown: bool = True,
        stream: TextIO | None = None,
        seconds_between_lines: float = SECONDS_BETWEEN_LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.pairs = self.pairs_before = self.attacked = self.successes = self.rows_sent = 0
        self._stream = sys.stderr if stream is None else stream
        self._seconds_between_lines = seconds_between_lines
        self._clock = clock
        self._began = self._told = clock()
        self._has_told = False
        is_terminal = is_shown and self._stream.isatty()
        self._tells_lines = is_shown and not is_terminal
        self._bar = tqdm(
            total=total,
            file=self._stream,
            disable=not is_terminal,
            bar_format=ENDLESS if total is None else BAR,
            dynamic_ncols=True,
            smoothing=0,  # the mean since the start: chunks come seldom, and cost unlike
        )

    def __enter__(self) -> "AttackProgress":
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the last state on the screen, or as a last line in a log that has lines."""
        if self._has_told:
            self._write_line()
        self._bar.close()

    def skip(self, num_pairs: int) -> None:
        """Count pairs whose lines an earlier process has written: they are done, and say nothing of the speed."""
        self.pairs += num_pairs
        self.pairs_before += num_pairs
        self._show()

    def update(self, num_pairs: int, results: Sequence[AttackResult], rows_sent: int) -> None:
        """Count pairs that were done now.

        Args:
            num_pairs: How many pairs more are done.
            results: What became of them; counted as flips, and as attacked where the target had the pair right.
            rows_sent: Rows that this process has sent to the target so far, all of them.
        """
        attacked = [r for r in results if r.prediction is not None and agree(r.label, r.prediction)]
        self.pairs += num_pairs
        self.attacked += len(attacked)
        self.successes += sum(r.status == "success" for r in attacked)
        self.tick(rows_sent)

    def tick(self, rows_sent: int) -> None:
        """Show the time and the rows sent so far, in the middle of a chunk."""
        self.rows_sent = rows_sent
        self._show()

    def figures(self) -> str:
        """Return success so far and rows a second."""
        share = f" ({self.successes / self.attacked:.1%})" if self.attacked else ""
        seconds = self._clock() - self._began
        speed = self.rows_sent / seconds if seconds > 0 else 0.0
        return f"{self.successes} of {self.attacked} fell{share}, {speed:.{0 if speed >= 10 else 1}f} rows/s"

    def line(self) -> str:
        """Return what a log is told."""
        line: str = tqdm.format_meter(
            self.pairs,
            self.total,
            self._clock() - self._began,
            initial=self.pairs_before,
            bar_format=ENDLESS if self.total is None else LINE,
            postfix=self.figures(),
        )
        return line

    def _show(self) -> None:
        if self._tells_lines:
            if self._clock() - self._told >= self._seconds_between_lines:
                self._write_line()
        elif not self._bar.disable:
            self._bar.initial = self.pairs_before
            self._bar.set_postfix_str(self.figures(), refresh=False)
            self._bar.n = self.pairs
            self._bar.refresh()

    def _write_line(self) -> None:
        self._told, self._has_told = self._clock(), True
        self._stream.write(self.line() + "\n")
        self._stream.flush()
