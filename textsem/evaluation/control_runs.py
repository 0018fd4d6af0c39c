"""Finished runs that another one is set against: the same pairs, the same target, the same jury."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textsem.evaluation.judges import JUDGEMENTS_NAME, Judgement, read_judgements
from textsem.evaluation.metrics import summarise
from textsem.evaluation.results import RESULTS_NAME, SUMMARY_NAME, read_results
from textsem.evaluation.validity import ValidityThresholds, is_valid, summarise_validity
from textsem.evaluation.validity_conditions import attacked_pairs, is_flip, was_attacked
from textsem.outputs import AttackResult
from textsem.runs.comparison import compare_paired

__all__ = ["read_controls"]


def read_controls(
    folders: Sequence[str],
    results: Sequence[AttackResult],
    *,
    judgements: Sequence[Judgement] | None = None,
    validity: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]] | None:
    """Return the figures of the runs that this one is set against, recomputed from their lines.

    Args:
        folders: Folders of finished runs.
        results: Lines of this run.
        judgements: Its judgements, read back; None where nobody judged.
        validity: Its summary's ``validity``; None where nobody judged.

    Returns:
        By the source of a control's candidates: what ``summarise`` says; ``paired``, McNemar's test of this run against
        it (``flips``, and ``valid`` where that can be stated); and with judges its ``validity``.  None without folders.

    Raises:
        ValueError: If a control was run on other pairs, or not judged by the same models.
    """
    pairs = [(result.premise, result.hypothesis, result.prediction) for result in results]
    found: dict[str, dict[str, Any]] = {}
    for folder in map(Path, folders):
        lines = read_results(folder / RESULTS_NAME)
        if [(line.premise, line.hypothesis, line.prediction) for line in lines] != pairs:
            raise ValueError(f"expected a control on the same pairs and target in {folder}, got other ones")
        control = summarise(lines)
        own_flips, flips = ([is_flip(r) for r in run if was_attacked(r)] for run in (results, lines))
        control["paired"] = {"flips": asdict(compare_paired(own_flips, flips)) if flips else None}
        if judgements is not None and validity is not None:
            control["validity"] = _judged(folder, lines, validity)
            is_stated = validity["statement"] is None and control["validity"]["statement"] is None
            valid = _compare_valid(results, judgements, folder, lines, validity) if is_stated and flips else None
            control["paired"]["valid"] = valid
        name = _source(folder)
        found[folder.name if name in found else name] = control
    return found or None


def _judged(folder: Path, lines: Sequence[AttackResult], validity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a control's ``validity`` at this run's thresholds."""
    wanted = validity["measured_by"]
    written = (_summary(folder).get("validity") or {}).get("measured_by")
    if written is None or not (folder / JUDGEMENTS_NAME).is_file() or _keys(written) != _keys(wanted):
        raise ValueError(
            f"expected judgements of the control in {folder} by the same judges, sentence encoder and language model "
            f"as this run, got {'none' if written is None else 'others'}: run {_mend(folder, wanted)}"
        )
    thresholds = ValidityThresholds(**validity["thresholds"])
    figures = summarise_validity(lines, read_judgements(folder / JUDGEMENTS_NAME), thresholds=thresholds)
    return {**figures, "measured_by": written}


def _compare_valid(
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement],
    folder: Path,
    lines: Sequence[AttackResult],
    validity: Mapping[str, Any],
) -> dict[str, Any]:
    """Compare valid successes pair by pair, each run by its scoring judge: the same model, perhaps by two names."""
    thresholds = ValidityThresholds(**validity["thresholds"])
    sides = [(results, judgements), (lines, read_judgements(folder / JUDGEMENTS_NAME))]
    own, control = (
        [is_valid(r, j, next(iter(j.before)), thresholds) for r, j in attacked_pairs(run, judged)]
        for run, judged in sides
    )
    return asdict(compare_paired(own, control))


def _keys(measured_by: Mapping[str, Any]) -> list[str | None]:
    """Return who measured, by digest or by name, in order."""
    models = [*measured_by["judges"].values(), measured_by["sentence_encoder"], measured_by["language_model"]]
    return [None if model is None else model["sha256"] or model["name"] for model in models]


def _mend(folder: Path, wanted: Mapping[str, Any]) -> str:
    judges = " ".join(str(judge["name"]) for judge in wanted["judges"].values())
    encoder = wanted["sentence_encoder"]
    option = "" if encoder is None else f" --sentence-encoder {encoder['name']}"
    return f"textsem report {folder} --judges {judges}{option}"


def _source(folder: Path) -> str:
    return str(_summary(folder).get("settings", {}).get("candidates_from", folder.name))


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
