"""What came out of a run, in one sentence."""

from collections.abc import Mapping
from typing import Any

from textsem.runs.comparison import ProportionComparison, compare_proportions
from textsem.runs.formats import interval, number, percent, rate_interval

__all__ = ["compare_flips", "compare_valid", "headline", "scored"]

Summary = Mapping[str, Any]


def headline(summary: Summary, controls: Mapping[str, Summary] | None = None) -> str:
    """Say in one sentence what came out; if a control is not beaten, say that.

    Where a judge was asked, valid success decides, else flips.  Beaten means: the Wilson intervals of the two rates do
    not touch (``ProportionComparison.is_above``).

    Raises:
        ValueError: If this run was judged and a control was not.
    """
    if not summary["attacked"]:
        return f"No pair was attacked: the target had none of {summary['n']} right."
    validity = summary.get("validity")
    if validity is None:
        return _about_flips(summary, controls or {})
    unstated = next(filter(None, (_statement(run) for run in (summary, *(controls or {}).values()))), None)
    if unstated is not None:
        return f"{_about_flips(summary, controls or {})} {unstated}"
    return _about_valid(summary, controls or {})


def scored(summary: Summary) -> Mapping[str, Any]:
    """Return what the scoring judge says about a run."""
    validity = summary["validity"]
    figures: Mapping[str, Any] = validity["judges"][validity["scoring_judge"]]
    return figures


def compare_valid(summary: Summary, control: Summary) -> ProportionComparison:
    """Compare valid success rates, each by its run's scoring judge."""
    own, other = scored(summary)["valid"], scored(control)["valid"]
    return compare_proportions(own["count"], max(own["of"], 1), other["count"], max(other["of"], 1))


def compare_flips(summary: Summary, control: Summary) -> ProportionComparison:
    """Compare the rates of flips."""
    return compare_proportions(
        summary["successes"], max(summary["attacked"], 1), control["successes"], max(control["attacked"], 1)
    )


def _statement(run: Summary) -> str | None:
    if run.get("validity") is None:
        raise ValueError("expected a judgement of every control of a run that was judged, got none of one")
    statement: str | None = run["validity"]["statement"]
    return statement


def _about_flips(summary: Summary, controls: Mapping[str, Summary]) -> str:
    rate = f"{percent(summary['attack_success_rate'])} ({interval(summary)})"
    level = percent(summary["confidence"], digits=0)
    unbeaten = {
        name: f"{percent(control['attack_success_rate'])} ({interval(control)})"
        for name, control in controls.items()
        if not compare_flips(summary, control).is_above
    }
    if unbeaten:
        return (
            f"The method is not above {_whom(unbeaten)}: {rate} of the attacked pairs fell, {_listed(unbeaten)}; "
            f"{level} intervals."
        )
    counts = f"{summary['successes']} of {summary['attacked']}"
    text = f"{counts} pairs that the target had right fell: {rate}, {level} interval"
    if summary["successes"]:
        edits = number(summary["edits"]["median"])
        text += f", by a median of {edits} word edit{'' if edits == '1' else 's'}"
    return text + (", above every control." if controls else ".")


def _about_valid(summary: Summary, controls: Mapping[str, Summary]) -> str:
    own, judge = scored(summary), summary["validity"]["scoring_judge"]
    rate = f"{percent(own['valid']['rate'])} ({rate_interval(own['valid'])})"
    level = percent(summary["confidence"], digits=0)
    flips = f"the target's label flipped on {percent(summary['attack_success_rate'])}"
    unbeaten = {
        name: f"{percent(scored(control)['valid']['rate'])} ({rate_interval(scored(control)['valid'])})"
        for name, control in controls.items()
        if not compare_valid(summary, control).is_above
    }
    if unbeaten:
        return (
            f"The method is not above {_whom(unbeaten)} by valid success: {rate} of the attacked pairs, "
            f"{_listed(unbeaten)}; {level} intervals, judged by \u201c{judge}\u201d; {flips}."
        )
    counts = f"{own['valid']['count']} of {own['valid']['of']}"
    end = ", above every control" if controls else ""
    return (
        f"{counts} pairs that the target had right fell to a valid attack: {rate}, {level} interval, judged by "
        f"\u201c{judge}\u201d{end}; {flips}."
    )


def _whom(unbeaten: Mapping[str, str]) -> str:
    return "its control" if len(unbeaten) == 1 else f"{len(unbeaten)} of its controls"


def _listed(unbeaten: Mapping[str, str]) -> str:
    return " and ".join(f"{rate} with \u201c{name}\u201d" for name, rate in unbeaten.items())
