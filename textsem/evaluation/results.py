"""The files of a run: ``results.jsonl``, ``settings.json``, ``summary.json``; nothing computed is lost to a kill.

Lines are described in ``result_lines``, what a summary holds in ``run_facts``, parts of several processes in
``run_lines``.  Figures are derived from the lines as read back, so that they carry the same rounding.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from textsem.evaluation.result_lines import DECIMALS, ResultLines, read_results, to_line
from textsem.evaluation.run_facts import RunFacts, write_summary
from textsem.outputs import AttackResult
from textsem.runs.whole_files import LineFile, check_writable, cut_torn_line, write_json

__all__ = [
    "DECIMALS",
    "PART_PATTERN",
    "RESULTS_NAME",
    "SETTINGS_NAME",
    "SUMMARY_NAME",
    "ResultsWriter",
    "RunFacts",
    "begin_run",
    "completed_prefix",
    "continue_run",
    "read_results",
    "resume_run",
    "write_summary",
]

RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME = "results.jsonl", "settings.json", "summary.json"
PART_PATTERN = "results.part-*.jsonl"
STALE_NAMES = (RESULTS_NAME, SUMMARY_NAME, "report.html", "results.csv", "results.parquet")
BLOCK = 1 << 20


class ResultsWriter:
    """Append results to a file in input order; a chunk is on the disk when ``write`` returns.

    Use as a context manager.  Lines that are there already are left out.

    Args:
        path: ``results.jsonl``; made if missing, else continued.

    Raises:
        ValueError: If the file ends in a torn line; see ``completed_prefix``.
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = LineFile(self.path)
        with self.path.open("rb") as file:
            self.next_index = sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))

    def __enter__(self) -> "ResultsWriter":
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def write(self, results: Sequence[AttackResult]) -> None:
        """Append what the file lacks of a chunk, and wait until it is on the disk.

        Args:
            results: In input order.  A number that is not finite makes its line an error; see ``to_line``.

        Raises:
            ValueError: If the indices do not continue those written.
            OSError: If the lines cannot be written, as on a full disk; the file then ends with a whole line.
        """
        missing = [result for result in results if result.index >= self.next_index]
        for place, result in enumerate(missing, start=self.next_index):
            if result.index != place:
                raise ValueError(f"expected the result of pair {place} next, got {result.index}")
        self._file.append(b"".join(map(to_line, missing)))
        self.next_index += len(missing)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


def completed_prefix(path: str | Path) -> Sequence[AttackResult]:
    """Cut a torn last line off the file, if there is one, and return what is done; nothing for a missing file.

    Raises:
        ValueError: If a line before the last is broken: that is damage, not an interruption.
    """
    path = Path(path)
    cut_torn_line(path)
    results: Sequence[AttackResult] = ResultLines(path) if path.exists() else []
    return results


def begin_run(folder: str | Path, settings: Mapping[str, Any]) -> None:
    """Make the folder ready for a new run: remove the files of an earlier one and store the settings.

    Args:
        folder: Output folder; made if missing.
        settings: Plain JSON types; whatever a result depends on: options, identities of data and model, seed.  What it
            does not depend on (batch size, device, limit) stays out, so that a run may be resumed with another.

    Raises:
        OSError: If files cannot be made in the folder.
    """
    folder = Path(folder)
    check_writable(folder)
    for stale in [*(folder / name for name in STALE_NAMES), *folder.glob(PART_PATTERN)]:
        stale.unlink(missing_ok=True)
    write_json(folder / SETTINGS_NAME, settings)


def continue_run(folder: str | Path, settings: Mapping[str, Any]) -> None:
    """Make sure that what is done was made with the same settings, and cut torn lines off.

    A folder without a run is begun anew.

    Raises:
        ValueError: If the stored settings differ, naming the first field that does; if results stand without settings.
        OSError: If files cannot be made in the folder.
    """
    folder = Path(folder)
    stored, results = folder / SETTINGS_NAME, folder / RESULTS_NAME
    parts = sorted(folder.glob(PART_PATTERN))
    if not stored.exists():
        if results.exists() or parts:
            raise ValueError(f"expected {SETTINGS_NAME} beside {RESULTS_NAME}, got none: cannot tell what made them")
        begin_run(folder, settings)
        return
    try:
        written = json.loads(stored.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected whole JSON in {stored}, got {error}: begin the run anew") from error
    _check_same(written, json.loads(json.dumps(settings)), field="")
    check_writable(folder)
    for path in (results, *parts):
        cut_torn_line(path)


def resume_run(folder: str | Path, settings: Mapping[str, Any]) -> Sequence[AttackResult]:
    """Return the results that are done, in order from the first, after the checks of ``continue_run``.

    Raises:
        ValueError: As ``continue_run``; if a line before the last is broken.
        OSError: As ``continue_run``.
    """
    continue_run(folder, settings)
    return completed_prefix(Path(folder) / RESULTS_NAME)


def _check_same(stored: Any, given: Any, *, field: str) -> None:
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in sorted({*stored, *given}):
            _check_same(stored.get(name), given.get(name), field=f"{field}.{name}" if field else name)
    elif stored != given:
        raise ValueError(f"expected {field} {stored!r} as in the run to be resumed, got {given!r}")
