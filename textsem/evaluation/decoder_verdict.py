"""The paper's claim that the transpose CNN gives the most legible text, held against what was measured."""

from collections.abc import Mapping
from math import inf
from typing import Any

from textsem.runs.formats import number, percent

__all__ = ["CLAIMED", "judge_claim"]

CLAIMED = "transpose_cnn"

Row = Mapping[str, Any]

_NOTHING: Row = {
    "n": 0,
    "median_ratio": inf,
    "median_ratio_interval": None,
    "median_similarity": 1.0,
    "median_changed_words": 0,
}


def judge_claim(rows: Mapping[str, Row]) -> dict[str, Any]:
    """Compare the perplexity ratios of free adversarial text with a changed word; each decoder by its best model.

    Sentences that came back as they were are left out: an E' that moves little would win by them.

    Confirmed: the transpose CNN has the lowest median, and its 95% interval lies below that of every other decoder.
    Refuted: another has the lowest, and its interval lies below that of the transpose CNN.  Else not decided.

    Args:
        rows: Models by name, as ``decoders.json`` has them: ``decoder``, ``free``, ``reconstruction``.

    Returns:
        ``claim``: ``confirmed``, ``refuted`` or ``not decided``; ``lowest``: the model with the lowest median;
        ``text``: a paragraph for the reader.
    """
    best: dict[str, str] = {}
    for name in sorted(rows, key=lambda name: float(_free(rows[name])["median_ratio"])):
        best.setdefault(rows[name]["decoder"], name)
    lowest = next(iter(best.values()))
    claim, reason = _decide(rows, best)
    text = (
        "Free adversarial text, where a word has changed, has its lowest median perplexity ratio, new to old, with "
        f"{_told(lowest, rows[lowest])}. {reason} "
        f"The paper's claim that the transpose CNN gives the most legible text: {claim}. "
        "A low ratio is legibility alone: a decoder that does not read the code may write fluent text about anything, "
        "so similarity, words changed and reconstruction stand beside it."
    )
    return {"claim": claim, "lowest": lowest, "text": text}


def _decide(rows: Mapping[str, Row], best: Mapping[str, str]) -> tuple[str, str]:
    """Return the verdict and the sentence that gives its reason."""
    if CLAIMED not in best:
        return "not decided", "No model here has a transpose CNN."
    if len(best) == 1:
        return "not decided", "Every model here has a transpose CNN: there is no other decoder to hold it against."
    own = best[CLAIMED]
    others = [name for decoder, name in best.items() if decoder != CLAIMED]
    rival = others[0]
    intervals = {name: _free(rows[name])["median_ratio_interval"] for name in best.values()}
    if None in intervals.values():
        return "not decided", "There are too few sentences for an interval of the median."
    told = _told(rival, rows[rival]) if next(iter(best.values())) == own else _told(own, rows[own])
    if all(intervals[own][1] < intervals[name][0] for name in others):
        return "confirmed", f"Next is {told}; its 95% interval does not overlap."
    if intervals[rival][1] < intervals[own][0]:
        return "refuted", f"The best transpose CNN is {told}; the 95% intervals do not overlap."
    which = "Next is" if next(iter(best.values())) == own else "The best transpose CNN is"
    return "not decided", f"{which} {told}; the 95% intervals overlap."


def _told(name: str, row: Row) -> str:
    free, tokens = _free(row), row["reconstruction"]["share_of_tokens"]
    bounds = free["median_ratio_interval"]
    within = "no interval" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"
    return (
        f"{name} ({row['decoder']}): {free['median_ratio']:.2f} ({within}), "
        f"similarity {free['median_similarity']:.2f}, words changed {number(free['median_changed_words'])}, "
        f"{percent(tokens)} of tokens reconstructed"
    )


def _free(row: Row) -> Mapping[str, Any]:
    free: Mapping[str, Any] | None = row["free"]["adversarial"]["changed"]
    return free or _NOTHING
