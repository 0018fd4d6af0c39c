"""The figure of the augmentation experiment: what each arm gains under unseen attacks, and what it pays for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textsem.evaluation.augmentation_statistics import Digits, accuracies, set_groups
from textsem.evaluation.augmentation_verdict import CLEAN, CLEAN_LOSS, PLAIN, UNSEEN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_arms"]

# Okabe and Ito's colours, which the colour-blind can tell apart; a marker each and, in the bars, the order besides.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
PLAIN_COLOR = "#8A8A8A"
MARKERS = "oD^vsPX*"
NUM_COLUMNS = 3


def draw_arms(path: Path, measured: Mapping[str, Any]) -> None:
    """Draw clean accuracy against accuracy under unseen attacks, a point a training, and bars for every attack.

    The dotted line at the left is what clean accuracy may lose beside plain.

    Args:
        path: A PNG file.
        measured: What ``measurements.json`` holds; without unseen attacks or clean pairs the figure says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups, right = set_groups(measured["sets"]), measured["right"]
    attacks = groups.get(UNSEEN, [])
    num_rows = max(2, -(-len(attacks) // NUM_COLUMNS))
    figure = Figure(figsize=(12.5, 1.2 + 2.1 * num_rows), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    styles = _styles(measured["arms"])
    mosaic: Any = _mosaic(len(attacks), num_rows)
    left, *panels = figure.subplot_mosaic(mosaic, width_ratios=(2, 1, 1, 1)).values()
    _draw_points(left, right, styles, clean=groups.get(CLEAN, []), unseen=attacks)
    for axes, attack in zip(panels, attacks, strict=False):
        _draw_bars(axes, right, styles, attack, rows=measured["sets"][attack]["rows"])
    for axes in (left, *panels):
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 7), frameon=False)
    figure.supxlabel(
        "small marks: one training each; large marks: their mean; lines on bars: lowest to highest training; "
        f"dotted: {100 * CLEAN_LOSS:.1f} points below plain",
        fontsize=8,
    )
    figure.savefig(path, metadata={"Software": None})


def _draw_points(
    axes: "Axes",
    right: Mapping[str, Digits],
    styles: Mapping[str, tuple[str, str]],
    *,
    clean: Sequence[str],
    unseen: Sequence[str],
) -> None:
    is_empty = True
    for arm, (color, marker) in styles.items():
        # Seed by seed, so that both coordinates of a point are of one training.
        seeds = [{seed: sets} for seed, sets in right.get(arm, {}).items()]
        pairs = [(accuracies(one, clean), accuracies(one, unseen)) for one in seeds if clean and unseen]
        points = [(100 * x.mean, 100 * y.mean) for x, y in pairs if x and y]
        if not points:
            continue
        is_empty = False
        x, y = zip(*points, strict=True)
        axes.scatter(x, y, s=36, color=color, marker=marker, alpha=0.7, linewidths=0)
        mean = (sum(x) / len(x), sum(y) / len(y))
        axes.scatter(*mean, s=120, color=color, marker=marker, edgecolors="black", linewidths=0.8, label=arm, zorder=3)
    plain = accuracies(right.get(PLAIN, {}), clean) if clean and not is_empty else None
    if plain is not None:
        axes.axvline(100 * (plain.mean - CLEAN_LOSS), color=PLAIN_COLOR, linestyle=":", linewidth=1.2)
    axes.set_xlabel("clean accuracy (%)")
    axes.set_ylabel("accuracy under unseen attacks (%), mean of the attacks")
    axes.grid(alpha=0.2)
    axes.margins(0.12)
    if is_empty:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center")


def _draw_bars(
    axes: "Axes", right: Mapping[str, Digits], styles: Mapping[str, tuple[str, str]], attack: str, *, rows: int
) -> None:
    for place, (arm, (color, _)) in enumerate(styles.items()):
        spread = accuracies(right.get(arm, {}), [attack])
        if spread is None:
            continue
        mean, low, high = 100 * spread.mean, 100 * spread.low, 100 * spread.high
        axes.bar(place, mean, 0.8, color=color)
        axes.errorbar(
            place, mean, [[max(0.0, mean - low)], [max(0.0, high - mean)]], color="black", capsize=3, linewidth=1
        )
        axes.annotate(f"{mean:.0f}", (place, high), (0, 3), textcoords="offset points", ha="center", fontsize=7.5)
    axes.set_title(f"{attack} ({rows:,} rows)", fontsize=9)
    axes.set_ylabel("accuracy (%)", fontsize=8)
    axes.set_xticks([])
    axes.set_xlim(-0.6, len(styles) - 0.4)
    axes.set_ylim(0, 108)
    axes.set_yticks(range(0, 101, 25))
    axes.tick_params(labelsize=8)


def _styles(arms: Sequence[str] | Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return colour and marker of each arm; plain is grey."""
    colored = [arm for arm in arms if arm != PLAIN]
    return {
        arm: (PLAIN_COLOR if arm == PLAIN else COLORS[colored.index(arm) % len(COLORS)], MARKERS[i % len(MARKERS)])
        for i, arm in enumerate(arms)
    }


def _mosaic(num_attacks: int, num_rows: int) -> list[list[str]]:
    """Return the names of the panels by place: the points at the left, then the attacks row by row."""
    names = [[str(row * NUM_COLUMNS + column) for column in range(NUM_COLUMNS)] for row in range(num_rows)]
    return [["points", *(name if int(name) < num_attacks else "." for name in line)] for line in names]
