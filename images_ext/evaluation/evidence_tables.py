"""Evidence for a manifold of images as files: JSON, Markdown beside the paper's figures, and Fig. 5."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from textsem.runs.figures import draw_marginals
from textsem.runs.formats import number, percent, rate_interval
from textsem.runs.whole_files import write_json, write_whole

__all__ = ["EVIDENCE_NAMES", "evidence_tables", "markdown_table", "write_evidence"]

EVIDENCE_NAMES = ("image_evidence.json", "image_evidence.md", "image_marginals.svg")
# App. A of the paper: |Z' - Z|_2 / sqrt(B).
PAPER_NOISE = {"MNIST": "0.004 ± 0.0003", "CelebA": "0.026 ± 0.005", "SVHN": "0.033 ± 0.008"}
MOVE_NAMES = {
    "adversarial": "E'",
    "isotropic": "isotropic noise, as long as E'",
    "clean": "another particle of E",
    "unmoved": "not moved (other images)",
}
STAND_IN = "Notice: SVHN is a stand-in here, drawn house numbers; no figure says anything about SVHN itself."


def write_evidence(folder: Path, metrics: Mapping[str, Any], clean: Tensor, adversarial: Tensor) -> None:
    """Write the three files.

    Args:
        folder: Must be there.
        metrics: From ``image_evidence``.
        clean: z of one particle an image, [images, latent].
        adversarial: z', same shape.
    """
    svg = draw_marginals(clean.double().numpy(), adversarial.double().numpy())
    svg = svg.replace("<svg ", '<svg style="color: #1c2430; background: #fff; font-family: sans-serif" ', 1)
    write_json(folder / EVIDENCE_NAMES[0], metrics)
    write_whole(folder / EVIDENCE_NAMES[1], (evidence_tables(metrics) + "\n").encode())
    write_whole(folder / EVIDENCE_NAMES[2], (svg + "\n").encode())


def evidence_tables(metrics: Mapping[str, Any]) -> str:
    """Return the tables, with what was measured and how, in Markdown."""
    data, noise, spread = metrics["data"], metrics["noise"], metrics["spread"]
    K, d = metrics["neighbours"], metrics["latent_dim"]
    paper = [(f"{name} (paper)", value, "-") for name, value in PAPER_NOISE.items()]
    here = f"{noise['absolute']:.4f} ± {noise['deviation']:.4f}"
    lines = [
        "# Evidence for the manifold of images",
        *(["", STAND_IN] if data["name"] == "svhn stand-in" else []),
        "",
        f"{metrics['images']} images of {data['name']} ({data['split']}), {metrics['num_particles']} particles, "
        f"seed {metrics['settings']['seed']}, adversary {metrics['adversary']['name']}.",
        "",
        "## Latent noise level",
        "",
        *markdown_table(
            ("data", "|Z' - Z|_2 / sqrt(B)", "|Z' - Z|_2 / |Z|_2"),
            [*paper, (f"{data['name']}, here", here, number(noise["relative"], 4))],
        ),
        "",
        "Spectral norms over batches of 64, means over particles and batches, ± deviation over batches (reading 21).  "
        "The scale of codes is arbitrary, so that the relative level is the one to be compared; the paper has none.",
        "",
        f"Spread of codes over particles, relative to that over images (reading 4b): E {number(spread['clean'], 4)}, "
        f"E' {number(spread['adversarial'], 4)}.",
        "",
        "## Marginals of z and z' (Fig. 5)",
        "",
        *_move_table(metrics["moves"]),
        "",
        "One particle an image; z of a random half of the images against z' of the other half.  Dimensions differ "
        f"where the KS test's p is below 0.05 after Holm over {d}.  MMD^2 is unbiased, with an RBF kernel of median "
        f"bandwidth, p from {metrics['settings']['num_permutations']} permutations.  Length is |z' - z| / |z|, mean.  "
        f"Outside the span: share of |z' - z|^2 beyond the Gram-Schmidt basis of the {K} nearest training codes; a "
        f"random direction has {1 - K / d:.2f}.  Picture: {EVIDENCE_NAMES[2]}.",
        "",
        "Share of a move's direction that is the same for all images of its class, |mean of unit moves|^2: "
        + ", ".join(f"{MOVE_NAMES[name]} {number(share, 3)}" for name, share in metrics["class_share"].items())
        + ".",
        "",
        "## Number of particles M",
        "",
        *_particle_table(metrics["particles"], metrics["updates"]),
        "",
        "One trained adversary, M particles drawn from it.  Reconstruction: mean l2 over particles, and of each "
        "image's best particle, pixels in [0, 1].  Flips: images that the target had right, misread for one of the M "
        "decoded z' at any distance; no search.  Candidates: draw, perturb and decode, target excluded.  Update: one "
        "inner update of Algorithm 2 at the base preset's sizes, random weights, target excluded.  Wall clock on "
        "whatever else the machine did; cpu is processor time.",
    ]
    return "\n".join(lines)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown; bars in a cell are escaped."""
    return [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (columns, ["---"] * len(columns), *rows)
    ]


def _move_table(moves: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            MOVE_NAMES[name],
            number(move["length"], 4),
            number(move["noise"]["relative"], 4),
            number(move["marginals"]["median"], 3),
            number(move["marginals"]["largest"], 3),
            percent(move["marginals"]["share_significant"], digits=0),
            f"{move['discrepancy']['squared']:.5f}",
            f"{move['discrepancy']['p_value']:.3f}",
            number(move["outside_span"], 3),
        )
        for name, move in moves.items()
    ]
    columns = (
        *("codes moved by", "length", "relative noise", "KS median", "KS largest", "dimensions that differ"),
        *("MMD^2", "p", "outside the span"),
    )
    return markdown_table(columns, rows)


def _particle_table(particles: Sequence[Mapping[str, Any]], updates: Sequence[Mapping[str, Any]]) -> list[str]:
    timed = {row["particles"]: row for row in updates}
    rows = [
        (
            str(row["particles"]),
            number(row["reconstruction_l2"], 3),
            number(row["best_reconstruction_l2"], 3),
            number(row["noise"]["relative"], 4),
            number(row["spread"]["clean"], 4),
            "-" if row["flips"] is None else f"{percent(row['flips']['rate'])} ({rate_interval(row['flips'])})",
            number(row["flip_l2"], 2),
            f"{row['wall_ms_an_image']:.2f} / {row['cpu_ms_an_image']:.2f}",
            f"{timed[row['particles']]['wall_ms']:.0f} / {timed[row['particles']]['cpu_ms']:.0f}",
        )
        for row in particles
    ]
    columns = (
        *("M", "reconstruction", "best of M", "relative noise", "spread of E", "flips of x' = dec(z')", "median l2"),
        *("candidates, ms an image, wall / cpu", "update, ms, wall / cpu"),
    )
    return markdown_table(columns, rows)
