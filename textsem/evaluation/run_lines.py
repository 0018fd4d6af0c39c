"""The lines of a run that one process writes, or several together.

Alone, a process appends to ``results.jsonl``.  Of several, each attacks every n-th chunk and appends to a part of its
own, ``results.part-RANK-NUMBER.jsonl``; when all have come to the end, the main process merges the parts into
``results.jsonl`` and removes them.  A run that was cut off is continued by any number of processes: whatever whole
lines it left, in the file or in parts, are kept, and only chunks that lack a line are attacked again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from textsem.attacks.chunk import PairChunk
from textsem.evaluation.result_lines import ResultLines, read_results, to_line
from textsem.evaluation.result_parts import PartLines, merge_parts, num_distinct
from textsem.evaluation.results import PART_PATTERN, RESULTS_NAME, begin_run, continue_run
from textsem.outputs import AttackResult
from textsem.processes import Processes
from textsem.runs.folder_lock import FolderLock
from textsem.runs.whole_files import LineFile, check_writable, write_whole

__all__ = ["LONGEST_WAIT", "RunLines", "open_run", "patient_wait"]

# For processes that are done with their share: of unlike speed, or with unlike shares of what a cut-off run left.  It
# ends no wait for a dead process: torchrun and accelerate launch end the others within seconds.
LONGEST_WAIT = timedelta(hours=12)


class RunLines:
    """The lines of a run, seen from one process; implements ``ResultSink``.  Use as a context manager.

    When it is finished, ``num_added`` are the lines that all processes have written since it was opened, and
    ``seconds_waited`` the time that this process has waited for the others at the end.

    Args:
        folder: Of the run, made ready by the main process.
        processes: Which process this is.
        wait: Returns when every process has called it.
    """

    def __init__(self, folder: Path, processes: Processes, wait: Callable[[], object]) -> None:
        self.processes, self.wait = processes, wait
        self.seconds_waited, self.num_added = 0.0, 0
        self._path = folder / RESULTS_NAME
        self._files = [PartLines(path) for path in _written(folder)]
        self._num_there = num_distinct(self._files)
        has_parts = any(file.path != self._path for file in self._files)
        self._own = self._path if processes.count == 1 and not has_parts else _new_part(folder, processes.rank)
        self._open: LineFile | None = None
        self.at_close = ExitStack()
        self._last_index = -1
        self._num_chunks = self._num_pairs = 0

    def __enter__(self) -> "RunLines":
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file, and let other runs have the folder."""
        self.close()

    def check_num_done(self, num_pairs: int) -> None:
        """Raise a ValueError if a line that was there is about none of so many pairs."""
        num_done = max((file.num_pairs for file in self._files), default=0)
        if num_done > num_pairs:
            raise ValueError(
                f"expected at most {num_pairs} completed lines, one a pair, got one about pair {num_done - 1} in "
                f"{self._path.parent}: resume with as many pairs as before, or begin anew"
            )

    def skip(self, chunk: PairChunk) -> bool:
        """Tell whether another process attacks this chunk, or every line of it is there.

        To be called once for each chunk, in order, before its results are written.

        Raises:
            ValueError: If a line that is there is about another pair than the data's.
        """
        number, stop = self._num_chunks, chunk.start + len(chunk.premises)
        self._num_chunks, self._num_pairs = number + 1, stop
        if number % self.processes.count != self.processes.rank:
            return True
        there = [result for file in self._files for result in file.between(chunk.start, stop)]
        for result in there:
            _check_same_pair(result, chunk)
        return len({result.index for result in there}) == len(chunk.premises)

    def write(self, results: Sequence[AttackResult]) -> None:
        """Append the lines that are not there yet, and wait until they are on the disk.

        Args:
            results: Of a chunk, in input order.

        Raises:
            ValueError: If they do not stand in order.
            OSError: If they cannot be written, as on a full disk; what was written before is kept.
        """
        missing = [result for result in results if not any(result.index in file for file in self._files)]
        for result in missing:
            if result.index <= self._last_index:
                raise ValueError(f"expected the result of a pair after {self._last_index}, got {result.index}")
            self._last_index = result.index
        if missing:
            self._open = self._open or LineFile(self._own)
            self._open.append(b"".join(map(to_line, missing)))

    def finish(self) -> ResultLines:
        """Return all results of the run, in order, once every process has come here.

        Raises:
            ValueError: If lines are left that the data have no pair for, or a pair has no line.
            OSError: If the merged file cannot be written; the parts are kept.
        """
        self._close_file()
        self.check_num_done(self._num_pairs)
        began = time.perf_counter()
        self.wait()
        self.seconds_waited = time.perf_counter() - began
        if self.processes.is_main:
            parts = [path for path in _written(self._path.parent) if path != self._path]
            if parts:
                merge_parts(_written(self._path.parent), self._path)
            elif not self._path.exists():
                write_whole(self._path, b"")
            for part in parts:
                part.unlink()
        self.wait()
        results = read_results(self._path)
        if len(results) != self._num_pairs:
            raise ValueError(f"expected {self._num_pairs} lines, one a pair, got {len(results)} in {self._path}")
        self.num_added = len(results) - self._num_there
        return results

    def close(self) -> None:
        """Close the file and let other runs have the folder; a second call does nothing."""
        self._close_file()
        self.at_close.close()

    def _close_file(self) -> None:
        if self._open is not None:
            self._open.close()


def open_run(
    folder: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool,
    processes: Processes | None = None,
    num_pairs: int | None = None,
    wait: Callable[[], object] | None = None,
) -> RunLines:
    """Begin a run, or continue the one in the folder; every process of the run calls this.

    Args:
        folder: Of the run; made if missing.
        settings: What a line depends on; see ``begin_run``.
        resume: Continue the run in the folder, if there is one, instead of removing it.
        processes: Which process this is; None for the only one.
        num_pairs: Pairs of the data; None where nobody knows.
        wait: Returns when every process has called it; None for ``patient_wait(processes)``.

    Raises:
        ValueError: If another run writes to the folder; if the run to be continued was made with other settings, is
            damaged, or has more lines than pairs.
        OSError: If files cannot be made in the folder.
    """
    folder, processes = Path(folder), processes or Processes()
    wait = wait or patient_wait(processes)
    with ExitStack() as until_failure:
        if processes.is_main:
            check_writable(folder)
            until_failure.callback(FolderLock(folder).release)
            (continue_run if resume else begin_run)(folder, settings)
        wait()
        lines = RunLines(folder, processes, wait)
        if num_pairs is not None:
            lines.check_num_done(num_pairs)
        # Nobody may write before everybody has read what was there.
        wait()
        lines.at_close = until_failure.pop_all()
    return lines


def patient_wait(processes: Processes) -> Callable[[], object]:
    """Return a function that returns when every process has called it; every process has to ask for one.

    It waits up to ``LONGEST_WAIT``, over gloo wherever the tensors are: a share of the pairs may take hours.
    """
    if processes.count == 1:
        return lambda: None
    from torch import distributed

    group = distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)
    return lambda: distributed.barrier(group=group)


def _written(folder: Path) -> list[Path]:
    """Return the files with lines of the run: the one of all, if there is one, and the parts."""
    whole = folder / RESULTS_NAME
    return [path for path in (whole, *sorted(folder.glob(PART_PATTERN))) if path.exists()]


def _new_part(folder: Path, rank: int) -> Path:
    number = 1
    while (path := folder / PART_PATTERN.replace("*", f"{rank}-{number}")).exists():
        number += 1
    return path


def _check_same_pair(result: AttackResult, chunk: PairChunk) -> None:
    """Hold a line against the data; a label that the target gave is not there to be compared."""
    position = result.index - chunk.start
    label = chunk.labels[position]
    pair = (chunk.premises[position], chunk.hypotheses[position], result.label if label is None else label)
    if tuple(map(_as_read, pair)) != (result.premise, result.hypothesis, result.label):
        raise ValueError(f"expected pair {result.index} of the data as in the run to be resumed, got another one")


def _as_read(text: str) -> str:
    """Return a text as it comes back from a file: two surrogates that stand for one character are that character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
