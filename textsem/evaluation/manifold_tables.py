"""Evidence for the manifold as files: JSON, Markdown tables beside the paper's figures, and one picture."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EVIDENCE_NAMES", "draw_evidence", "evidence_tables", "write_manifold_evidence"]

EVIDENCE_NAMES = ("manifold_evidence.json", "manifold_evidence.md", "manifold_evidence.png")

# App. A of the paper: |Z' - Z|_2 / sqrt(B).
PAPER_NOISE = {"MNIST": 0.004, "CelebA": 0.026, "SVHN": 0.033}
MOVE_NAMES = {
    "adversarial": "E' as it is",
    "candidates": "candidates of E'",
    "isotropic": "isotropic noise, as long as E'",
    "clean": "another particle of E",
    "unmoved": "not moved (other sentences)",
}
COLORS = {"adversarial": "#2f7fd6", "candidates": "#3a9a6f", "isotropic": "#d9822b", "clean": "#8a6fd1"}
UNMOVED_COLOR = "#8a8f98"
COLUMNS = (
    "codes moved by",
    "length",
    "noise",
    "relative",
    "KS median",
    "KS largest",
    "dimensions that differ",
    "MMD^2",
    "p",
    "outside the span",
)


def write_manifold_evidence(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write the three files.

    Raises:
        ValueError: If a number is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / EVIDENCE_NAMES[0]).write_text(text + "\n", encoding="utf-8")
    (folder / EVIDENCE_NAMES[1]).write_text(evidence_tables(metrics) + "\n", encoding="utf-8")
    draw_evidence(metrics, folder / EVIDENCE_NAMES[2])


def evidence_tables(metrics: Mapping[str, Any]) -> str:
    """Return the tables, with what was measured and how, in Markdown."""
    data, noise, K, d = metrics["data"], metrics["latent_noise"], metrics["neighbours"], metrics["latent_dim"]
    lines = ["# Evidence for the manifold", ""]
    lines += [f"Notice: {metrics['notice']}", ""] if metrics["notice"] else []
    lines += [
        f"{metrics['sentences']} hypotheses of {data['source']}, {metrics['particles']} particles, "
        f"seed {metrics['settings']['seed']}.",
        "",
        "## Latent noise level",
        "",
        *_table(
            ("data", "noise", "relative"),
            [
                *((f"{name} (paper)", f"{value:.3f}", "-") for name, value in PAPER_NOISE.items()),
                (
                    "here, all particles",
                    *(_number(None if noise is None else noise[k]) for k in ("absolute", "relative")),
                ),
            ],
        ),
        "",
        "Noise is |Z' - Z|_2 / sqrt(B), spectral, over batches of 64.  The scale of codes is arbitrary, so the "
        "relative level, |Z' - Z|_2 / |Z|_2, is the one to be compared; the paper does not give it.",
        "",
        "## Where codes are moved to",
        "",
        *_table(COLUMNS, [_move_row(MOVE_NAMES[name], move) for name, move in metrics["moves"].items()]),
        "",
        "One particle a sentence.  Length is |z' - z| / |z|, mean over sentences; noise as above.  "
        "KS and MMD compare z of a random half of the sentences with z' of the other half; "
        f"dimensions differ where the KS test's p is below 0.05 after Holm over {d}.  MMD^2 is unbiased, with an RBF "
        f"kernel of median bandwidth, p from {metrics['settings']['num_permutations']} permutations.  Outside the "
        f"span: share of |z' - z|^2 beyond the Gram-Schmidt basis of the {K} nearest training codes, mean over "
        f"sentences; a random direction has {1 - K / d:.2f}.",
    ]
    if metrics["gbsm_alone"]:
        lines += ["", "## GBSM with Eq. 6 off", "", *_gbsm_table(metrics["gbsm_alone"])]
    curve = metrics["success_by_eps"]
    if curve:
        lines += ["", "## Success as a function of eps", "", *_curve_table(curve)]
    return "\n".join(lines)


def _move_row(name: str, move: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        *(_number(move[key]) for key in ("length", "noise_absolute", "noise_relative")),
        *(_number(move[key]) for key in ("ks_median", "ks_largest")),
        f"{100 * move['ks_share_significant']:.0f}%",
        f"{move['mmd_squared']:.4f}",
        f"{move['mmd_p_value']:.3f}",
        _number(move["outside_span"]),
    )


def _gbsm_table(starts: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    named = {"trained": "trained E'", "fresh": "fresh E'"}
    rows = [
        (named[start], str(point["step"]), f"{100 * point['share_left']:.0f}%", *_move_row("", point)[1:])
        for start, points in starts.items()
        for point in points
    ]
    return [
        *_table(("start", "batches", "|z' - z| left", *COLUMNS[1:]), rows),
        "",
        "E, decoder and extractor stand still; E' follows GBSM and the alignment (lines 3 and 4 of Algorithm 2) alone, "
        "on training hypotheses.",
    ]


def _curve_table(curve: Mapping[str, Any]) -> list[str]:
    valid = curve["valid_rate"] or [None] * len(curve["eps"])
    rows = [
        (f"{eps:.2f}", _percent(rate), _percent(v))
        for eps, rate, v in zip(curve["eps"], curve["rate"], valid, strict=True)
    ]
    judged = f", valid by {curve['judge']}" if curve["judge"] else "; not judged"
    note = f"Shares of {curve['attacked']} pairs that the target had right, fallen at an L2 distance below eps{judged}."
    return [*_table(("eps", "fell", "valid"), rows), "", note]


def draw_evidence(metrics: Mapping[str, Any], path: Path) -> None:
    """Draw KS by dimension, shares outside the span, GBSM alone, and success against eps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 6.6), layout="constrained")
    (marginals, span), (gbsm, success) = figure.subplots(2, 2)
    _draw_marginals(marginals, metrics["moves"])
    moved = {name: move["outside_span"] for name, move in metrics["moves"].items() if move["outside_span"] is not None}
    names = list(moved)
    span.barh([MOVE_NAMES[n] for n in names], [moved[n] for n in names], color=[COLORS[n] for n in names])
    span.axvline(1 - metrics["neighbours"] / metrics["latent_dim"], color=UNMOVED_COLOR, linestyle="--")
    span.invert_yaxis()
    span.set_xlabel("|z' - z|² outside the span (dashed: random)")
    for start, points in (metrics["gbsm_alone"] or {}).items():
        gbsm.plot([p["step"] for p in points], [p["noise_relative"] for p in points], marker="o", label=f"{start} E'")
    gbsm.set(xlabel="batches of GBSM, Eq. 6 off", ylabel="relative latent noise")
    gbsm.set_ylim(bottom=0)
    curve = metrics["success_by_eps"]
    if curve and curve["attacked"]:
        success.plot(curve["eps"], [100 * rate for rate in curve["rate"]], label="fell")
        if curve["valid_rate"]:
            success.plot(curve["eps"], [100 * rate for rate in curve["valid_rate"]], linestyle="--", label="valid")
    success.set(xlabel="eps, L2 of the embedded hypotheses", ylabel="% of attacked pairs")
    for axes, has_lines in ((gbsm, bool(gbsm.lines)), (success, bool(success.lines))):
        if has_lines:
            axes.legend(frameon=False)
        else:
            axes.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axes.transAxes)
    figure.savefig(path, dpi=120)


def _draw_marginals(axes: "Axes", moves: Mapping[str, Mapping[str, Any]]) -> None:
    """Draw each move's KS statistics in falling order."""
    for name, move in moves.items():
        color, style = COLORS.get(name, UNMOVED_COLOR), "-" if name in COLORS else "--"
        axes.plot(sorted(move["ks_statistics"], reverse=True), label=MOVE_NAMES[name], color=color, linestyle=style)
    axes.set(xlabel="dimensions of the code, most different first", ylabel="KS statistic of z and z'")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in (columns, ["---"] * len(columns), *rows)
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"
