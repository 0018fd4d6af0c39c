"""Judge the folders of finished runs: ours, controls, peers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textsem.evaluation.codes_of_lines import codes_of_lines
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.headline import headline
from textsem.evaluation.identity import identify_model, model_folder
from textsem.evaluation.judges import Judgement
from textsem.evaluation.judging import Jury, JuryConfig, judge_lines, load_jury
from textsem.evaluation.metrics import summarise
from textsem.evaluation.report import write_report
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.run import BUNDLED_MODEL, REPORT_NAME
from textsem.evaluation.whole_files import write_json
from textsem.model import TextAdversary
from textsem.outputs import AttackResult

__all__ = ["JudgeResultsConfig", "judge_folder", "judge_folders"]


@dataclass(frozen=True)
class JudgeResultsConfig:
    """Every option of ``scripts/judge_results.py``.

    Args:
        folders: Folders with ``results.jsonl``, and ``summary.json`` where there is one.
        judges: See ``JuryConfig``, as all that follows save ``model`` and ``controls``.
        sentence_encoder: Measures similarity.
        min_similarity: Threshold.
        max_perplexity_ratio: Threshold.
        device: Where the models run.
        batch_size: Most rows in one forward pass.
        model: ``bundled``, or the folder of the adversary whose trigram measures fluency.
        controls: Judged runs that the first folder is set against; none leaves each folder with the controls that its
            own settings name.
    """

    folders: tuple[str, ...]
    judges: tuple[str, ...]
    sentence_encoder: str | None = None
    min_similarity: float = 0.80
    max_perplexity_ratio: float | None = 2.0
    device: str = "cpu"
    batch_size: int = 64
    model: str = "bundled"
    controls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields; lists become tuples."""
        for name in ("folders", "judges", "controls"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.folders:
            raise ValueError("expected at least one folder, got none")
        self.jury_config()

    def jury_config(self) -> JuryConfig:
        """Return who judges."""
        return JuryConfig(
            self.judges,
            self.sentence_encoder,
            self.min_similarity,
            self.max_perplexity_ratio,
            self.device,
            self.batch_size,
        )


def judge_folders(config: JudgeResultsConfig) -> list[dict[str, Any]]:
    """Judge finished runs; write ``judgements.jsonl``, and summary and page anew, in each folder.

    All folders are judged before the first page is written, so that a run and its controls may come in one call.

    Returns:
        What each ``summary.json`` holds.

    Raises:
        ValueError: If a folder has no results, a judge took part in an attack, or a control was not judged alike.
    """
    folders = [Path(folder) for folder in config.folders]
    missing = [str(folder) for folder in folders if not (folder / RESULTS_NAME).is_file()]
    if missing:
        raise ValueError(f"expected {RESULTS_NAME} in {', '.join(missing)}, got none")
    took_part = {
        f"{role} ({folder})": identity
        for folder in folders
        for role, identity in _read_summary(folder).get("model", {}).items()
        if identity is not None
    }
    model = TextAdversary.from_pretrained(model_folder(config.model, BUNDLED_MODEL))
    trigram_folder = model_folder(config.model, BUNDLED_MODEL)
    jury = load_jury(config.jury_config(), model.language_model, trigram_folder, took_part=took_part)
    judged = [judge_folder(folder, jury) for folder in folders]
    summaries = []
    for i, (folder, (results, judgements, summary)) in enumerate(zip(folders, judged, strict=True)):
        named = config.controls if i == 0 else ()
        controls = named or _controls_that_stand(summary)
        summaries.append(_write(folder, results, judgements, summary, controls))
    return summaries


def judge_folder(folder: Path, jury: Jury) -> tuple[Sequence[AttackResult], list[Judgement], dict[str, Any]]:
    """Judge one finished run, write ``judgements.jsonl``, and put ``validity`` into ``summary.json``.

    Returns:
        The run's lines, their judgements, and what ``summary.json`` holds.
    """
    results = read_results(folder / RESULTS_NAME)
    judgements, validity = judge_lines(folder, results, jury)
    summary = {**_read_summary(folder), **summarise(results), "validity": validity}
    summary["headline"] = headline(summary)
    write_json(folder / SUMMARY_NAME, summary)
    return results, judgements, summary


def _write(
    folder: Path,
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement],
    summary: dict[str, Any],
    control_folders: Sequence[str],
) -> dict[str, Any]:
    """Write the page, and the summary with the sentence that stands on it."""
    controls = read_controls(control_folders, results, judgements=judgements, validity=summary["validity"])
    summary = {**summary, "headline": headline(summary, controls)}
    write_json(folder / SUMMARY_NAME, summary)
    write_report(
        folder / REPORT_NAME,
        summary,
        results,
        codes=_codes(summary, results),
        notice=summary.get("notice"),
        controls=controls,
        judgements=judgements,
    )
    return summary


def _controls_that_stand(summary: Mapping[str, Any]) -> list[str]:
    named = summary.get("settings", {}).get("controls") or []
    return [folder for folder in named if (Path(folder) / RESULTS_NAME).is_file()]


def _codes(summary: Mapping[str, Any], results: Sequence[AttackResult]) -> Any:
    """Return the codes of Fig. 5 if E' made the candidates and is still where the run found it."""
    settings, written = summary.get("settings", {}), summary.get("model", {}).get("adversary")
    if settings.get("candidates_from") != "adversarial" or not written or written["sha256"] is None:
        return None
    if identify_model(written["name"], BUNDLED_MODEL)["sha256"] != written["sha256"]:
        return None
    model = TextAdversary.from_pretrained(model_folder(written["name"], BUNDLED_MODEL))
    measured = codes_of_lines(
        model,
        results,
        num_particles=settings.get("num_particles") or model.config.num_particles,
        seed=settings.get("seed", 0),
    )
    return (measured.clean, measured.perturbed) if measured else None


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
