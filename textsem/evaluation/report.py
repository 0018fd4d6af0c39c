"""One self-contained page about a run: what came out, against what, and what it looks like."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from textsem.evaluation import figures
from textsem.evaluation.comparison import compare_proportions
from textsem.evaluation.metrics import ks_statistic
from textsem.outputs import AttackResult
from textsem.text.tokenization import TokenizedText, tokenize

__all__ = ["WordPiece", "headline", "word_differences", "write_report"]

NUM_EXAMPLES = 30
DASH = "\u2013"

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class WordPiece:
    """A run of words in a comparison of two sentences.

    Args:
        kind: Whether the words stand in both, in the old one only, or in the new one only.
        text: Their surface.
        has_space: Whether a space stands before them in their sentence.
    """

    kind: Literal["same", "deleted", "inserted"]
    text: str
    has_space: bool


def word_differences(old: str, new: str) -> list[WordPiece]:
    """Compare two sentences word by word; what is replaced comes as deleted, then inserted.

    Words are compared in lower case and shown with the surface they have in their own sentence.

    Example:
        >>> [(p.kind, p.text) for p in word_differences("A man sleeps.", "A woman sleeps.")]
        [('same', 'A'), ('deleted', 'man'), ('inserted', 'woman'), ('same', 'sleeps.')]
    """
    a, b = tokenize(old), tokenize(new)
    pieces: list[WordPiece] = []
    for tag, a_from, a_to, b_from, b_to in SequenceMatcher(a=a.words, b=b.words, autojunk=False).get_opcodes():
        if tag != "equal" and a_from < a_to:
            pieces.append(_piece("deleted", a, a_from, a_to))
        if b_from < b_to:
            pieces.append(_piece("same" if tag == "equal" else "inserted", b, b_from, b_to))
    return pieces


def headline(summary: Summary, controls: Mapping[str, Summary] | None = None) -> str:
    """Say in one sentence what came out; if a control is not beaten, say that.

    Beaten means: the Wilson intervals of the two rates do not touch (``ProportionComparison.is_above``).
    """
    if not summary["attacked"]:
        return f"No pair was attacked: the target had none of {summary['n']} right."
    rate = f"{_percent(summary['attack_success_rate'])} ({_interval(summary)})"
    level = _percent(summary["confidence"], digits=0)
    unbeaten = [name for name, control in (controls or {}).items() if not _compare(summary, control).is_above]
    if controls and unbeaten:
        others = " and ".join(
            f"{_percent(controls[name]['attack_success_rate'])} ({_interval(controls[name])}) with \u201c{name}\u201d"
            for name in unbeaten
        )
        what = "its control" if len(unbeaten) == 1 else f"{len(unbeaten)} of its controls"
        return f"The method is not above {what}: {rate} of the attacked pairs fell, {others}; {level} intervals."
    counts = f"{summary['successes']} of {summary['attacked']}"
    text = f"{counts} pairs that the target had right fell: {rate}, {level} interval"
    if summary["successes"]:
        edits = _number(summary["edits"]["median"])
        text += f", by a median of {edits} word edit{'' if edits == '1' else 's'}"
    return text + (", above every control." if controls else ".")


def write_report(
    path: str | Path,
    summary: Summary,
    results: Sequence[AttackResult],
    *,
    codes: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    notice: str | None = None,
    controls: Mapping[str, Summary] | None = None,
) -> None:
    """Write the page.  It needs no network and loads nothing.

    Args:
        path: The HTML file.
        summary: From ``write_summary``, or from ``summarise`` alone; its seed chooses the examples.
        results: The lines that the summary was made from.
        codes: Clean and perturbed codes, each [examples, latent], for Fig. 5.
        notice: What a reader must know first, such as demo data.
        controls: Name of a control to what ``summarise`` says about it.

    Raises:
        ValueError: If the codes are not two matrices of the same width with rows.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": _percent, "number": _number, "interval": _interval, "points": _points}
    template = files("textsem.evaluation").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    successes = [r for r in results if r.status == "success" and r.prediction == r.label]
    drawn = {name: Markup(svg) for name, svg in _draw(summary, successes, controls or {}).items()}
    page = environment.from_string(template).render(
        headline=headline(summary, controls),
        notice=notice,
        summary=summary,
        level=_percent(summary["confidence"], digits=0),
        source=(summary.get("settings") or {}).get("candidates_from", "this run"),
        controls=[(name, control, _compare(summary, control)) for name, control in (controls or {}).items()],
        figures=drawn,
        marginals=_marginals(codes),
        examples=[(r, word_differences(r.hypothesis, r.adversarial or "")) for r in _sample(successes, summary)],
        num_successes=len(successes),
        details=[(name, list(_flatten(summary.get(name) or {}))) for name in ("settings", "data", "model", "versions")],
    )
    Path(path).write_text(page, encoding="utf-8")


def _piece(kind: Literal["same", "deleted", "inserted"], sentence: TokenizedText, start: int, end: int) -> WordPiece:
    first, last = sentence.spans[start][0], sentence.spans[end - 1][1]
    return WordPiece(kind, sentence.text[first:last], has_space=sentence.text[:first][-1:].isspace())


def _sample(successes: Sequence[AttackResult], summary: Summary) -> list[AttackResult]:
    """Choose examples by the seed alone, and show them in input order."""
    generator = torch.Generator().manual_seed(int(summary.get("seed") or 0))
    chosen = torch.randperm(len(successes), generator=generator)[:NUM_EXAMPLES].tolist()
    return [successes[i] for i in sorted(chosen)]


def _draw(summary: Summary, successes: Sequence[AttackResult], controls: Mapping[str, Summary]) -> dict[str, str]:
    if not summary["attacked"]:
        return {}
    shares = {name: c["queries"]["success_at"] for name, c in controls.items() if c["attacked"]}
    queries = [r.queries for r in successes]
    distances = [r.distance for r in successes if r.distance is not None]
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


def _compare(summary: Summary, control: Summary) -> Any:
    return compare_proportions(
        summary["successes"], max(summary["attacked"], 1), control["successes"], max(control["attacked"], 1)
    )


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", DASH if value is None else str(value)


def _percent(share: float | None, digits: int = 1) -> str:
    return DASH if share is None else f"{100 * share:.{digits}f}%"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def _number(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def _interval(rates: Summary) -> str:
    low, high = rates["attack_success_interval"]
    return f"{_percent(low)} to {_percent(high)}"
