"""Success against eps in four norms, and against queries: inline SVG in the page's own colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from textsem.runs.figures import CONTROL_COLORS, CONTROL_DASHES, INK, METHOD_COLOR, to_svg
from textsem.runs.intervals import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curve", "Panel", "draw_panels"]

JOINT_DASH = (5, 1.5)
ALL_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True)
class Curve:
    """A share of attacked images that grows with eps or queries.

    Args:
        name: In the legend.
        points: Where each image that counts begins to count.
        of: Number of attacked images, at least 1.
        role: ``own`` has a band, ``joint`` is its dashed companion, ``other`` are runs beside it.
    """

    name: str
    points: Sequence[float]
    of: int
    role: str = "own"


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Args:
        label: Of the axis along which the shares grow.
        curves: Drawn in this order.
        mark: Where the run's own ball ends, if it is a ball in this norm.
        last: Right end; a logarithmic axis begins at 1, any other at 0.
        is_logarithmic: Whether the axis is one of query counts.
    """

    label: str
    curves: Sequence[Curve]
    last: float
    mark: float | None = None
    is_logarithmic: bool = False


def draw_panels(panels: Sequence[Panel], *, name: str, columns: int = 2) -> str:
    """Draw panels side by side, with one legend above them.

    Args:
        panels: At least one; the first one's curves name the legend.
        name: Begins the ids in the SVG.
        columns: Panels in a row.
    """
    rows = -(-len(panels) // columns)

    def draw(figure: "Figure") -> None:
        grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel)
        for axes in grid[len(panels) :]:
            axes.remove()
        for i in range(0, len(panels), columns):
            grid[i].set_ylabel("attacked images (%)")
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2 if columns == 1 else 3, fontsize=8.5)

    return to_svg(draw, name=name, size=(4.6 * columns, 2.7 * rows + 0.3))


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    first, num_other = (1.0 if panel.is_logarithmic else 0.0), 0
    for curve in panel.curves:
        x = np.unique(np.append(np.asarray(curve.points, dtype=float), [first, panel.last]))
        x = x[(x >= first) & (x <= panel.last)]
        counts = np.searchsorted(np.sort(np.asarray(curve.points, dtype=float)), x, side="right")
        shares = 100 * counts / curve.of
        if curve.role == "own":
            bounds = np.array([wilson_interval(int(k), curve.of) for k in counts])
            low, high = 100 * bounds.T
            axes.fill_between(x, low, high, step="post", color=METHOD_COLOR, alpha=0.16, linewidth=0)
            axes.step(x, shares, where="post", color=METHOD_COLOR, linewidth=2, label=curve.name)
        elif curve.role == "joint":
            axes.step(x, shares, where="post", color=METHOD_COLOR, linewidth=1.6, dashes=JOINT_DASH, label=curve.name)
        else:
            color = CONTROL_COLORS[num_other % len(CONTROL_COLORS)]
            dashes = CONTROL_DASHES[num_other % len(CONTROL_DASHES)]
            axes.step(x, shares, where="post", color=color, linewidth=1.4, dashes=dashes, label=curve.name)
            num_other += 1
    if panel.mark is not None:
        axes.axvline(panel.mark, color=INK, alpha=0.5, linewidth=1, linestyle=":")
    if panel.is_logarithmic:
        axes.set_xscale("log")
        ticks = [k for k in ALL_TICKS if k <= panel.last]
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.minorticks_off()
    else:
        axes.locator_params(axis="x", nbins=6)  # mean squares have long labels
    axes.set(xlabel=panel.label, xlim=(first, panel.last))
    axes.set_ylim(bottom=0)
