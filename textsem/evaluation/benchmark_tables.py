"""The figures of ``run_benchmark`` as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["benchmark_tables"]

UPDATE_COLUMNS = ("preset", "vocabulary", "M", "wall ms", "cpu ms", "wall to M = 5", "cpu to M = 5")
UPDATE_KEYS = ("preset", "vocabulary", "particles", "wall_ms", "cpu_ms", "wall_to_5", "cpu_to_5")
BIAS_COLUMNS = ("weights", "cosine", "difference", "of an unbiased mean", "noise of one draw", "norm ratio")
BIAS_KEYS = ("cosine", "difference", "expected", "noise", "norm_ratio")
TARGET_COLUMNS = ("clock", "rows/s alone", "rows/s of its calls", "rows/s of the attack", "attack to alone")
TARGET_KEYS = ("alone_rows_per_{}_second", "calls_rows_per_{}_second", "attack_rows_per_{}_second")


def benchmark_tables(measured: Mapping[str, Any]) -> str:
    """Return the figures that were measured as tables, with threads and load."""
    settings, machine = measured["settings"], measured["machine"]
    load = "unknown" if measured["load"] is None else f"{measured['load']:.1f}"
    parts = [
        f"Threads: {settings['threads']} of {machine['cores']} cores; load before: {load}; torch {machine['torch']}; "
        f"medians of {settings['repeats']}; wall: wall clock, cpu: processor time over all threads."
    ]
    if "update" in measured:
        title = f"Inner update of Algorithm 2 (lines 8 to 16, target excluded), batch {settings['batch_size']}"
        rows = [[_shown(row[key]) for key in UPDATE_KEYS] for row in measured["update"]]
        parts.append(_table(title, UPDATE_COLUMNS, rows))
    if "bias" in measured:
        title = f"Sampled gradient of L_x, mean of {settings['num_draws']} draws, against the exact one"
        rows = [[name, *(f"{row[key]:.4f}" for key in BIAS_KEYS)] for name, row in measured["bias"].items()]
        parts.append(_table(title, BIAS_COLUMNS, rows))
    if "candidates" in measured:
        parts.append(_candidates(measured["candidates"], settings["num_candidates"]))
    if "target" in measured:
        parts.append(_target(measured["target"]))
    if "search" in measured:
        parts.append(_search(measured["search"]))
    if "import" in measured:
        seconds = measured["import"]
        more = seconds["import textsem"] - seconds["pass"]
        parts.append(f"`import textsem`: {more:+.3f} s beside `python -c pass` ({seconds['pass']:.3f} s)")
    return "\n\n".join(parts)


def _candidates(rows: Sequence[Mapping[str, Any]], num_candidates: int) -> str:
    steps = list(rows[0]["shares"])
    columns = ("threads", "pairs", "wall ms a candidate", "cpu ms a candidate", *(f"share {step}" for step in steps))
    cells = []
    for row in rows:
        times = (f"{row[key]:.3f}" for key in ("wall_ms", "cpu_ms"))
        cells.append([str(row["threads"]), str(row["pairs"]), *times, *(_percent(row["shares"][s]) for s in steps)])
    return _table(f"Attack outside the target, {num_candidates} candidates a pair", columns, cells)


def _target(row: Mapping[str, Any]) -> str:
    cells = []
    for clock in ("wall", "cpu"):
        speeds = (f"{row[key.format(clock)]:.0f}" for key in TARGET_KEYS)
        cells.append([clock, *speeds, _percent(row[f"attack_to_alone_{clock}"])])
    return _table(f"Target, {row['rows']} rows of {row['pairs']} pairs", TARGET_COLUMNS, cells)


def _search(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = []
    for row in rows:
        speeds = [f"{row[f'{name}_rows_per_wall_second']:.0f}" for name in ("alone", "attack")]
        shares = [_percent(row[f"attack_to_alone_{clock}"]) for clock in ("wall", "cpu")]
        counts = [str(row[name]) for name in ("max_queries", "pairs", "rows")]
        cells.append([*counts, f"{row['pairs_per_second']:.1f}", *speeds, *shares])
    columns = (
        "queries",
        "pairs",
        "rows",
        "pairs/s",
        "rows/s alone",
        "rows/s of the attack",
        "share, wall",
        "share, cpu",
    )
    return _table("Whole attack, filters and target included, start-up excluded, timed once", columns, cells)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *rows)]
    return "\n".join([title, "", *lines])
