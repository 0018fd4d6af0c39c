"""Summary and page of a run made anew from its files: nobody is asked, neither the target nor a judge."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textsem.evaluation.codes import MeasuredCodes
from textsem.evaluation.codes_of_lines import codes_of_lines
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.headline import headline
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model, model_folder
from textsem.evaluation.judges import JUDGEMENTS_NAME, Judgement, read_judgements
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.results import PART_PATTERN, RESULTS_NAME, SETTINGS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.validity import ValidityThresholds, summarise_validity
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.runs.whole_files import write_json

__all__ = [
    "REPORT_NAME",
    "ReportConfig",
    "controls_that_stand",
    "read_object",
    "remake_report",
    "stored_summary",
    "whole_lines",
    "write_files",
]

REPORT_NAME = "report.html"
# In settings.json beside the options of the run.
NOT_OPTIONS = ("chunk_size", "identity", "moves", "source")
# True of the lines that a summary was made of, and of no others.
FACTS_OF_LINES = ("data", "latent_noise", "num_processes", "pairs_per_second", "seconds", "this_process")


@dataclass(frozen=True)
class ReportConfig:
    """What to make anew.

    Args:
        folder: Of the run: ``results.jsonl``, with ``summary.json``, ``settings.json`` and ``judgements.jsonl`` if any.
        controls: Folders of runs to be set against; none for those that the run's settings name and that still stand.
        min_similarity: Threshold of validity; None for the one before.  No judge is asked for another threshold.
        max_perplexity_ratio: Likewise.
    """

    folder: str
    controls: tuple[str, ...] = ()
    min_similarity: float | None = None
    max_perplexity_ratio: float | None = None

    def __post_init__(self) -> None:
        """Check the thresholds; a list becomes a tuple."""
        object.__setattr__(self, "controls", tuple(self.controls))
        self.thresholds(ValidityThresholds())

    def thresholds(self, before: ValidityThresholds) -> ValidityThresholds:
        """Return the thresholds, given those of the run."""
        given = {"min_similarity": self.min_similarity, "max_perplexity_ratio": self.max_perplexity_ratio}
        return replace(before, **{name: value for name, value in given.items() if value is not None})


def remake_report(config: ReportConfig) -> dict[str, Any]:
    """Write ``summary.json`` and ``report.html`` anew from the lines of a run, finished or not.

    Figures come from ``results.jsonl`` and ``judgements.jsonl``; what no file but the summary tells (settings,
    identities, times) is kept as long as it is about as many lines.

    Returns:
        What ``summary.json`` holds.

    Raises:
        ValueError: If there are no lines, they are broken, do not fit their judgements or a control.
        OSError: If a file cannot be written.
    """
    folder = Path(config.folder)
    with whole_lines(folder) as results:
        summary = stored_summary(folder, results)
        judgements, validity = _judged(folder, results, summary, config)
        controls = config.controls or controls_that_stand(summary, folder)
        return write_files(folder, results, judgements, {**summary, "validity": validity}, controls)


@contextmanager
def whole_lines(folder: Path) -> Iterator[Sequence[AttackResult]]:
    """Yield the results of a run; a torn last line of one that was cut off, or is going on, is left out, not cut off.

    Raises:
        ValueError: If there are none, or a line before the last is broken.
    """
    path = folder / RESULTS_NAME
    if not path.is_file():
        parts = len(list(folder.glob(PART_PATTERN)))
        found = f"only the parts of {parts} processes: --resume ends their run" if parts else "none"
        raise ValueError(f"expected {RESULTS_NAME} in {folder}, got {found}")
    if _is_whole(path):
        yield read_results(path)
        return
    with TemporaryDirectory() as temporary:
        copy = Path(temporary, RESULTS_NAME)
        with path.open("rb") as lines, copy.open("wb") as file:
            file.writelines(line for line in lines if line.endswith(b"\n"))
        yield read_results(copy)


def stored_summary(folder: Path, results: Sequence[AttackResult]) -> dict[str, Any]:
    """Return what a run's files tell beside its lines: its summary, or before there is one its settings.

    Args:
        folder: Of the run.
        results: Its lines.  What a summary says of other lines, before the run was continued, is left out.
    """
    summary, settings = read_object(folder / SUMMARY_NAME), read_object(folder / SETTINGS_NAME)
    if summary and summary.get("n") == len(results):
        return summary
    notice = f"The run was not at its end when this page was made, after {len(results)} pairs."
    kept = {name: value for name, value in summary.items() if name not in FACTS_OF_LINES}
    if not summary and settings:
        options = {name: value for name, value in settings.items() if name not in NOT_OPTIONS}
        kept = {"settings": options, "model": settings.get("identity") or {}, "seed": settings.get("seed", 0)}
    return {**kept, "notice": notice} if kept else {}


def write_files(
    folder: Path,
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement] | None,
    summary: Mapping[str, Any],
    control_folders: Sequence[str],
) -> dict[str, Any]:
    """Compute every figure that follows from the lines, and write summary and page.

    Args:
        folder: Of the run.
        results: Its lines.
        judgements: What was said about them; None where nobody judged.
        summary: What is known beside the lines, ``validity`` included.
        control_folders: Runs to be set against.

    Returns:
        What ``summary.json`` holds.
    """
    figures = summarise(results, confidence=summary.get("confidence", 0.95))
    controls = read_controls(control_folders, results, judgements=judgements, validity=summary["validity"])
    summary = {**summary, **figures}
    summary["rows_sent"] = sum(r.queries + (r.prediction is not None) for r in results)
    summary["first_error"] = next((r.message for r in results if r.status == "error"), None)
    summary["headline"] = headline(summary, controls)
    measured = _measured(summary, results)
    if measured is not None:
        summary.setdefault("latent_noise", asdict(measured.noise))
    write_json(folder / SUMMARY_NAME, summary)
    write_report(
        folder / REPORT_NAME,
        summary,
        results,
        codes=(measured.clean, measured.perturbed) if measured else None,
        notice=summary.get("notice"),
        controls=controls,
        judgements=judgements,
    )
    return summary


def _judged(
    folder: Path, results: Sequence[AttackResult], summary: Mapping[str, Any], config: ReportConfig
) -> tuple[list[Judgement] | None, dict[str, Any] | None]:
    """Return the judgements and what follows from them; nothing where nobody judged, or nobody knows who did."""
    before = summary.get("validity")
    if before is None or not (folder / JUDGEMENTS_NAME).is_file():
        if config.thresholds(ValidityThresholds()) != ValidityThresholds():
            raise ValueError(f"expected a run that was judged for other thresholds, got {folder}: name --judges")
        return None, None
    judgements = read_judgements(folder / JUDGEMENTS_NAME)
    thresholds = config.thresholds(ValidityThresholds(**before["thresholds"]))
    try:
        validity = summarise_validity(results, judgements, thresholds=thresholds, confidence=before["confidence"])
    except ValueError as error:
        raise ValueError(f"{error}; --judges judges the lines anew") from error
    return judgements, {**validity, **{name: before[name] for name in ("measured_by",) if name in before}}


def controls_that_stand(summary: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the controls of the run's settings that are where they were, or beside the run."""
    named = [Path(control) for control in (summary.get("settings") or {}).get("controls") or ()]
    places = [next((p for p in (c, folder.parent / c.name) if (p / RESULTS_NAME).is_file()), None) for c in named]
    return [str(place) for place in places if place is not None]


def _measured(summary: Mapping[str, Any], results: Sequence[AttackResult]) -> MeasuredCodes | None:
    """Return the codes of Fig. 5 if E' made the candidates and is still what it was."""
    settings, written = summary.get("settings") or {}, (summary.get("model") or {}).get("adversary")
    if settings.get("candidates_from") != "adversarial" or not written or written["sha256"] is None:
        return None
    if identify_model(written["name"], BUNDLED_MODEL)["sha256"] != written["sha256"]:
        return None
    model = TextAdversary.from_pretrained(model_folder(written["name"], BUNDLED_MODEL))
    num_particles = settings.get("num_particles") or model.config.num_particles
    return codes_of_lines(model, results, num_particles=num_particles, seed=settings.get("seed", 0))


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds; an empty one where there is no file.

    Raises:
        ValueError: If it holds anything else.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected whole JSON in {path}, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object in {path}, got {type(content).__name__}")
    return content
