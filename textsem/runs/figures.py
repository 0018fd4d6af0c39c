"""The report's figures as inline SVG that takes the page's own colour and font, light or dark."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textsem.runs.intervals import ks_statistic, wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_distance_curve", "draw_marginals", "draw_query_curve", "to_svg"]

INK = "#010203"  # drawn in this colour, replaced by currentColor in the file
METHOD_COLOR, CONTROL_COLORS = "#2f7fd6", ("#d9822b", "#8a6fd1", "#3a9a6f", "#c2567f", "#8a8f98")
CONTROL_DASHES = ((4, 2), (1, 1.5), (6, 2, 1, 2), (2, 2), (8, 2))
NUM_DIMENSIONS = 6
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "textsem",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color"), INK
    ),
}

Floats = npt.NDArray[np.floating[Any]]


def draw_query_curve(
    queries: Sequence[int],
    attacked: int,
    *,
    controls: Mapping[str, Mapping[str, float]],
    confidence: float,
    what: str = "attacked pairs that fell (%)",
    name: str = "queries",
) -> str:
    """Draw the share of attacked pairs that fell within k queries, with its interval, against k on a log scale.

    Args:
        queries: Queries of each success.
        attacked: Pairs that the target had right, at least 1.
        controls: Name of a control to its share at some budgets.
        confidence: Coverage of the band.
        what: What the share counts.
        name: Begins the ids in the SVG, so that several figures can share a page.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        last = max([100, *queries, *(int(k) for points in controls.values() for k in points)])
        budgets = np.unique(np.append(np.asarray(queries, dtype=np.int64), [1, last]))
        found = np.searchsorted(np.sort(np.asarray(queries)), budgets, side="right")
        bounds = np.array([wilson_interval(int(k), attacked, confidence) for k in found])
        axes.fill_between(
            budgets, 100 * bounds[:, 0], 100 * bounds[:, 1], step="post", color=METHOD_COLOR, alpha=0.16, linewidth=0
        )
        axes.step(budgets, 100 * found / attacked, where="post", color=METHOD_COLOR, linewidth=2, label="this run")
        for i, (control, points) in enumerate(controls.items()):
            shares = sorted((int(k), 100 * share) for k, share in points.items())
            color, dash = CONTROL_COLORS[i % len(CONTROL_COLORS)], CONTROL_DASHES[i % len(CONTROL_DASHES)]
            axes.plot(*zip(*shares, strict=True), color=color, dashes=dash, marker="o", markersize=3.5, label=control)
        axes.set_xscale("log")
        ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= last]
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.minorticks_off()
        axes.set(xlabel="queries per pair", ylabel=what, xlim=(1, last))
        axes.set_ylim(bottom=0)
        if controls:
            figure.legend(loc="outside upper left", ncols=3, fontsize=8.5)

    return to_svg(draw, name=name, size=(4.9, 3.1))


def draw_distance_curve(distances: Sequence[float], attacked: int, *, confidence: float) -> str:
    """Draw the share of attacked pairs that fell at a distance of at most eps, with its interval, against eps.

    Args:
        distances: Distance of each success, at least one.
        attacked: Pairs that the target had right, at least 1.
        confidence: Coverage of the band.
    """

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        eps = np.concatenate([[0.0], np.sort(np.asarray(distances)), [1.08 * max(distances)]])
        found = np.arange(len(eps))
        found[-1] = len(distances)
        bounds = np.array([wilson_interval(int(k), attacked, confidence) for k in found])
        axes.fill_between(
            eps, 100 * bounds[:, 0], 100 * bounds[:, 1], step="post", color=METHOD_COLOR, alpha=0.16, linewidth=0
        )
        axes.step(eps, 100 * found / attacked, where="post", color=METHOD_COLOR, linewidth=2)
        axes.set(xlabel="eps: L2 distance of embedded hypotheses", ylabel="attacked pairs that fell (%)")
        axes.set_xlim(0, eps[-1])
        axes.set_ylim(bottom=0)

    return to_svg(draw, name="distance", size=(4.9, 3.1))


def draw_marginals(clean: Floats, perturbed: Floats) -> str:
    """Draw overlaid densities of clean and perturbed codes: all dimensions pooled, and six spread evenly (Fig. 5).

    Args:
        clean: Codes of the unchanged inputs, [examples, latent].
        perturbed: Codes of E', [examples, latent]; the number of examples may differ.
    """
    latent = clean.shape[1]
    dimensions = np.unique(np.linspace(0, latent - 1, min(NUM_DIMENSIONS, latent)).round().astype(int))

    def draw(figure: "Figure") -> None:
        grid = figure.add_gridspec(2, 5, width_ratios=(1.5, 0.05, 1, 1, 1))
        pooled = figure.add_subplot(grid[:, 0])
        _draw_densities(pooled, clean.ravel(), perturbed.ravel(), title="all dimensions")
        pooled.set_ylabel("density")
        for i, j in enumerate(dimensions):
            axes = figure.add_subplot(grid[i // 3, 2 + i % 3])
            _draw_densities(axes, clean[:, j], perturbed[:, j], title=f"dim {j}")
            axes.tick_params(labelsize=7.5)
        handles, labels = pooled.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)

    return to_svg(draw, name="marginals", size=(9.2, 4.0))


def _draw_densities(axes: "Axes", clean: Floats, perturbed: Floats, *, title: str) -> None:
    low, high = np.quantile(np.concatenate([clean, perturbed]), [0.002, 0.998])
    margin = 0.05 * (high - low) or 1.0  # codes that are all equal still need a width
    num_bins = int(np.clip(len(clean) ** 0.5, 12, 60))
    edges = np.linspace(low - margin, high + margin, num_bins + 1)
    for values, color, filled, name in (
        (clean, METHOD_COLOR, True, "clean"),
        (perturbed, "#d9822b", False, "perturbed"),
    ):
        heights = np.histogram(values, edges)[0] / len(values) / (edges[1] - edges[0])
        dash = "-" if filled else (0, (3, 1))
        axes.stairs(heights, edges, color=color, linewidth=1.6, linestyle=dash, label=name)
        axes.stairs(heights, edges, color=color, alpha=0.22 if filled else 0.0, fill=True)
    axes.set_title(f"{title}: KS {ks_statistic(clean, perturbed):.3f}", fontsize=9, loc="left")
    axes.set_yticks([])
    axes.set_ylim(bottom=0)


def to_svg(draw: Callable[["Figure"], None], *, name: str, size: tuple[float, float]) -> str:
    """Draw on a figure of its own (no global state) and return an <svg> element.

    Args:
        draw: Is handed the empty figure; what it draws in ``INK`` takes the page's colour.
        name: Begins the ids in the SVG, so that several figures can share a page.
        size: Width and height in inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return svg.replace(INK, "currentColor").strip()
