"""The table and the figure of a comparison, from what each attack's folder holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from textsem.evaluation.judges import Judgement
from textsem.evaluation.validity import ValidityThresholds
from textsem.evaluation.validity_conditions import attacked_pairs, failed_conditions, is_flip
from textsem.outputs import AttackResult
from textsem.runs.comparison import compare_proportions
from textsem.runs.intervals import wilson_interval

__all__ = ["attack_row", "draw_valid_curves", "headline", "to_markdown"]

NEAR_BUDGET = 20  # queries within which the table tells valid success
WELL_FORMED = {"fluency", "unknown word"}  # left out in "valid without the fluency condition"
DASH = "\u2013"
COLUMNS = (
    *("attack", "flips", "valid without fluency", "valid", f"valid within {NEAR_BUDGET} queries"),
    *("median queries at valid", "rows sent", "valid per 1,000 rows", "pairs a second"),
)

Row = dict[str, Any]


def attack_row(
    name: str,
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement],
    *,
    judge: str,
    thresholds: ValidityThresholds,
    pairs_per_second: float | None,
    confidence: float = 0.95,
) -> Row:
    """Return an attack's figures as plain JSON types.

    The denominator of every rate are the pairs that the target had right.  ``rows_sent`` are the queries; the rows that
    checked the unchanged pairs, the same for every attack, stand apart in ``rows_checked``.

    Args:
        name: Of the attack.
        results: All lines of its run.
        judgements: One for each pair that the target had right.
        judge: Whose labels count.
        thresholds: Of validity.
        pairs_per_second: As its run measured it, target included; None if it did not.
        confidence: Coverage of Wilson's intervals.

    Raises:
        ValueError: If a judgement is missing, or similarity or fluency of a flip was not measured.
    """
    pairs = attacked_pairs(results, judgements)
    failed = {r.index: failed_conditions(r, j, judge, thresholds) for r, j in pairs if is_flip(r)}
    queries = sorted(r.queries for r, _ in pairs if is_flip(r) and not failed[r.index])
    n, sent = len(pairs), sum(r.queries for r in results)

    def rate(count: int) -> dict[str, Any]:
        low, high = wilson_interval(count, n, confidence)
        return {"count": count, "of": n, "rate": count / n if n else None, "interval": [low, high]}

    return {
        "attack": name,
        "flips": rate(len(failed)),
        "valid_without_fluency": rate(sum(conditions <= WELL_FORMED for conditions in failed.values())),
        "valid": rate(len(queries)),
        f"valid_within_{NEAR_BUDGET}": rate(sum(k <= NEAR_BUDGET for k in queries)),
        "median_queries_at_valid": median(queries) if queries else None,
        "queries_at_valid": queries,
        "rows_sent": sent,
        "rows_checked": sum(r.prediction is not None for r in results),
        "valid_per_1000_rows": 1000 * len(queries) / sent if sent else None,
        "pairs_per_second": pairs_per_second,
        "errors": sum(r.status == "error" for r in results),
        "unsupported": sum(r.status == "unsupported" for r in results),
    }


def headline(rows: Sequence[Row], *, ours: str) -> str | None:
    """Say whether our attack's valid success within the near budget is above each other attack's at its own budget.

    Above means that the Wilson intervals do not touch.

    Args:
        rows: Of the table.
        ours: The row that the others are held against.

    Returns:
        One sentence; None if there is nothing to compare.
    """
    own = next((row for row in rows if row["attack"] == ours), None)
    others = [row for row in rows if row["attack"] != ours]
    if own is None or not others or not own["valid"]["of"]:
        return None
    near = own[f"valid_within_{NEAR_BUDGET}"]

    def is_beaten(other: Row) -> bool:
        valid = other["valid"]
        return compare_proportions(near["count"], near["of"], valid["count"], max(valid["of"], 1)).is_above

    unbeaten = [other["attack"] for other in others if not is_beaten(other)]
    rate = f"valid success of {ours} within {NEAR_BUDGET} queries is {_rate(near)}"
    if unbeaten:
        return f"Not above {', '.join(unbeaten)} beyond the intervals: {rate}."
    return f"Above every other attack at its own budget, beyond the intervals: {rate}."


def to_markdown(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Return the table as Markdown, what was compared on above it and what was replaced below it."""
    lines = [f"# Attacks compared: {facts['pairs']} pairs, {facts['attacked']} of them right before", ""]
    lines += [facts["headline"], ""] if facts["headline"] else []
    lines += [f"- {name}: {facts[name]}" for name in ("target", "judge", "thresholds", "budget", "constraints")]
    lines += [
        "- shares are of the pairs that the target had right, with Wilson's 95% interval; a pair that an attack cannot "
        "take, or on which it fails, counts as its failure",
        "- rows sent: queries, without the one row a pair that checks it unchanged; `-constrained`: with our "
        "constraints and our budget, other peers at their own",
        "- the judge errs too, and not independently of the target: shares of valid success are no better than it is",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *("| " + " | ".join(_cells(row)) + " |" for row in rows),
    ]
    notes = [f"- {name}: {note}" for name, note in facts["notes"].items()]
    return "\n".join([*lines, *(["", "Replaced or amiss:", "", *notes] if notes else []), ""])


def draw_valid_curves(path: Path, rows: Sequence[Row]) -> None:
    """Draw valid success against queries, one curve an attack, as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    last = max([100, *(k for row in rows for k in row["queries_at_valid"])])
    for i, row in enumerate(rows):
        queries, n = row["queries_at_valid"], max(row["valid"]["of"], 1)
        heights = [100 * (k + 1) / n for k in range(len(queries))]
        x, y = [1, *queries, last], [0.0, *heights, heights[-1] if heights else 0.0]
        style = ("-", "--", "-.", ":")[i // 10 % 4]
        width = 2.6 if i == 0 else 1.3
        axes.step(x, y, where="post", label=row["attack"], color=f"C{i % 10}", linestyle=style, linewidth=width)
    axes.set_xscale("log")
    axes.axvline(NEAR_BUDGET, color="0.7", linewidth=0.8)
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if k <= last]
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set(xlabel="queries per pair", ylabel="valid success (% of pairs right before)", xlim=(1, last))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.2)
    if rows:
        figure.legend(loc="outside right upper", fontsize=7.5, frameon=False)
    figure.savefig(path, metadata={"Software": None})


def _cells(row: Row) -> list[str]:
    rates = [_rate(row[k]) for k in ("flips", "valid_without_fluency", "valid", f"valid_within_{NEAR_BUDGET}")]
    speed = row["pairs_per_second"]
    return [
        row["attack"],
        *rates,
        _number(row["median_queries_at_valid"]),
        f"{row['rows_sent']:,}",
        _number(row["valid_per_1000_rows"]),
        DASH if speed is None else f"{speed:.2g}",
    ]


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["rate"] is None:
        return DASH
    low, high = (100 * bound for bound in rate["interval"])
    return f"{100 * rate['rate']:.1f}% ({low:.1f} to {high:.1f})"


def _number(value: float | None) -> str:
    return DASH if value is None else f"{value:,.1f}".removesuffix(".0")
