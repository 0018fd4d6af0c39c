"""The files of a run: ``results.jsonl``, ``settings.json``, ``summary.json``; nothing computed is lost to a kill.

``results.jsonl`` holds one line a pair, in input order, keys in the order of ``AttackResult``'s fields (nested keys
alphabetical), characters as they are (UTF-8, no escapes), floats rounded to 5 decimals, no times: the same results give
the same bytes.  Figures are derived from the lines as read back, so that they carry the same rounding.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from types import TracebackType
from typing import Any

from textsem.outputs import STATUSES, AttackResult

__all__ = [
    "RESULTS_NAME",
    "SETTINGS_NAME",
    "SUMMARY_NAME",
    "ResultsWriter",
    "RunFacts",
    "begin_run",
    "completed_prefix",
    "package_versions",
    "read_results",
    "resume_run",
    "write_summary",
]

RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME = "results.jsonl", "settings.json", "summary.json"
STALE_NAMES = (RESULTS_NAME, SUMMARY_NAME, "report.html")
DECIMALS = 5
PACKAGES = ("textsem", "torch", "numpy", "transformers", "datasets", "safetensors")


class ResultsWriter:
    """Append results to a file in input order; a chunk is on the disk when ``write`` returns.

    Use as a context manager.  The first index to be written is the number of whole lines that are there.

    Args:
        path: ``results.jsonl``; made if missing, else continued.

    Raises:
        ValueError: If the file ends in a torn line; see ``completed_prefix``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        content = self.path.read_bytes() if self.path.exists() else b""
        if content and not content.endswith(b"\n"):
            raise ValueError(
                f"expected {self.path.name} to end with a whole line, got a torn one; resume the run first"
            )
        self.next_index = content.count(b"\n")
        self._file = self.path.open("ab")

    def __enter__(self) -> "ResultsWriter":
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def write(self, results: Sequence[AttackResult]) -> None:
        """Append a chunk, flush it and wait until it is on the disk.

        Raises:
            ValueError: If the indices do not continue those written, or a number is not finite.
        """
        lines = []
        for place, result in enumerate(results, start=self.next_index):
            if result.index != place:
                raise ValueError(f"expected the result of pair {place} next, got {result.index}")
            lines.append(_to_line(result))
        self._file.write("".join(lines).encode("utf-8"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.next_index += len(lines)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


def read_results(path: str | Path) -> list[AttackResult]:
    """Read a whole file.

    Raises:
        ValueError: If a line is torn, has other fields, or stands out of order; the message names the line.
    """
    return [_from_line(line, i) for i, line in enumerate(Path(path).read_bytes().splitlines(keepends=True))]


def completed_prefix(path: str | Path) -> list[AttackResult]:
    """Cut a torn last line off the file, if there is one, and return what is done; nothing for a missing file.

    Raises:
        ValueError: If a line before the last is broken: that is damage, not an interruption.
    """
    path = Path(path)
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return read_results(path)


def begin_run(folder: str | Path, settings: Mapping[str, Any]) -> None:
    """Make the folder ready for a new run: remove the files of an earlier one and store the settings.

    Args:
        folder: Output folder; made if missing.
        settings: Plain JSON types; whatever a result depends on: options, identities of data and model, seed.  What it
            does not depend on (batch size, device, limit) stays out, so that a run may be resumed with another.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in STALE_NAMES:
        (folder / name).unlink(missing_ok=True)
    _write_json(folder / SETTINGS_NAME, settings)


def resume_run(folder: str | Path, settings: Mapping[str, Any]) -> list[AttackResult]:
    """Return the results that are done, after making sure that they were made with the same settings.

    A folder without a run is begun anew.

    Raises:
        ValueError: If the stored settings differ, naming the first field that does; if results stand without settings.
    """
    folder = Path(folder)
    stored = folder / SETTINGS_NAME
    if not stored.exists():
        if (folder / RESULTS_NAME).exists():
            raise ValueError(f"expected {SETTINGS_NAME} beside {RESULTS_NAME}, got none: cannot tell what made them")
        begin_run(folder, settings)
        return []
    _check_same(json.loads(stored.read_text(encoding="utf-8")), json.loads(json.dumps(settings)), field="")
    return completed_prefix(folder / RESULTS_NAME)


@dataclass(frozen=True)
class RunFacts:
    """What a summary tells beside the figures that follow from the results.

    Args:
        settings: Every option of the run.
        seed: The seed.
        data: Identity of the data: source, split, number of rows, digest.
        model: Identity of adversary and target: names and digests.
        rows_sent: Rows sent to the target, the checks of the unchanged pairs included.
        seconds: Duration of the attack, in this process.
        pairs_per_second: Pairs computed in this process over ``seconds``.
        latent_noise: Reading 21: absolute and relative spectral noise; None where codes were not perturbed.
        notice: Anything a reader must know first, such as demo data.
    """

    settings: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    rows_sent: int
    seconds: float
    pairs_per_second: float
    latent_noise: Mapping[str, float] | None = None
    notice: str | None = None


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on, those that are installed."""
    found = {"python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_summary(path: str | Path, metrics: Mapping[str, Any], facts: RunFacts) -> dict[str, Any]:
    """Write ``summary.json`` and return what it holds: the metrics, the facts, and the versions.

    Args:
        path: The file.
        metrics: From ``summarise`` over the lines read back.
        facts: The rest.

    Raises:
        ValueError: If a metric and a fact share a name, or a number is not finite.
    """
    rest = {**asdict(facts), "versions": package_versions()}
    shared = sorted(set(metrics) & set(rest))
    if shared:
        raise ValueError(f"expected metrics and facts of different names, got {shared} in both")
    summary: dict[str, Any] = json.loads(json.dumps({**metrics, **rest}, allow_nan=False))
    _write_json(Path(path), summary)
    return summary


def _to_line(result: AttackResult) -> str:
    plain = {name: _plain(value) for name, value in result.to_dict().items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Round floats and sort nested keys; adding 0.0 turns -0.0 into 0.0."""
    if isinstance(value, float):
        return round(value, DECIMALS) + 0.0
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    return value


def _from_line(line: bytes, index: int) -> AttackResult:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise ValueError(f"expected a whole JSON line {index}, got {line[:60]!r}") from error
    names = [f.name for f in fields(AttackResult)]
    if not isinstance(values, dict) or list(values) != names:
        raise ValueError(f"expected fields {names} in line {index}, got {line[:60]!r}")
    result = AttackResult(**values)
    if result.index != index or result.status not in STATUSES or not line.endswith(b"\n"):
        raise ValueError(f"expected line {index} to be whole and in order, got {result.index}, {result.status}")
    return result


def _check_same(stored: Any, given: Any, *, field: str) -> None:
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in sorted({*stored, *given}):
            _check_same(stored.get(name), given.get(name), field=f"{field}.{name}" if field else name)
    elif stored != given:
        raise ValueError(f"expected {field} {stored!r} as in the run to be resumed, got {given!r}")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write beside and move over, so that a kill leaves the old file or the new one."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
