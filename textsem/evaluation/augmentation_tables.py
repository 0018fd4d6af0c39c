"""The report of the augmentation experiment: its verdict, what is missing, its tables, its figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textsem.evaluation.augmentation_figure import draw_arms
from textsem.evaluation.augmentation_statistics import (
    ArmComparison,
    Digits,
    Spread,
    accuracies,
    compare_with_others,
    matching_digits,
    set_groups,
)
from textsem.evaluation.augmentation_verdict import missing_parts, other_arms, our_arms, verdict
from textsem.runs.formats import DASH, number, percent, points
from textsem.runs.intervals import wilson_interval
from textsem.runs.whole_files import write_whole

__all__ = ["FIGURE_NAME", "MEASUREMENTS_NAME", "REPORT_NAME", "write_report"]

MEASUREMENTS_NAME, REPORT_NAME, FIGURE_NAME = "measurements.json", "report.md", "figure.png"
PARTS = ("sets", "arms", "right")

Measurements = Mapping[str, Any]


def write_report(folder: Path) -> str:
    """Write ``report.md`` and ``figure.png`` from the ``measurements.json`` of a folder, and return the text.

    What was not measured is said, not guessed; digits that do not fit their set count as not measured.

    Raises:
        ValueError: If there are no measurements.
        OSError: If a file cannot be written.
    """
    path = folder / MEASUREMENTS_NAME
    if not path.is_file():
        raise ValueError(f"expected {MEASUREMENTS_NAME} in {folder}, got none")
    found = json.loads(path.read_text(encoding="utf-8"))
    absent = [part for part in PARTS if part not in found]
    if absent:
        raise ValueError(f"expected {', '.join(PARTS)} in {path}, got no {', '.join(absent)}")
    measured = {**found, "right": matching_digits(found["right"], found["sets"])}
    missing = [f"- {line}" for line in missing_parts(measured)]
    parts = [
        "# What augmentation does for a classifier",
        verdict(measured),
        "\n".join(["Not measured:", "", *missing]) if missing else "",
        _arms(measured),
        f"![Accuracy under unseen attacks, arm by arm]({FIGURE_NAME})",
        _sets(measured),
        *(_tests(measured, arm) for arm in our_arms(measured)),
        _fresh(measured),
        _facts(measured),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    write_whole(folder / REPORT_NAME, text.encode("utf-8"))
    draw_arms(folder / FIGURE_NAME, measured)
    return text


def _arms(measured: Measurements) -> str:
    """Return one line an arm: what it was trained on and how it does."""
    groups = {name: names for name, names in set_groups(measured["sets"]).items() if not _is_other(measured, name)}
    rows = []
    for arm, described in measured["arms"].items():
        right = measured["right"].get(arm, {})
        times = (measured.get("training_seconds") or {}).get(arm, {}).values()
        seconds = [one for one in times if one is not None]
        mean = sum(seconds) / len(seconds) if seconds else None
        cells = [_told(accuracies(right, names)) for names in groups.values()]
        rows.append(
            [arm, str(len(right)), f"{described['num_rows']:,}", *cells, _noise(described), number(mean, digits=0)]
        )
    titles = [f"{name} (mean of {len(names)} sets)" if len(names) > 1 else name for name, names in groups.items()]
    return "\n".join(
        [
            "Accuracy in percent: mean \u00b1 sample standard deviation (lowest to highest) over the seeds; sets of "
            "one kind weigh the same. Label noise: share of an arm's new rows (of plain: its rows) on which the judge "
            "gives another label, with Wilson's 95% interval; the judge errs too.",
            "",
            *_table(["arm", "seeds", "rows", *titles, "label noise", "training, s"], rows),
        ]
    )


def _sets(measured: Measurements) -> str:
    """Return one line a test set, one column an arm."""
    arms = list(measured["arms"])
    rows = [
        [name, described["kind"], f"{described['rows']:,}"]
        + [_told(accuracies(measured["right"].get(arm, {}), [name])) for arm in arms]
        for name, described in measured["sets"].items()
    ]
    return "\n".join(["Set by set:", "", *_table(["set", "kind", "rows", *arms], rows)])


def _tests(measured: Measurements, arm: str) -> str:
    """Return an arm of ours beside each other one, a line each, figure by figure."""
    others, right = other_arms(measured), measured["right"]
    figures = {name: (right, names) for name, names in set_groups(measured["sets"]).items()}
    held = _held(measured)
    figures |= {f"{attack} afresh": (held, [attack]) for attack in _attacks(measured)}
    rows = []
    for name, (digits, names) in figures.items():
        for other, result in compare_with_others(digits, arm, others, names).items():
            rows.append([name, other, *_cells(result)])
    return "\n".join(
        [
            f"**{arm}** minus each other arm, in percentage points. Over the rows: 95% percentile bootstrap, and the p "
            "of a paired sign-flip test, before and after Holm's correction for the arms (rows that several attacks "
            "made of one pair count as independent, which flatters both). Over the seeds: the difference in standard "
            "errors (Welch's t) and its p; beyond: the lowest seed is above the highest of the other arm.",
            "",
            *_table(
                ["figure", "other arm", "difference", "95% interval", "p", "p, Holm", "t, seeds", "p, seeds", "beyond"],
                rows,
            ),
        ]
    )


def _cells(result: ArmComparison | None) -> list[str]:
    if result is None:
        return [DASH] * 7
    beyond = {True: "yes", False: "no", None: "one seed"}[result.is_beyond_seeds]
    return [
        points(result.difference),
        " to ".join(map(points, result.interval)),
        _p_value(result.p_value),
        _p_value(result.adjusted_p_value),
        DASH if result.t is None else f"{result.t:.1f}".replace("-", "\u2212"),
        _p_value(result.seeds_p_value),
        beyond,
    ]


def _fresh(measured: Measurements) -> str:
    """Return how each arm holds out when it is attacked itself."""
    attacks = _attacks(measured)
    if not attacks:
        return ""
    rows = []
    for arm, seeds in measured["fresh"].items():
        for attack in attacks:
            found = [one[attack] for one in seeds.values() if attack in one and one[attack]["pairs"]]
            if not found:
                continue
            before = [one for one in found if one["right_before"]]
            valid = [one["valid"] / one["right_before"] for one in before if one["valid"] is not None]
            shares = [1 - one["right_under_attack"] / one["right_before"] for one in before]
            rows.append(
                [arm, attack, str(len(found))]
                + [_told(Spread(tuple(one[key] / one["pairs"] for one in found))) for key in _FRESH_COUNTS]
                + [_told(Spread(tuple(values)) if values else None) for values in (shares, valid)]
            )
    return "\n".join(
        [
            "Each model attacked afresh, in percent: right before and still right under attack are shares of all "
            "pairs; fell, and fell to a valid attack, of those right before.",
            "",
            *_table(["arm", "attack", "seeds", "right before", "right under attack", "fell", "fell, valid"], rows),
        ]
    )


_FRESH_COUNTS = ("right_before", "right_under_attack")


def _facts(measured: Measurements) -> str:
    """Return what the rows are, what they cost, and with which settings all this was measured."""
    lines = [
        f"- {name}: {described['rows']:,} rows, {described['source']}" for name, described in measured["sets"].items()
    ]
    for arm, described in measured["arms"].items():
        origins = ", ".join(f"{origin} {count:,}" for origin, count in (described.get("origins") or {}).items())
        if origins:
            lines.append(f"- {arm}: {described['num_new']:,} new rows ({origins})")
    lines += _cost(measured)
    settings = measured.get("settings") or {}
    lines += [f"- {name.replace('_', ' ')}: {settings[name]}" for name in _SETTINGS if settings.get(name) is not None]
    return "\n".join(lines)


_SETTINGS = ("data", "limit", "seeds", "num_epochs", "batch_size", "fresh_limit", "machine")


def _cost(measured: Measurements) -> list[str]:
    cost = measured.get("cost")
    if not cost:
        return []
    found = [
        ("{} ms a pair with filters", number(cost.get("ms_a_row_with_filters"), 1)),
        ("{} ms without", number(cost.get("ms_a_row_without_filters"), 1)),
        ("{} new rows a pair", number(cost.get("new_rows_a_pair"))),
        ("{} s in all", number(cost.get("seconds_of_augmentation"), 0)),
        ("{} of the processor time of one plain training", percent(cost.get("share_of_training"), 0)),
    ]
    told = ", ".join(text.format(figure) for text, figure in found if figure != DASH)
    return [f"- cost of augmentation: {told}"]


def _held(measured: Measurements) -> dict[str, Digits]:
    """Return the digits of fresh attacks by arm, seed and attack; of pairs that all arms were attacked on."""
    fresh = measured.get("fresh") or {}
    digits = {
        arm: {seed: {attack: one["right"] for attack, one in found.items()} for seed, found in seeds.items()}
        for arm, seeds in fresh.items()
    }
    rows = {
        attack: max(len(one.get(attack, "")) for found in digits.values() for one in found.values())
        for attack in _attacks(measured)
    }
    return matching_digits(digits, {attack: {"rows": count} for attack, count in rows.items()})


def _attacks(measured: Measurements) -> list[str]:
    fresh = measured.get("fresh") or {}
    return sorted({attack for seeds in fresh.values() for one in seeds.values() for attack in one})


def _is_other(measured: Measurements, name: str) -> bool:
    return bool(measured["sets"].get(name, {}).get("kind") == "other")


def _noise(described: Mapping[str, Any]) -> str:
    noise = described.get("label_noise")
    if not noise or not noise["rows"]:
        return DASH
    low, high = wilson_interval(noise["disagree"], noise["rows"])
    return f"{percent(noise['disagree'] / noise['rows'])} ({percent(low)} to {percent(high)}, {noise['judge']})"


def _told(spread: Spread | None) -> str:
    if spread is None:
        return DASH
    if spread.deviation is None:
        return f"{100 * spread.mean:.1f} (one seed)"
    mean, deviation, low, high = (f"{100 * v:.1f}" for v in (spread.mean, spread.deviation, spread.low, spread.high))
    return f"{mean} \u00b1 {deviation} ({low} to {high})"


def _p_value(value: float | None) -> str:
    if value is None:
        return DASH
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
