"""What ``judgements.jsonl`` says, measured again: labels of judges, similarity, fluency."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textsem.evaluation.identity import identify_model
from textsem.evaluation.judges import JUDGEMENTS_NAME, Judgement, judge_results
from textsem.evaluation.validity_conditions import was_attacked
from textsem.evaluation.verification_checks import Check, Difference
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.protocols import Target
from textsem.targets.loading import BUNDLED_FOLDER as BUNDLED_TARGET
from textsem.targets.loading import load_target
from textsem.text.labels import LABEL_NAMES

__all__ = ["check_judgements"]


class _NoJudge:
    """Stands where no judge is asked; its labels are not compared."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        return torch.full((len(premises), len(LABEL_NAMES)), 1 / len(LABEL_NAMES))


def check_judgements(
    results: Sequence[AttackResult],
    judgements: Sequence[Judgement],
    measured_by: Mapping[str, Any],
    model: TextAdversary | None,
    *,
    judges: Sequence[str] = (),
    sentence_encoder: str | None = None,
    device: str = "cpu",
    tolerance: float,
) -> list[Check]:
    """Ask judges, encoder and trigram again, those that are there.

    Args:
        results: The lines.
        judgements: As read.
        measured_by: Identities in the summary: ``judges`` and ``sentence_encoder``.
        model: Whose trigram measured fluency; None leaves it out.
        judges: Names or folders; each is the judge of the same last part of its name.
        sentence_encoder: Folder or hub id; None leaves similarity out.
        device: Where they run.
        tolerance: Largest difference of a similarity; of a perplexity ratio as a share of it where it is above 1.
    """
    named: dict[str, str] = {Path(name).name: name for name in judges}
    asked: dict[str, Target] = {short: load_target(name, device=device) for short, name in named.items()}
    encoder = None
    if sentence_encoder is not None:
        from textsem.constraints.sentence_encoder import SentenceEncoder

        encoder = SentenceEncoder(sentence_encoder, device=device)
    language_model = None if model is None else model.language_model
    nobody: dict[str, Target] = {"": _NoJudge()}
    again = judge_results(results, asked or nobody, encoder, language_model)
    fields = [
        *(("similarity",) if encoder else ()),
        *(("perplexity_ratio", "has_new_unknown") if language_model else ()),
    ]
    return [
        _check_form(results, judgements),
        _check_values(judgements, again, list(asked), fields, tolerance),
        _check_digests(measured_by, named, sentence_encoder),
    ]


def _check_form(results: Sequence[AttackResult], judgements: Sequence[Judgement]) -> Check:
    """Every pair that the target had right is judged, and what stands about it after the attack fits its status."""
    statuses = {r.index: r.status for r in results}
    found = [
        Difference(f"line {j.index}", "judgement after", j.after, "a judged success" if is_flip else None)
        for j in judgements
        if (is_flip := statuses.get(j.index) == "success") != (j.after is not None)
    ]
    judged = {j.index for j in judgements}
    attacked = [r.index for r in results if was_attacked(r)]
    found += [Difference(f"line {i}", "judgement", "nothing", "an attacked pair") for i in attacked if i not in judged]
    return Check("judgements fit their lines", len(judgements), tuple(found))


def _check_values(
    judgements: Sequence[Judgement],
    again: Sequence[Judgement],
    judges: Sequence[str],
    fields: Sequence[str],
    tolerance: float,
) -> Check:
    measured = {judgement.index: judgement for judgement in again}
    found = []
    for written in judgements:
        now = measured.get(written.index)
        if now is None:
            found.append(Difference(f"line {written.index}", "judgement", "there", "no such line"))
            continue
        pairs = [(name, getattr(written, name), getattr(now, name)) for name in fields]
        for side in ("before", "after"):
            old, new = getattr(written, side) or {}, getattr(now, side) or {}
            pairs += [(f"{side}.{judge}", old.get(judge), new.get(judge)) for judge in judges]
        found += [Difference(f"line {written.index}", *pair) for pair in pairs if not _is_near(*pair[1:], tolerance)]
    names = ", ".join([*judges, *fields]) or "nothing that could be measured again"
    return Check(f"judgements: {names}", len(judgements), tuple(found))


def _check_digests(measured_by: Mapping[str, Any], judges: Mapping[str, str], encoder: str | None) -> Check:
    pairs = []
    for short, name in judges.items():
        written = ((measured_by.get("judges") or {}).get(short) or {}).get("sha256")
        pairs.append((f"measured_by.judges.{short}", written, identify_model(name, BUNDLED_TARGET)["sha256"]))
    if encoder is not None:
        written = (measured_by.get("sentence_encoder") or {}).get("sha256")
        pairs.append(("measured_by.sentence_encoder", written, identify_model(encoder, Path(encoder))["sha256"]))
    # A hub id has no digest, and a run of another package may have written none.
    pairs = [pair for pair in pairs if None not in pair]
    wrong = [Difference(JUDGEMENTS_NAME, *pair) for pair in pairs if pair[1] != pair[2]]
    return Check("digests of judges and encoder", len(pairs), tuple(wrong))


def _is_near(written: Any, found: Any, tolerance: float) -> bool:
    if isinstance(written, float | int) and isinstance(found, float):
        return abs(written - found) <= tolerance * max(1.0, abs(found))
    return bool(written == found)
