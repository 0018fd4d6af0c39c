"""What an adversary's training leaves for its reader: a curve and a model card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textsem.runs.card import card_end
from textsem.runs.checkpoint import write_text

__all__ = ["file_name", "write_adversary_card", "write_adversary_curve"]


def file_name(text: str) -> str:
    """Return the last part of a path, and a hub id or an option as it is: cards name no folder of a machine."""
    path = Path(text)
    return path.name if path.is_absolute() or path.exists() else text


def write_adversary_curve(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Draw reconstruction losses and the flip rate against batches into ``curve.png``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    series = (
        (left, "reconstruction", "reconstruction of x", "tab:blue"),
        (left, "reconstruction_adv", "reconstruction of x'", "tab:cyan"),
        (right, "flip_rate", "flips in training", "tab:red"),
    )
    for axes, name, label, color in series:
        points = [(line["step"], line[name]) for line in metrics if name in line]
        if points:
            axes.plot(*zip(*points, strict=True), color=color, label=label)
    left.set_xlabel("batch")
    left.set_ylabel("nats a token")
    right.set_ylabel("share of the pairs that the target had right", color="tab:red")
    if left.lines or right.lines:  # a run that was stopped at once has nothing to show
        figure.legend(loc="upper right")
    figure.savefig(folder / "curve.png", dpi=120)


def write_adversary_card(
    folder: Path,
    *,
    command: str,
    machine: str,
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Write the model card, ``README.md``.

    Args:
        folder: The model's folder.
        command: What was run.
        machine: Where.
        data: What was trained on.
        settings: All of ``AdversaryTrainingConfig``.
        figures: Measured at the end of training.
    """
    lines = [
        "# An adversary: hypotheses from a learned manifold",
        "",
        "Proposes hypotheses that stay close to a given one; load it with",
        "`textsem.model.TextAdversary.from_pretrained`.  Made for testing NLI models, in English, on sentences like",
        "those of SNLI.",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in figures.items()),
        f"- Data: `{json.dumps(dict(data))}`",
        *card_end(command=command, seed=settings["seed"], machine=machine, settings=settings),
    ]
    write_text(folder / "README.md", "\n".join(lines))
