"""What came out of a run on images, in one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from images_ext.evaluation.finished_run import query_budget
from images_ext.evaluation.judged_folders import JudgedRun
from images_ext.evaluation.rivalries import Rivalry
from textsem.runs.formats import number, percent, rate_interval

__all__ = ["headline"]


def headline(own: JudgedRun, held: Sequence[Rivalry]) -> str:
    """Say what came out; if a control is not beaten, begin with that; if one was set otherwise, end with that.

    Args:
        own: The run.
        held: From ``rivalries``; those that are no controls are not spoken of.
    """
    figures = own.figures
    if not figures["attacked"]:
        return f"No image was attacked: the target had none of {figures['n']} right."
    unbeaten = [rival for rival in held if rival.is_control and not rival.is_above]
    warning = _warning(unbeaten) if unbeaten else ""
    unlike = [rival for rival in held if rival.is_control and rival.unlike]
    note = "".join(f" Set otherwise: \u201c{rival.name}\u201d ({', '.join(rival.unlike)})." for rival in unlike)
    of = f"of {figures['attacked']} images that the target had right"
    flipped = f"{figures['success']['count']} {of} flipped {_ball(own.run.settings)}: {_stated(figures['success'])}"
    if own.kept is None:
        return f"{warning}{flipped}, 95% interval; nobody judged whether they keep their label.{note}"
    joint = own.kept["joint"]
    is_beaten = any(rival.is_control for rival in held) and not unbeaten and not unlike
    beaten = ", above every control" if is_beaten else ""
    return (
        f"{warning}{joint['count']} {of} flipped {_ball(own.run.settings)} while the judge keeps the label: "
        f"{_stated(joint)}, 95% interval{beaten}; label kept or not, {figures['success']['count']} flipped, "
        f"{_stated(figures['success'])}.{note}"
    )


def _warning(unbeaten: Sequence[Rivalry]) -> str:
    told = ", ".join(f"\u201c{rival.name}\u201d (p = {rival.p_value:.2g})" for rival in unbeaten)
    what = "joint success" if unbeaten[0].counts == "joint" else "success"
    return f"E' is not above {'its control' if len(unbeaten) == 1 else 'these controls'} in {what}: {told}. "


def _ball(settings: Mapping[str, Any]) -> str:
    """Return where a flip counts, and within how many queries."""
    norm, eps, most = settings.get("norm"), settings.get("eps"), query_budget(settings)
    where = "at any distance" if eps is None else f"at {norm} < {number(float(eps), 4)}"
    return where if most is None else f"{where} within {most} queries"


def _stated(share: Mapping[str, Any]) -> str:
    return f"{percent(share['rate'])} ({rate_interval(share)})"
