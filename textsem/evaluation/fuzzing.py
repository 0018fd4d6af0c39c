"""Hostile rows through the main job and the pipeline: nothing crashes, and every row is accounted for."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from textsem.data.shown import writable
from textsem.evaluation.hostile_files import write_delimited, write_lines, write_parquet
from textsem.evaluation.hostile_rows import MARKUP, ORDINARY, UNLABELLED, HostileRow, draw_rows
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import NUM_EXAMPLES, write_report
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME, read_results
from textsem.outputs import STATUSES, AttackResult
from textsem.runs.whole_files import write_json

__all__ = ["Check", "Fuzz", "FuzzConfig", "fuzz", "fuzz_table", "unescaped_markup"]

REPORT_NAME, FIGURES_NAME = "report.html", "fuzz.json"
DROPPED = "dropped"
PART = 20  # of so many rows, one goes through the other formats and through the pipeline
FEWEST = 100
SHOWN = 300  # characters of what came


@dataclass(frozen=True)
class FuzzConfig:
    """What is fed to what.

    Args:
        output: Folder for the files of all runs, and ``fuzz.json``.
        rows: Rows of the jsonl file; other formats and the pipeline get a twentieth of them, at least 100.
        seed: Of the rows.
        max_queries: Of each pair.
        num_candidates: Of each pair.
        minutes: Longest time for one run; a longer one counts as hanging.
    """

    output: str = "runs/fuzz"
    rows: int = 10_000
    seed: int = 0
    max_queries: int = 10
    num_candidates: int = 20
    minutes: float = 60.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("rows", "max_queries", "num_candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not self.minutes > 0:
            raise ValueError(f"expected minutes > 0, got {self.minutes}")


@dataclass(frozen=True)
class Check:
    """Something that has to hold.

    Args:
        name: What.
        problem: What was found instead; None if it holds.
    """

    name: str
    problem: str | None


@dataclass
class Fuzz:
    """What came out.

    Args:
        checks: In the order in which they were made.
        table: Kind of row to status to number of rows, of the jsonl file.
        seconds: By the name of the run.
        slowest: Kind of row to the seconds of its slowest pair, alone in the pipeline.
    """

    checks: list[Check] = field(default_factory=list)
    table: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)

    @property
    def problems(self) -> list[Check]:
        """The checks that do not hold."""
        return [check for check in self.checks if check.problem is not None]

    def hold(self, name: str, problem: str | None) -> bool:
        """Note a check; tell whether it holds."""
        self.checks.append(Check(name, problem and problem[:SHOWN]))
        return problem is None


def fuzz(config: FuzzConfig, make_pipeline: Callable[..., Callable[[Any], Any]]) -> Fuzz:
    """Draw rows, run everything over them, and write ``fuzz.json``.

    Args:
        config: What is fed to what.
        make_pipeline: ``textsem.pipeline``, which stands above this module.

    Raises:
        OSError: If the files of the runs cannot be written.
    """
    found, folder = Fuzz(), Path(config.output)
    rows = draw_rows(config.rows, seed=config.seed)
    ordinary = [row for row in rows if row.kind == ORDINARY]
    data = write_lines(folder / "rows.jsonl", rows)
    with_others = _attack("jsonl", data, rows, config, found)
    found.table = _table(rows, with_others)
    _remake_report(folder / "jsonl", with_others, config, found)
    alone = _attack("ordinary rows alone", write_lines(folder / "ordinary.jsonl", ordinary), ordinary, config, found)
    found.hold("ordinary rows fare as they do alone", _difference(rows, with_others, alone))
    some = draw_rows(min(config.rows, max(FEWEST, config.rows // PART)), seed=config.seed + 1)
    told = [row for row in some if row.values is not None]
    for name, write in (("csv", write_delimited), ("tsv", write_delimited), ("parquet", write_parquet)):
        _attack(name, write(folder / f"rows.{name}", told), told, config, found)
    from_file = _attack("part", write_lines(folder / "part.jsonl", some), some, config, found)
    attack = make_pipeline(max_queries=config.max_queries, num_candidates=config.num_candidates, device="cpu")
    _call_pipeline(attack, some, from_file, found)
    write_json(folder / FIGURES_NAME, {"settings": asdict(config), **asdict(found)})
    return found


def fuzz_table(found: Fuzz) -> str:
    """Return what came out, for a person: kinds by status, the slowest rows, the checks."""
    names = [name for name in (*STATUSES, DROPPED) if any(name in counts for counts in found.table.values())]
    lines = [f"{'kind of row':28}" + "".join(f"{name:>12}" for name in names)]
    for kind in sorted(found.table):
        lines.append(f"{kind:28}" + "".join(f"{found.table[kind].get(name, '-'):>12}" for name in names))
    slow = sorted(found.slowest.items(), key=lambda item: -item[1])[:5]
    lines.append("slowest alone: " + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in slow))
    lines.append("seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in found.seconds.items()))
    lines += [f"FAILED {check.name}: {check.problem}" for check in found.problems]
    lines.append(f"{len(found.checks) - len(found.problems)} of {len(found.checks)} checks hold")
    return "\n".join(lines)


def unescaped_markup(results: Sequence[AttackResult], path: Path) -> str | None:
    """Say whether a page with markup in its examples, everywhere a row's text can stand, holds it unescaped."""
    with_markup = [r for r in results if MARKUP in r.premise + r.hypothesis and r.prediction is not None]
    flips = [
        replace(
            result,
            index=i,
            label=str(result.prediction),
            status="success",
            scores=None,
            adversarial=f"{result.hypothesis} indeed {MARKUP}",
            adversarial_prediction="entailment" if result.prediction == "neutral" else "neutral",
            queries=1,
            distance=1.0,
            edits=1,
        )
        for i, result in enumerate(with_markup[:NUM_EXAMPLES])
    ]
    summary = {**summarise(flips), "seed": 0, "first_error": MARKUP, "settings": {"target": MARKUP}}
    write_report(path, summary, flips, notice=MARKUP)
    page = path.read_text(encoding="utf-8")
    escaped = MARKUP.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;")
    if flips and escaped not in page:
        return f"no example with {escaped} in {path}"
    return f"{MARKUP} in {path}" if MARKUP in page else None


def _attack(name: str, data: Path, rows: Sequence[HostileRow], config: FuzzConfig, found: Fuzz) -> list[AttackResult]:
    """Run the main job over a file and check what it leaves; return its lines, none if it failed."""
    folder = Path(config.output, name.replace(" ", "-"))
    options = ["--data", str(data), "--output", str(folder), "--limit", "0", "--quiet", "--device", "cpu"]
    options += ["--max-queries", str(config.max_queries), "--num-candidates", str(config.num_candidates)]
    if not _command(name, ["attack", *options], config, found):
        return []
    results = list(read_results(folder / RESULTS_NAME))
    summary = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))
    page = (folder / REPORT_NAME).read_text(encoding="utf-8")
    asked = [row for row in rows if row.kind != UNLABELLED]
    dropped = summary["data"]["dropped_unlabelled"]
    came = f"{len(results)} lines and {dropped} dropped of {len(rows)} rows, {len(rows) - len(asked)} unlabelled"
    is_whole = len(results) == len(asked) and dropped == len(rows) - len(asked)
    if not found.hold(f"{name}: every row is accounted for", None if is_whole else came):
        return []
    found.hold(f"{name}: lines stand in order and hold the row's text", next(_misplaced(asked, results), None))
    silent = [r.index for r in results if r.status in ("error", "unsupported") and not (r.message or "").strip()]
    found.hold(f"{name}: every error has a message", f"none at {silent[:5]}" if silent else None)
    told = [r for r in results if r.status == "error" and r.index not in silent]
    defects = [f"{r.index}: {r.message}" for r in told if not _tells(r.message or "")]
    found.hold(f"{name}: every error is about the row", f"{len(defects)}: {defects[0]}" if defects else None)
    counts = {status: sum(r.status == status for r in results) for status in STATUSES}
    found.hold(f"{name}: the summary counts the lines", None if summary["statuses"] == counts else str(summary))
    is_sound = "</html>" in page and MARKUP not in page
    found.hold(f"{name}: the page is whole and holds no markup of a row", None if is_sound else "it is not so")
    return results


def _command(name: str, arguments: Sequence[str], config: FuzzConfig, found: Fuzz) -> bool:
    """Run ``textsem`` in a process of its own; tell whether it ended well."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "textsem", *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=60.0 * config.minutes)
    except subprocess.TimeoutExpired:
        return found.hold(f"{name}: ends", f"no end within {config.minutes:g} minutes")
    found.seconds[name] = round(time.perf_counter() - began, 1)
    said = ended.stderr.decode("utf-8", "backslashreplace")
    found.hold(f"{name}: says nothing that is not meant for a user", said[-SHOWN:] if said.strip() else None)
    return found.hold(f"{name}: exit code 0", None if ended.returncode == 0 else f"{ended.returncode}")


def _remake_report(folder: Path, results: Sequence[AttackResult], config: FuzzConfig, found: Fuzz) -> None:
    if not results:
        return
    before = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))
    (folder / REPORT_NAME).unlink()
    if _command("report", ["report", str(folder)], config, found):
        after = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))
        differ = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        found.hold("report: the summary is as before", f"others: {differ}" if differ else None)
        page = (folder / REPORT_NAME).read_text(encoding="utf-8")
        found.hold("report: the page holds no markup of a row", "it does" if MARKUP in page else None)
    found.hold("report: examples are escaped", unescaped_markup(results, folder / "examples.html"))


def _call_pipeline(
    attack: Callable[[Any], Any], rows: Sequence[HostileRow], from_file: Sequence[AttackResult], found: Fuzz
) -> None:
    """Hand the rows to the pipeline, all at once and one by one, and hold its dicts against the file's lines."""
    inputs = [row.values if row.values is not None else row.line for row in rows]
    began = time.perf_counter()
    try:
        together = attack(inputs)
    except Exception as error:
        found.hold("pipeline: does not raise", f"{type(error).__name__}: {error}")
        return
    found.seconds["pipeline"] = round(time.perf_counter() - began, 1)
    is_whole = [line["index"] for line in together] == list(range(len(rows)))
    found.hold("pipeline: one result for each row, in order", None if is_whole else f"{len(together)} of {len(rows)}")
    places = (i for i, row in enumerate(rows) if row.kind != UNLABELLED)
    other = [
        f"row {i} ({rows[i].kind})"
        for i, line in zip(places, from_file, strict=False)
        # A file's columns are those of its first rows, a dict's its own.
        if rows[i].values is not None and rows[i].kind != "keys" and not _is_same(together[i], line)
    ]
    found.hold("pipeline: the results are those of the file", f"others: {other[:5]}" if other else None)
    unequal = []
    for i, row in enumerate(rows):
        if row.values is not None:
            began = time.perf_counter()
            single = attack(row.values)
            seconds = round(time.perf_counter() - began, 2)
            found.slowest[row.kind] = max(seconds, found.slowest.get(row.kind, 0.0))
            if not _is_same(single, together[i]):
                unequal.append(f"row {i} ({row.kind})")
    found.hold("pipeline: one by one as all at once", f"others: {unequal[:5]}" if unequal else None)


def _is_same(line: dict[str, Any], other: "AttackResult | dict[str, Any]") -> bool:
    """Tell whether two results of a pair are the same; messages about a row name its place."""
    other = other.to_dict() if isinstance(other, AttackResult) else other
    placed = ("index", "message")
    return {k: v for k, v in line.items() if k not in placed} == {k: v for k, v in other.items() if k not in placed}


def _tells(message: str) -> bool:
    """Tell whether a message was written for a user: one line in our words, of a row that cannot be attacked."""
    return message.startswith("expected ") and "\n" not in message


def _misplaced(asked: Sequence[HostileRow], results: Sequence[AttackResult]) -> Iterator[str]:
    """Yield what is wrong with a line that stands for another row; a row that says nothing fits any line."""
    for i, (row, result) in enumerate(zip(asked, results, strict=True)):
        told = [(row.values or {}).get(role) for role in ("premise", "hypothesis")]
        pairs = zip(told, (result.premise, result.hypothesis), strict=True)
        # What is no UTF-8 is spelled out, of csv byte by byte.
        same = [not isinstance(text, str) or writable(text) != text or w in ("", text) for text, w in pairs]
        if result.index != i or not all(same):
            yield f"row {i} ({row.kind}): {result.index}, {result.premise[:50]!r}, {result.hypothesis[:50]!r}"


def _difference(
    rows: Sequence[HostileRow], with_others: Sequence[AttackResult], alone: Sequence[AttackResult]
) -> str | None:
    asked = [row for row in rows if row.kind != UNLABELLED]
    found = [r for row, r in zip(asked, with_others, strict=False) if row.kind == ORDINARY]
    if len(found) != len(alone) or not alone:
        return f"{len(found)} among others, {len(alone)} alone"
    other = [a.index for a, b in zip(alone, found, strict=True) if replace(b, index=a.index) != a]
    return f"{len(other)} differ, such as {other[:5]}" if other else None


def _table(rows: Sequence[HostileRow], results: Sequence[AttackResult]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {row.kind: Counter() for row in rows}
    lines = iter(results)
    for row in rows:
        line = None if row.kind == UNLABELLED else next(lines, None)
        table[row.kind][DROPPED if line is None else line.status] += 1
    return {kind: dict(counts) for kind, counts in table.items()}
