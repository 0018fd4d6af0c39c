"""Judgements of finished runs: written beside the lines, and read back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from images_ext.evaluation.assembly import BUNDLED_JUDGE, identify_folder
from images_ext.evaluation.finished_run import FinishedRun, read_run
from images_ext.evaluation.label_kept import LabelJudgement, joint_places, judge_run, summarise_judgements
from images_ext.evaluation.metrics import summarise
from images_ext.evaluation.results import SUMMARY_NAME
from images_ext.targets.loading import load_image_target
from textsem.runs.whole_files import to_json_bytes, write_json, write_whole

__all__ = ["JUDGEMENTS_NAME", "JudgedRun", "judge_folder", "judged_run", "read_judgements"]

JUDGEMENTS_NAME = "judgements.jsonl"
_FIELDS = {field.name for field in fields(LabelJudgement)}


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """A finished run with its figures.

    Args:
        run: As read from its folder.
        figures: What ``summarise`` says about its lines.
        judgements: Of every input that was asked about; None where nobody judged.
        kept: What ``summarise_judgements`` says, with the ``judge``'s name and digest; None where nobody judged.
    """

    run: FinishedRun
    figures: dict[str, Any]
    judgements: tuple[LabelJudgement, ...] | None
    kept: dict[str, Any] | None

    @property
    def successes(self) -> frozenset[int]:
        """Indices of flips inside the ball."""
        return frozenset(result.index for result in self.run.results if result.status == "success")

    @property
    def joint(self) -> frozenset[int] | None:
        """Indices of joint successes; None where nobody judged."""
        return None if self.judgements is None else frozenset(joint_places(self.run.results, self.judgements))


def judge_folder(folder: str | Path, judge: str | Path, *, device: str = "cpu") -> FinishedRun:
    """Ask an independent classifier about a finished run; write ``judgements.jsonl`` and the summary's ``label_kept``.

    Args:
        folder: Of a finished run.
        judge: Folder of the classifier, or ``bundled``.
        device: Where it runs.

    Returns:
        The run, with the new summary.

    Raises:
        ValueError: If a folder does not hold what it should, or the judge took part in the attack.
        OSError: If a file cannot be written.
    """
    run, judge = read_run(folder), BUNDLED_JUDGE if judge == "bundled" else Path(judge).expanduser()
    identity = identify_folder(judge)
    for role, model in (run.summary.get("model") or {}).items():
        if model["sha256"] == identity["sha256"]:
            raise ValueError(f"expected an independent judge, got {judge}, which is the {role} of {run.folder}")
    judgements = judge_run(run, load_image_target(judge, device=device))
    write_whole(run.folder / JUDGEMENTS_NAME, b"".join(to_json_bytes(line.to_dict()) + b"\n" for line in judgements))
    run.summary["label_kept"] = {"judge": identity, **summarise_judgements(run.results, judgements)}
    write_json(run.folder / SUMMARY_NAME, run.summary)
    return run


def judged_run(run: FinishedRun) -> JudgedRun:
    """Return a run with its figures, recomputed from its lines and judgements.

    Raises:
        ValueError: If a line contradicts itself, or the judgements do not fit the lines.
    """
    settings, judgements = run.settings, read_judgements(run)
    figures = summarise(run.results, norm=settings.get("norm"), epsilon=settings.get("eps"))
    if judgements is None:
        return JudgedRun(run, figures, None, None)
    kept = {"judge": run.summary["label_kept"]["judge"], **summarise_judgements(run.results, judgements)}
    return JudgedRun(run, figures, tuple(judgements), kept)


def read_judgements(run: FinishedRun) -> list[LabelJudgement] | None:
    """Return the judgements of a run; None where nobody judged.

    Raises:
        ValueError: If they do not fit its lines.
    """
    path = run.folder / JUDGEMENTS_NAME
    if not path.is_file() or not run.summary.get("label_kept"):
        return None
    lines = path.read_bytes().splitlines()
    judgements = [_from_line(line, number, path) for number, line in enumerate(lines)]
    _check_fit(run, judgements, path)
    return judgements


def _from_line(line: bytes, number: int, path: Path) -> LabelJudgement:
    try:
        values: dict[str, Any] = json.loads(line)
        if set(values) != _FIELDS:
            raise ValueError(f"keys {sorted(values)}")
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a judgement in line {number} of {path}, got {error}") from error
    return LabelJudgement(**values)


def _check_fit(run: FinishedRun, judgements: Sequence[LabelJudgement], path: Path) -> None:
    asked = [result.index for result in run.results if result.prediction is not None]
    if [judgement.index for judgement in judgements] != asked:
        raise ValueError(f"expected a judgement of each of the {len(asked)} images asked about in {path}, got others")
