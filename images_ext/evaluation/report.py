"""One self-contained page about a run on images: what came out, against what, and what it looks like."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from images_ext.evaluation.examples import example_groups
from images_ext.evaluation.finished_run import read_run
from images_ext.evaluation.headline import headline
from images_ext.evaluation.judged_folders import JudgedRun, judge_folder, judged_run
from images_ext.evaluation.results import REPORT_NAME
from images_ext.evaluation.rivalries import Rivalry, rivalries
from images_ext.evaluation.success_figures import query_figure, radius_figure, radius_tables
from textsem.runs import formats
from textsem.runs.whole_files import write_whole

__all__ = ["notices", "write_report"]

TEMPLATES = ("report.html.j2", "grids.html.j2", "page.css")
FILTERS = {
    "percent": formats.percent,
    "number": formats.number,
    "points": formats.points,
    "rate_interval": formats.rate_interval,
}
STAND_IN_NOTICE = (
    "SVHN was not at hand: these are drawn house numbers in its file format, a stand-in on which no figure says "
    "anything about SVHN itself."
)


def write_report(folder: str | Path, *, controls: Sequence[str | Path] = (), judge: str | Path | None = None) -> Path:
    """Write ``report.html`` about a finished run.  It needs no network and loads nothing.

    Args:
        folder: Of the run; its seed chooses the examples.
        controls: Folders of runs on the same images and target that this one is held against.
        judge: Folder of an independent classifier, which is asked before; None for the judgements in the folder, if
            there are any.

    Returns:
        The page.

    Raises:
        ValueError: If a folder does not hold a finished run, or a control saw other images, target or judge.
        OSError: If a file cannot be written.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    own = judged_run(read_run(folder) if judge is None else judge_folder(folder, judge))
    others = [judged_run(read_run(control)) for control in controls]
    held = rivalries(own, others)
    place = files("images_ext.evaluation").joinpath("templates")
    loader = DictLoader({name: place.joinpath(name).read_text(encoding="utf-8") for name in TEMPLATES})
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=loader
    )
    environment.filters |= FILTERS
    summary = own.run.summary
    drawn = {"radius": radius_figure(own, others), "queries": query_figure(own, others)}
    page = environment.get_template(TEMPLATES[0]).render(
        notices=notices(summary),
        headline=headline(own, held),
        name=own.run.name,
        figures=own.figures,
        kept=own.kept,
        settings=own.run.settings,
        summary=summary,
        rows=_comparison(own, others, held),
        drawn={name: Markup(svg) for name, svg in drawn.items() if svg is not None},
        tables=radius_tables(own),
        groups=example_groups(own),
        details=[
            (name, list(_flatten(summary.get(name) or {})))
            for name in ("settings", "data", "model", "moves", "versions")
        ],
    )
    path = own.run.folder / REPORT_NAME
    write_whole(path, page.encode("utf-8", errors="xmlcharrefreplace"))
    return path


def notices(summary: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know before any figure: that data are a stand-in or drawn."""
    found = [summary["notice"]] if summary.get("notice") else []
    is_stand_in = (summary.get("data") or {}).get("name") == "svhn stand-in"
    return [*found, STAND_IN_NOTICE] if is_stand_in else found


def _comparison(
    own: JudgedRun, others: Sequence[JudgedRun], held: Sequence[Rivalry]
) -> list[tuple[str, JudgedRun, Rivalry | None]]:
    """Return the rows of the table of runs; empty where there is nothing to compare."""
    if not held:
        return []
    rivals = [(run.run.name, run, rival) for run, rival in zip(others, held, strict=True)]
    return [(own.run.name, own, None), *rivals]


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", formats.DASH if value is None else str(value)
