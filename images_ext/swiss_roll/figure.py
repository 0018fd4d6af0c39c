"""Fig. 3 as a picture: the learned manifold, our moved codes, and the codes of PGD's points; below, the points."""

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from images_ext.swiss_roll.experiment import OURS, PGD, SwissRollRun
from images_ext.swiss_roll.surface import NUM_CLASSES, T_MAX, T_MIN
from textsem.runs.whole_files import write_whole

__all__ = ["write_figure"]

_CLASS_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:purple")
_FAINT = 0.3  # of the clean codes under crosses
_DPI = 90
_PANELS = (
    ("manifold that E learned", None),
    ("moved by E', reconstructions adversarial", OURS),
    ("PGD's points at the same rate, through E", PGD),
)


def write_figure(path: Path, run: SwissRollRun) -> None:
    """Draw one seed: codes above, and below the same points seen along the roll's axis.

    Args:
        path: A PNG.
        run: Of one seed, with codes of two dimensions.

    Raises:
        ValueError: If codes have more than two dimensions.
        OSError: If the file cannot be written.
    """
    from matplotlib.figure import Figure

    if run.clean_codes.shape[1] != 2:
        raise ValueError(f"expected codes of 2 dimensions to draw, got {run.clean_codes.shape[1]}")
    figure = Figure(figsize=(11.0, 7.4), layout="constrained")
    above, below = figure.subplots(2, 3, sharex="row", sharey="row")
    colours = [_CLASS_COLOURS[label] for label in run.labels.tolist()]
    for axes in (*above, *below):
        axes.tick_params(labelsize=7)
    for axes, (title, name) in zip(above, _PANELS, strict=True):
        axes.scatter(*_columns(run.clean_codes), s=5, c=colours, alpha=_FAINT if name else 1.0, linewidths=0)
        axes.set_title(title, fontsize=10)
        if name is not None:
            _mark(axes, run.codes[name][run.attacks[name].is_success])
    for axes, (_, name) in zip(below, _PANELS, strict=True):
        _draw_spiral(axes)
        axes.set_aspect("equal")
        axes.set_title(_what(run, name), fontsize=10)
        if name is not None:
            _mark(axes, run.attacks[name].points[run.attacks[name].is_success][:, [0, 2]])
    above[0].set_ylabel("codes", fontsize=10)
    below[0].set_ylabel("points along the roll's axis", fontsize=10)
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    write_whole(path, drawn.getvalue())


def _draw_spiral(axes: Any) -> None:
    t = torch.linspace(T_MIN, T_MAX, 600)
    spiral, edges = torch.stack([t * t.cos(), t * t.sin()], dim=1), torch.linspace(T_MIN, T_MAX, NUM_CLASSES + 1)
    for colour, low, high in zip(_CLASS_COLOURS, edges[:-1], edges[1:], strict=True):
        part = spiral[(t >= low - 0.02) & (t <= high + 0.02)]
        axes.plot(*_columns(part), color=colour, linewidth=1.2, alpha=0.6, zorder=0)


def _mark(axes: Any, places: Tensor) -> None:
    axes.scatter(*_columns(places), s=12, c="black", marker="x", linewidths=0.7)


def _what(run: SwissRollRun, name: str | None) -> str:
    """Return how many flips keep the class, and how far from the surface they are."""
    if name is None:
        return f"{len(run.labels)} points that the target has right"
    distance = run.attacks[name].surface_distance[run.attacks[name].is_success]
    if len(distance) == 0:
        return "no flip that keeps the class"
    return f"{len(distance)} flips keep the class; mean distance {distance.mean().item():.2f}"


def _columns(points: Tensor) -> tuple[list[float], list[float]]:
    return points[:, 0].tolist(), points[:, 1].tolist()
