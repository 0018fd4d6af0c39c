"""What an ARAE's training leaves for its reader: a card, a curve, and sentences to look at."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textsem.arae import ARAE
from textsem.runs.card import card_end
from textsem.runs.checkpoint import write_text
from textsem.training.adversary_report import file_name

__all__ = ["file_names", "write_arae_card", "write_arae_curve", "write_samples"]

NUM_SAMPLES, NUM_RECONSTRUCTIONS, NUM_INTERPOLATIONS, NUM_STEPS = 20, 20, 5, 7
FIGURES = {
    "tokens_free": "tokens reconstructed, free running",
    "tokens_forced": "tokens reconstructed, teacher forced",
    "sentences_exact": "sentences reconstructed exactly",
    "forward_perplexity": "forward perplexity",
    "reverse_perplexity": "reverse perplexity",
    "distinct_samples": "distinct samples",
}


def file_names(paths: Sequence[str]) -> list[str]:
    """Return the last part of each path: cards name no folder of a machine."""
    return [file_name(path) for path in paths]


def write_arae_curve(folder: Path, metrics: Sequence[Mapping[str, Any]], references: Mapping[str, float]) -> None:
    """Draw reconstruction and both perplexities against batches into ``curve.png``; real text is dotted.

    Perplexities begin after the first watch: those of the untrained model are thousands of times as high.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    series = (
        (left, "tokens_free", "tab:blue"),
        (left, "sentences_exact", "tab:cyan"),
        (right, "forward_perplexity", "tab:orange"),
        (right, "reverse_perplexity", "tab:red"),
    )
    for axes, name, color in series:
        shown = metrics[1:] if axes is right else metrics
        values = [line[name] for line in shown]
        axes.plot([line["step"] for line in shown], values, "o-", markersize=3, color=color, label=FIGURES[name])
        if name in references:
            axes.axhline(references[name], linestyle=":", color=color)
    left.set_xlabel("batch")
    left.set_ylabel("share of held-out tokens or sentences")
    left.set_ylim(0, 1)
    right.set_ylim(bottom=0)
    right.set_ylabel("perplexity (dotted: real text)")
    figure.legend(loc="outside upper center", ncols=2, fontsize="small")
    figure.savefig(folder / "curve.png", dpi=120)


def write_arae_card(
    folder: Path,
    metrics: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
    references: Mapping[str, float],
    *,
    command: str,
    machine: str,
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
    times: Mapping[str, float],
) -> None:
    """Write the model card, ``README.md``.

    Args:
        folder: The model's folder.
        metrics: Watches; the first is of the untrained model.
        best: The watch whose weights were kept.
        references: Both perplexities of real text.
        command: What was run.
        machine: Where.
        data: What was trained on.
        settings: Of networks and training.
        times: Minutes by name.
    """
    columns = {"untrained": metrics[0], "first watch": metrics[min(1, len(metrics) - 1)], "kept": best}
    columns |= {"last": metrics[-1], "real text": references}
    head = [f"{name} (batch {column['step']})" if "step" in column else name for name, column in columns.items()]
    lines = [
        "# An ARAE: sentences from codes, codes from noise",
        "",
        "Load it with `textsem.arae.ARAE.from_pretrained`.  Adversarially regularised autoencoder (Zhao et al. 2018)",
        "with the inverter of Zhao et al. 2018b, for English sentences like those of SNLI.",
        "",
        f"| figure | {' | '.join(head)} |",
        "|---" * (len(columns) + 1) + "|",
        *(_row(name, [column.get(name) for column in columns.values()]) for name in FIGURES),
        "",
        "Reconstruction is of held-out sentences, greedy.  Forward perplexity: greedy samples under a trigram of the",
        "training sentences.  Reverse perplexity: held-out sentences under a trigram of the samples.  Real text:",
        "training sentences in the samples' place, as many.  The weights kept have the lowest reverse perplexity",
        "of all watches whose reconstruction lies within one point of the best.  All figures are of the weights before",
        "they were rounded to half precision.",
        "",
        *(f"- {name}: {value:.1f} minutes" for name, value in times.items()),
        f"- Data: `{json.dumps(dict(data))}`",
        *card_end(command=command, seed=settings["training"]["seed"], machine=machine, settings=settings),
    ]
    write_text(folder / "README.md", "\n".join(lines))


def _row(name: str, values: Sequence[float | None]) -> str:
    shown = ["-" if v is None else f"{v:.1f}" if "perplexity" in name else f"{100 * v:.1f}%" for v in values]
    return f"| {FIGURES[name]} | " + " | ".join(shown) + " |"


def write_samples(folder: Path, model: ARAE, held_out: Tensor, *, seed: int) -> None:
    """Write ``samples.md``: samples, reconstructions, and sentences between two held-out ones.

    Args:
        folder: The model's folder.
        model: In evaluation mode.
        held_out: Sentences that it was not trained on, [sentences, length].
        seed: Of the samples' noise; held-out sentences are taken from the first on.
    """

    def shown(row: Tensor) -> str:
        text = " ".join(model.vocabulary.decode(row.tolist())) or "(nothing)"
        return text.replace("|", "\\|").replace("<", "\\<")  # Markdown's own signs

    samples = model.sample(NUM_SAMPLES, torch.Generator().manual_seed(seed))
    originals = held_out[:NUM_RECONSTRUCTIONS]
    with torch.no_grad():
        decoded = model.decode_ids(model.encode(originals))
    pairs = held_out[: 2 * (min(len(held_out), 2 * NUM_INTERPOLATIONS) // 2)]
    between = model.interpolate(pairs[0::2], pairs[1::2], NUM_STEPS)
    lines = ["# Sentences of this ARAE", "", "## Samples", "", *(f"- {shown(row)}" for row in samples), ""]
    lines += ["## Reconstructions", "", "| held-out sentence | from its code |", "|---|---|"]
    lines += [f"| {shown(a)} | {shown(b)} |" for a, b in zip(originals, decoded, strict=True)]
    lines += ["", "## On the great circle between two held-out sentences"]
    for a, b, rows in zip(pairs[0::2], pairs[1::2], between, strict=True):
        lines += ["", f"From *{shown(a)}* to *{shown(b)}*:", "", *(f"{i}. {shown(r)}" for i, r in enumerate(rows, 1))]
    write_text(folder / "samples.md", "\n".join(lines) + "\n")
