"""What a target's training leaves for its reader: metrics, a curve, a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.runs.card import card_end
from textsem.runs.checkpoint import write_text

__all__ = ["RunDescription", "new_row_figures", "write_card", "write_curve"]


@dataclass(frozen=True)
class RunDescription:
    """What a model card says that the training itself cannot know.

    Args:
        train_data: Name, split and size of the training pairs.
        dev_data: Likewise of the pairs that chose the epoch.
        test_data: Likewise of the pairs that were scored in the end.
        command: The command that was run.
        machine: Where it ran.
    """

    train_data: str = "not stated"
    dev_data: str = "not stated"
    test_data: str = "none"
    command: str = "not stated"
    machine: str = "not stated"


def write_curve(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Draw training loss and development accuracy against epochs into ``curve.png``."""
    from matplotlib.figure import Figure

    epochs = [line["epoch"] for line in metrics]
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    left = figure.subplots()
    left.plot(epochs, [line["train_loss"] for line in metrics], "o-", color="tab:blue", label="training loss")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss, nats a pair", color="tab:blue")
    right = left.twinx()
    right.plot(epochs, [100 * line["dev_accuracy"] for line in metrics], "s-", color="tab:red", label="dev accuracy")
    right.set_ylabel("development accuracy, %", color="tab:red")
    figure.savefig(folder / "curve.png", dpi=120)


def write_card(
    folder: Path,
    description: RunDescription,
    *,
    settings: Mapping[str, Any],
    figures: Mapping[str, Any],
    title: str = "A target: word-level classifier of premise and hypothesis",
    purpose: str = "Made to be attacked, not to be relied upon.",
    is_chosen: bool = True,
) -> None:
    """Write the model card, ``README.md``.

    Args:
        folder: The model's folder.
        description: Data, command and machine.
        settings: Network and training settings, ``seed`` among the latter.
        figures: Measured on the saved model: accuracies as shares, times in seconds.
        title: What it is.
        purpose: What it is for, a sentence.
        is_chosen: Whether the development pairs chose the epoch, or are only reported on.
    """
    rows = [f"| {name.replace('_', ' ')} | {_shown(name, value)} |" for name, value in figures.items()]
    training = settings["training"]
    lines = [
        f"# {title}",
        "",
        f"Gives the probabilities of entailment, neutral and contradiction, in this order.  {purpose}",
        "Load it with `textsem.targets.loading.load_target`.",
        "",
        "| figure | value |",
        "|---|---|",
        *rows,
        "",
        f"- Training data: {description.train_data}",
        f"- {'Chosen' if is_chosen else 'Reported'} on: {description.dev_data}",
        *([f"- Reported on: {description.test_data}"] if is_chosen else []),
        *card_end(command=description.command, seed=training["seed"], machine=description.machine, settings=settings),
    ]
    write_text(folder / "README.md", "\n".join(lines))


def new_row_figures(new_rows: Sequence[Mapping[str, Any]], seconds: float, *, of: float) -> dict[str, Any]:
    """Return what a card says about new rows: each time that they came, and what making them cost.

    Args:
        new_rows: After how many epochs they came (``epoch``), and how many by origin (``counts``).
        seconds: What making them took.
        of: The whole time, making them included.
    """
    figures: dict[str, Any] = {
        f"new_rows_from_epoch_{rows['epoch'] + 1}": ", ".join(f"{n} {origin}" for origin, n in rows["counts"].items())
        or "none"
        for rows in new_rows
    }
    if seconds > 0:
        figures |= {"seconds_of_augmentation": seconds, "augmentation_share": seconds / of}
    return figures


def _shown(name: str, value: object) -> str:
    if name.endswith("accuracy") and isinstance(value, float):
        return f"{100 * value:.2f}%"
    if name.endswith("share") and isinstance(value, float):
        return f"{100 * value:.1f}% of the time"
    return f"{value:.0f}" if isinstance(value, float) else str(value)
