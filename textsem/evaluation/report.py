"""One self-contained page about a run: what came out, against what, and what it looks like."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from textsem.evaluation.headline import compare_flips, headline
from textsem.evaluation.judges import Judgement
from textsem.evaluation.report_validity import validity_view
from textsem.evaluation.validity_conditions import is_flip
from textsem.evaluation.word_differences import word_differences
from textsem.outputs import AttackResult
from textsem.runs import figures, formats
from textsem.runs.intervals import ks_statistic
from textsem.runs.whole_files import write_whole

__all__ = ["headline", "write_report"]

NUM_EXAMPLES, NUM_NOT_VALID = 30, 10
TEMPLATES = ("report.html.j2", "validity.html.j2", "examples.html.j2")
FILTERS = {
    "percent": formats.percent,
    "number": formats.number,
    "interval": formats.interval,
    "points": formats.points,
    "rate_interval": formats.rate_interval,
}

Summary = Mapping[str, Any]


def write_report(
    path: str | Path,
    summary: Summary,
    results: Sequence[AttackResult],
    *,
    codes: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    notice: str | None = None,
    controls: Mapping[str, Summary] | None = None,
    judgements: Sequence[Judgement] | None = None,
) -> None:
    """Write the page.  It needs no network and loads nothing.

    Args:
        path: The HTML file.
        summary: From ``write_summary``, or from ``summarise`` alone; its seed chooses the examples.
        results: The lines that the summary was made from.
        codes: Clean and perturbed codes, each [examples, latent], for Fig. 5.
        notice: What a reader must know first, such as demo data.
        controls: Name of a control to what ``summarise`` says about it, from ``read_controls``.
        judgements: What the summary's ``validity`` was made from.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the codes are not two matrices of the same width with rows, or a summary that tells validity
            comes without judgements or beside a control that nobody judged.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("textsem.evaluation").joinpath("templates")
    loader = DictLoader({name: folder.joinpath(name).read_text(encoding="utf-8") for name in TEMPLATES})
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=loader
    )
    environment.filters |= FILTERS
    flips, queries, distances = _find_flips(results)
    drawn = {name: Markup(svg) for name, svg in _draw(summary, queries, distances, controls or {}).items()}
    validity = validity_view(summary, results, judgements, controls or {})
    page = environment.get_template(TEMPLATES[0]).render(
        headline=headline(summary, controls),
        notice=notice,
        summary=summary,
        level=formats.percent(summary["confidence"], digits=0),
        source=(summary.get("settings") or {}).get("candidates_from", "this run"),
        controls=[(name, control, compare_flips(summary, control)) for name, control in (controls or {}).items()],
        figures=drawn,
        marginals=_marginals(codes),
        validity=validity,
        examples=_examples(results, flips, summary, NUM_EXAMPLES),
        valid_examples=_all_examples(validity["valid"], summary, NUM_EXAMPLES) if validity else [],
        not_valid_examples=_all_examples(validity["not_valid"], summary, NUM_NOT_VALID) if validity else [],
        num_successes=len(flips),
        details=[(name, list(_flatten(summary.get(name) or {}))) for name in ("settings", "data", "model", "versions")],
    )
    # A lone surrogate, which UTF-8 cannot hold, becomes a reference that browsers show as an unknown character.
    write_whole(Path(path), page.encode("utf-8", errors="xmlcharrefreplace"))


def _find_flips(results: Sequence[AttackResult]) -> "tuple[array[int], array[int], array[float]]":
    """Return the places of the flips, their queries and their distances: all that is kept of results by the million."""
    places, queries, distances = array("q"), array("q"), array("d")
    for place, result in enumerate(results):
        if is_flip(result):
            places.append(place)
            queries.append(result.queries)
            if result.distance is not None:
                distances.append(result.distance)
    return places, queries, distances


def _all_examples(results: Sequence[AttackResult], summary: Summary, most: int) -> list[tuple[AttackResult, Any]]:
    return _examples(results, range(len(results)), summary, most)


def _examples(
    results: Sequence[AttackResult], places: Sequence[int], summary: Summary, most: int
) -> list[tuple[AttackResult, Any]]:
    """Choose examples by the seed alone, and show them in input order, word by word."""
    generator = torch.Generator().manual_seed(int(summary.get("seed") or 0))
    chosen = torch.randperm(len(places), generator=generator)[:most].tolist()
    shown = [results[places[i]] for i in sorted(chosen)]
    return [(result, word_differences(result.hypothesis, result.adversarial or "")) for result in shown]


def _draw(
    summary: Summary, queries: Sequence[int], distances: Sequence[float], controls: Mapping[str, Summary]
) -> dict[str, str]:
    if not summary["attacked"]:
        return {}
    shares = {name: c["queries"]["success_at"] for name, c in controls.items() if c["attacked"]}
    confidence, attacked = summary["confidence"], summary["attacked"]
    drawn = {"queries": figures.draw_query_curve(queries, attacked, controls=shares, confidence=confidence)}
    if distances:
        drawn["distance"] = figures.draw_distance_curve(distances, attacked, confidence=confidence)
    return drawn


def _marginals(codes: tuple[npt.ArrayLike, npt.ArrayLike] | None) -> dict[str, Any] | None:
    if codes is None:
        return None
    from markupsafe import Markup

    clean, perturbed = (np.asarray(side, dtype=np.float64) for side in codes)
    if clean.ndim != 2 or perturbed.ndim != 2 or clean.shape[1:] != perturbed.shape[1:] or not clean.size:
        raise ValueError(f"expected two matrices [examples, latent], got {clean.shape} and {perturbed.shape}")
    per_dimension = [ks_statistic(clean[:, j], perturbed[:, j]) for j in range(clean.shape[1])]
    return {
        "svg": Markup(figures.draw_marginals(clean, perturbed)),
        "pooled": ks_statistic(clean, perturbed),
        "median": float(np.median(per_dimension)),
        "largest": max(per_dimension),
        "shape": (len(clean), len(perturbed), clean.shape[1]),
    }


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", formats.DASH if value is None else str(value)
