"""The figure of the augmentation experiment: clean accuracy and accuracy under others' attacks, arm by arm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textsem.evaluation.augmentation_statistics import accuracies

__all__ = ["draw_arms"]

# Okabe and Ito's colours, which the colour-blind can tell apart, and a marker each besides.
COLOURS = ("#000000", "#999999", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#E69F00")
MARKERS = "sPvXoD^*"
UNSEEN = "unseen"


def draw_arms(path: Path, measured: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> None:
    """Draw one point a training (left) and the mean of every attack with its range over the seeds (right).

    Args:
        path: A picture file.
        measured: What ``measurements.json`` holds.
        groups: See `set_groups`; without unseen attacks nothing is drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    attacks = groups.get(UNSEEN)
    if not attacks:
        return
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    points, bars = figure.subplots(1, 2, width_ratios=(1, 1.5))
    arms = [arm for arm in measured["arms"] if accuracies(measured["right"].get(arm, {}), attacks)]
    width = 0.8 / max(len(arms), 1)
    for number, arm in enumerate(arms):
        right, colour = measured["right"][arm], COLOURS[number % len(COLOURS)]
        clean, unseen = accuracies(right, groups["clean"]), accuracies(right, attacks)
        if clean is None or unseen is None:
            continue
        marker = MARKERS[number % len(MARKERS)]
        x, y = [100 * v for v in clean.values], [100 * v for v in unseen.values]
        points.scatter(x, y, s=22, color=colour, marker=marker, alpha=0.45)
        points.scatter(100 * clean.mean, 100 * unseen.mean, s=90, color=colour, marker=marker, label=arm)
        found = [accuracies(right, [attack]) for attack in attacks]
        means = [100 * spread.mean for spread in found if spread]
        low = [100 * (spread.mean - min(spread.values)) for spread in found if spread]
        high = [100 * (max(spread.values) - spread.mean) for spread in found if spread]
        places = [i + (number - (len(arms) - 1) / 2) * width for i in range(len(attacks))]
        bars.bar(places, means, width, color=colour, yerr=[low, high], capsize=2, ecolor="#444444", label=arm)
    points.set_xlabel("clean accuracy, %")
    points.set_ylabel("accuracy under unseen attacks, %")
    points.legend(fontsize=8)
    bars.set_xticks(range(len(attacks)), attacks, rotation=15, ha="right", fontsize=8)
    bars.set_ylabel("accuracy, % (bar: range over the seeds)")
    for axes in (points, bars):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)
