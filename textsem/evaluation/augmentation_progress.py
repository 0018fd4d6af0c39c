"""One line about an augmentation that is going on: pairs, new rows, speed, time left."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

__all__ = ["AugmentationProgress"]

SECONDS_BETWEEN_LINES = 30.0
# {postfix} is what `figures` says, after a comma.
BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} pairs [{elapsed}<{remaining}{postfix}]"
LINE = "{n_fmt}/{total_fmt} pairs ({percentage:.0f}%) [{elapsed}, {remaining} left{postfix}]"


class AugmentationProgress:
    """Tell how far an augmentation is: a line that refreshes on a terminal, a line now and then in a log.

    Use as a context manager.

    Args:
        total: Pairs of the whole run.
        num_before: Pairs that an earlier process has done; they say nothing of the speed.
        is_shown: False for nothing at all.
        stream: Where the line goes; None for standard error.
        seconds_between_lines: Shortest time between two lines where the stream is no terminal.
        clock: Seconds from any beginning.
    """

    def __init__(
        self,
        total: int,
        *,
        num_before: int = 0,
        is_shown: bool = True,
        stream: TextIO | None = None,
        seconds_between_lines: float = SECONDS_BETWEEN_LINES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.num_before = total, num_before
        self.pairs, self.new_rows = num_before, 0
        self._stream = sys.stderr if stream is None else stream
        self._seconds_between_lines, self._clock = seconds_between_lines, clock
        self._began = self._told = clock()
        is_terminal = is_shown and self._stream.isatty()
        self._tells_lines = is_shown and not is_terminal
        self._bar = tqdm(
            total=total,
            initial=num_before,
            file=self._stream,
            disable=not is_terminal,
            bar_format=BAR,
            dynamic_ncols=True,
            smoothing=0,  # the mean since the start: chunks come seldom, and cost unlike
        )

    def __enter__(self) -> "AugmentationProgress":
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._bar.close()

    def update(self, num_pairs: int, num_new_rows: int) -> None:
        """Count pairs that were done now, and the rows that were made from them."""
        self.pairs += num_pairs
        self.new_rows += num_new_rows
        if not self._bar.disable:
            self._bar.set_postfix_str(self.figures(), refresh=False)
            self._bar.update(num_pairs)
        elif self._tells_lines and self._clock() - self._told >= self._seconds_between_lines:
            self._told = self._clock()
            self._stream.write(self.line() + "\n")
            self._stream.flush()

    def figures(self) -> str:
        """Return how many rows were made, and how fast."""
        seconds = self._clock() - self._began
        speed = (self.pairs - self.num_before) / seconds if seconds > 0 else 0.0
        return f"{self.new_rows} new rows, {speed:.{0 if speed >= 10 else 1}f} pairs/s"

    def line(self) -> str:
        """Return what a log is told."""
        line: str = tqdm.format_meter(
            self.pairs,
            self.total,
            self._clock() - self._began,
            initial=self.num_before,
            bar_format=LINE,
            postfix=self.figures(),
        )
        return line
