"""The figures of an adversary as files: ``metrics.json``, and tables and examples in Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["METRICS_NAME", "TABLES_NAME", "evaluation_tables", "write_evaluation"]

METRICS_NAME = "metrics.json"
TABLES_NAME = "evaluation.md"

RECONSTRUCTION_COLUMNS = ("model", "sentences", "n", "tokens", "exact", "unknown words", "coverage")
SMOOTHNESS_COLUMNS = (
    "moved by",
    "n",
    "reached",
    "jumped",
    "unchanged",
    "median ratio",
    "95% interval",
    "ratio <= 2",
    "similarity",
    "words",
    "scale",
)
EXAMPLE_COLUMNS = ("before", "after", "ratio", "similarity")


def write_evaluation(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json`` and ``evaluation.md`` into ``folder``.

    Raises:
        ValueError: If a number is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / METRICS_NAME).write_text(text + "\n", encoding="utf-8")
    parts = ["# Figures of an adversary", "", evaluation_tables(metrics)]
    for source, examples in metrics["examples"].items():
        rows = [(e["old"], e["new"], _number(e["perplexity_ratio"]), _number(e["similarity"])) for e in examples]
        parts += ["", f"## Moved by {source}: {len(rows)} at random", "", *_table(EXAMPLE_COLUMNS, rows)]
    (folder / TABLES_NAME).write_text("\n".join(parts) + "\n", encoding="utf-8")


def evaluation_tables(metrics: Mapping[str, Any]) -> str:
    """Return both tables, with what was measured and what judged, in Markdown."""
    data, judge = metrics["data"], metrics["judge"]
    fitted_on = judge["fitted_on"]
    named = fitted_on if isinstance(fitted_on, str) else f"{', '.join(fitted_on)} ({judge['sentences']} sentences)"
    reconstruction = [
        (
            model,
            group,
            str(figures["num_sentences"]),
            *map(_percent, (figures["share_of_tokens"], figures["share_exact"], figures["share_unknown"])),
            _percent(figures["coverage"]),
        )
        for model, groups in metrics["reconstruction"].items()
        for group, figures in groups.items()
    ]
    return "\n".join(
        [
            *([f"Notice: {metrics['notice']}", ""] if metrics["notice"] else []),
            f"Hypotheses of {data['source']} ({data['rows']} pairs), seed {metrics['settings']['seed']}.",
            "",
            *_table(RECONSTRUCTION_COLUMNS, reconstruction),
            "",
            f"Ratios are of the perplexity under a word trigram, after to before; it was fitted on: {named}.",
            "",
            *_table(SMOOTHNESS_COLUMNS, [_smoothness_row(*item) for item in metrics["smoothness"].items()]),
        ]
    )


def _smoothness_row(source: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    interval = figures["median_ratio_interval"]
    return (
        source,
        str(figures["n"]),
        *map(_percent, (figures["share_reached"], figures["share_jumped"], figures["share_unchanged"])),
        _number(figures["median_ratio"]),
        "-" if interval is None else " to ".join(map(_number, interval)),
        _percent(figures["share_good"]),
        *map(_number, (figures["median_similarity"], figures["median_changed_words"], figures["median_scale"])),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
