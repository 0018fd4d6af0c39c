"""The table of a comparison of attacks on images."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from images_ext.evaluation.evidence_tables import markdown_table
from images_ext.evaluation.finished_run import query_budget
from images_ext.evaluation.judged_folders import JudgedRun
from images_ext.evaluation.rivalries import Rivalry
from textsem.runs.formats import DASH, number, percent, points, rate_interval

__all__ = ["COMPARE_NAMES", "NEAR_BUDGETS", "ball_of", "comparison_tables", "run_row"]

COMPARE_NAMES = ("compare.json", "compare.md")
NEAR_BUDGETS = (5, 20)  # queries within which the table tells joint success too
COLUMNS = (
    *("attack", "access", "raw flips", "success in the ball", "joint success", "of both right", "label kept"),
    *(f"joint within {k}" for k in NEAR_BUDGETS),
    *("median queries", "at success", "ours minus it", "p", *(f"within {k}: ours minus it, p" for k in NEAR_BUDGETS)),
)


def run_row(run: JudgedRun, rival: Rivalry | None, near: Mapping[int, Rivalry]) -> dict[str, Any]:
    """Return an attack's figures as plain JSON types.

    Args:
        run: A judged run.
        rival: What ours against it says; None for ours itself.
        near: The same of successes within few queries, by their number.
    """
    figures, kept = run.figures, run.kept or {}
    queries = [run.run.results[index].queries for index in sorted(run.successes)]
    return {
        "attack": run.run.name,
        "folder": run.run.folder.name,
        "access": run.run.settings.get("access"),
        "ball": ball_of(run.run.settings),
        "raw": figures["raw"],
        "success": figures["success"],
        "success_of_all": figures["success_of_all"],
        "reconstruction_flips": figures["reconstruction_flips"],
        "joint": kept.get("joint"),
        "joint_of_all": kept.get("joint_of_all"),
        "joint_within": kept.get("joint_within"),
        "joint_where_judge_right": kept.get("joint_where_judge_right"),
        "label_kept": kept.get("kept"),
        "median_queries": figures["queries"]["median"],
        "median_queries_at_success": median(queries) if queries else None,
        "rows_sent": run.run.summary.get("rows_sent"),
        "ours_against_it": None if rival is None else rival.to_dict(),
        "ours_against_it_within": {str(k): found.to_dict() for k, found in near.items()},
    }


def ball_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a flip counts, and the most rows sent for one image."""
    return {"norm": settings.get("norm"), "eps": settings.get("eps"), "max_queries": query_budget(settings)}


def comparison_tables(comparison: Mapping[str, Any]) -> str:
    """Return the table as Markdown, what was compared on above it."""
    data, ball = comparison["data"] or {}, comparison["ball"]
    target, judge = comparison["target"] or {}, comparison["judge"] or {}
    eps = "any distance" if ball["eps"] is None else f"{ball['norm']} < {number(ball['eps'], 4)}"
    lines = [
        f"# Attacks compared: {comparison['images']} images, {comparison['attacked']} of them right before",
        "",
        *(line for notice in comparison["notices"] for line in (f"**Note.** {notice}", "")),
        comparison["headline"],
        "",
        f"- images: {data.get('name', DASH)}, {data.get('split', DASH)}; pixels in [0, 1]",
        f"- target: {target.get('name', DASH)}, {percent(comparison['target_accuracy'])} right on these images",
        f"- judge: {judge.get('name', DASH)}, {_rate(comparison['judge_accuracy'])} right on them",
        f"- ball: {eps}; at most {ball['max_queries']} queries an image; where a run has its own, the JSON tells it",
        *(
            f"- **set otherwise**: {row['attack']}: {', '.join(row['ours_against_it']['unlike'])}"
            for row in comparison["rows"]
            if row["ours_against_it"] and row["ours_against_it"]["unlike"]
        ),
        "",
        *markdown_table(COLUMNS, [_cells(row) for row in comparison["rows"]]),
        "",
        "Shares are of the images that the target had right, with Wilson's 95% interval; of both right: of those that "
        "the judge had right too.  Raw flips lie in the ball or outside it.  Joint: a flip in the ball, and the judge "
        "reads the true class before and after.  Label kept: of the successes.  Ours minus it: joint success in "
        "percentage points, at all queries and within few; p from McNemar's exact test on the same images, after Holm.",
    ]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    held, near = row["ours_against_it"], row["ours_against_it_within"]
    within = row["joint_within"] or {}
    return (
        row["attack"],
        row["access"] or DASH,
        *(_rate(row[name]) for name in ("raw", "success", "joint", "joint_where_judge_right", "label_kept")),
        *(_rate(within.get(str(k))) for k in NEAR_BUDGETS),
        number(row["median_queries"], 1),
        number(row["median_queries_at_success"], 1),
        "" if held is None else points(held["difference"]),
        "" if held is None else f"{held['p_value']:.2g}",
        *(_held(near.get(str(k))) for k in NEAR_BUDGETS),
    )


def _held(rival: Mapping[str, Any] | None) -> str:
    return "" if rival is None else f"{points(rival['difference'])}, {rival['p_value']:.2g}"


def _rate(share: Mapping[str, Any] | None) -> str:
    if share is None or share["rate"] is None:
        return DASH
    return f"{percent(share['rate'])} ({rate_interval(share)})"
