"""The report of the augmentation experiment: what it says first, its table, its tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textsem.evaluation.augmentation_arms import CONTROLS, PLAIN
from textsem.evaluation.augmentation_figure import draw_arms
from textsem.evaluation.augmentation_statistics import Spread, accuracies, compare_arms, set_groups
from textsem.evaluation.formats import DASH, number, percent, points
from textsem.evaluation.two_samples import holm
from textsem.evaluation.whole_files import write_whole

__all__ = ["FIGURE_NAME", "REPORT_NAME", "verdict", "write_report"]

REPORT_NAME, FIGURE_NAME = "report.md", "figure.png"
CLEAN, UNSEEN, KEPT = "clean", "unseen", "label kept"
CLEAN_LOSS = 0.005  # what clean accuracy may lose

Measurements = Mapping[str, Any]


def write_report(folder: Path) -> str:
    """Write ``report.md`` and ``figure.png`` from ``measurements.json``, and return the text.

    Raises:
        ValueError: If there are no measurements.
    """
    from textsem.evaluation.measure_augmentation import MEASUREMENTS_NAME

    path = folder / MEASUREMENTS_NAME
    if not path.is_file():
        raise ValueError(f"expected {MEASUREMENTS_NAME} of scripts/measure_augmentation.py in {folder}, got none")
    measured = json.loads(path.read_text(encoding="utf-8"))
    parts = [
        "# Augmentation measured",
        verdict(measured),
        _arms_table(measured),
        _tests(measured),
        _fresh(measured),
        _notes(measured),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    write_whole(folder / REPORT_NAME, text.encode("utf-8"))
    draw_arms(folder / FIGURE_NAME, measured, set_groups(measured["sets"]))
    return text


def verdict(measured: Measurements) -> str:
    """Say whether the gain is there: under unseen attacks above every other arm, and clean accuracy kept."""
    groups, right = set_groups(measured["sets"]), measured["right"]
    others = [arm for arm in (PLAIN, *CONTROLS) if arm in measured["arms"]]
    sentences = []
    for arm in measured["arms"]:
        if arm in others:
            continue
        if UNSEEN not in groups or accuracies(right.get(arm, {}), groups[UNSEEN]) is None:
            sentences.append(f"**{arm}: not measured under unseen attacks.**")
            continue
        found = {other: compare_arms(right[arm], right.get(other, {}), groups[UNSEEN]) for other in others}
        gain = next((result.difference for other, result in found.items() if other == PLAIN and result), None)
        behind = [other for other, result in found.items() if result is not None and result.difference <= 0]
        within = [
            other
            for other, result in found.items()
            if result is not None and other not in behind and not result.is_beyond_seeds
        ]
        missing = [other for other, result in found.items() if result is None]
        text = "" if gain is None else f"{points(gain)} points above plain under unseen attacks"
        if behind:
            text = f"the gain is not there: not above {', '.join(behind)} under unseen attacks; {text}"
        elif within:
            text = f"the gain is within the spread of the seeds beside {', '.join(within)}; {text}"
        else:
            text = f"above {', '.join(found)} beyond the spread of the seeds under unseen attacks; {text}"
        clean = compare_arms(right[arm], right.get(PLAIN, {}), groups[CLEAN])
        if clean is not None:
            kept = "within" if clean.difference >= -CLEAN_LOSS else "**not** within"
            text += f"; clean accuracy {points(clean.difference)} points, {kept} 0.5 of plain"
        if missing:
            text += f"; not measured: {', '.join(missing)}"
        sentences.append(f"**{arm}**: {text}.")
    return "\n\n".join(sentences)


def _arms_table(measured: Measurements) -> str:
    groups = set_groups(measured["sets"])
    columns = [*groups, *[name for name in groups.get(UNSEEN, []) if len(groups[UNSEEN]) > 1]]
    titles = [_title(name, groups, measured) for name in columns]
    lines = [
        "Accuracy, mean over the seeds and standard deviation, points; several attacks weigh the same.",
        "",
        f"| arm | rows | {' | '.join(titles)} | label noise | training, s |",
        "|---" * (len(columns) + 4) + "|",
    ]
    for arm, described in measured["arms"].items():
        right = measured["right"].get(arm, {})
        cells = [_spread(accuracies(right, groups.get(name, [name]))) for name in columns]
        noise = described.get("label_noise")
        seconds = list(measured["training_seconds"].get(arm, {}).values())
        cells += [
            percent(noise["disagree"] / noise["rows"]) if noise else DASH,
            number(sum(seconds) / len(seconds), 0) if seconds else DASH,
        ]
        lines.append(f"| {arm} ({len(right)} seeds) | {described['num_rows']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _tests(measured: Measurements) -> str:
    """Return every arm of ours beside every other one, figure by figure."""
    groups, right = set_groups(measured["sets"]), measured["right"]
    others = [arm for arm in (PLAIN, *CONTROLS) if arm in measured["arms"]]
    blocks = []
    for arm in (arm for arm in measured["arms"] if arm not in others):
        lines = [
            f"{arm} minus each other arm, points (95% bootstrap over the rows; p of a paired permutation test over the "
            "rows, after Holm for the arms; p of Welch's t over the seeds; beyond: lowest seed above the other's "
            "highest).",
            "",
            f"| figure | {' | '.join(others)} |",
            "|---" * (len(others) + 1) + "|",
        ]
        for name, sets in groups.items():
            found = [compare_arms(right.get(arm, {}), right.get(other, {}), sets) for other in others]
            adjusted = iter(holm([result.p_value for result in found if result is not None]))
            cells = []
            for result in found:
                if result is None:
                    cells.append(DASH)
                    continue
                low, high = map(points, result.interval)
                seeds = "" if result.seeds_p_value is None else f", seeds p {result.seeds_p_value:.3f}"
                beyond = ", **beyond**" if result.is_beyond_seeds else ""
                cells.append(f"{points(result.difference)} ({low} to {high}; p {next(adjusted):.4f}{seeds}{beyond})")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _fresh(measured: Measurements) -> str:
    attacks = sorted({attack for seeds in measured["fresh"].values() for one in seeds.values() for attack in one})
    if not attacks:
        return "No model was attacked afresh."
    lines = [
        "Each model attacked afresh: still right, share of all pairs; in brackets valid successes a model.",
        "",
        f"| arm | {' | '.join(attacks)} |",
        "|---" * (len(attacks) + 1) + "|",
    ]
    for arm, seeds in measured["fresh"].items():
        cells = []
        for attack in attacks:
            found = [one[attack] for one in seeds.values() if attack in one]
            if not found:
                cells.append(DASH)
                continue
            spread = Spread(tuple(one["right_under_attack"] / one["pairs"] for one in found))
            valid = [one["valid"] for one in found if one["valid"] is not None]
            cells.append(_spread(spread) + (f" [{sum(valid) / len(valid):.1f}]" if valid else ""))
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _notes(measured: Measurements) -> str:
    settings, cost = measured["settings"], measured.get("cost")
    lines = [
        f"- {name}: {described['rows']:,} rows, {described['source']}" for name, described in measured["sets"].items()
    ]
    for arm, described in measured["arms"].items():
        if described["origins"]:
            origins = ", ".join(f"{origin} {count:,}" for origin, count in described["origins"].items())
            lines.append(f"- {arm}: {described['num_new']:,} new rows ({origins})")
    if cost:
        mean = _mean_seconds(measured)
        share = cost["ms_a_row_with_filters"] * settings["limit"] / 1000 / mean if mean else None
        lines.append(
            f"- cost of augmentation: {cost['ms_a_row_with_filters']:.0f} ms of processor time a pair with filters, "
            f"{cost['ms_a_row_without_filters']:.0f} without; for all {settings['limit']:,} pairs "
            f"{percent(share, 0)} of one training on plain rows"
        )
    lines.append(f"- seeds {settings['seeds']}, {settings['num_epochs']} epochs; machine: {settings['machine']}")
    return "\n".join(lines)


def _mean_seconds(measured: Measurements) -> float | None:
    seconds = list(measured["training_seconds"].get(PLAIN, {}).values())
    return sum(seconds) / len(seconds) if seconds else None


def _title(name: str, groups: Mapping[str, list[str]], measured: Measurements) -> str:
    if name in groups and len(groups[name]) > 1:
        return f"{name} (mean of {len(groups[name])})"
    rows = measured["sets"][groups.get(name, [name])[0]]["rows"]
    return f"{name} ({rows:,})"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return DASH
    deviation = "" if spread.deviation is None else f" \u00b1 {100 * spread.deviation:.1f}"
    return f"{100 * spread.mean:.1f}{deviation}"
