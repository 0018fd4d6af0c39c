"""Folders of finished runs, made up for tests: three classes, images of 6 x 6, a judge that reads the first pixel."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from images_ext.evaluation.finished_run import FinishedRun, read_run
from images_ext.evaluation.judged_folders import JudgedRun, judged_run
from images_ext.evaluation.label_kept import judge_run
from images_ext.outputs import ImageAttackResult
from textsem.latent.objective import NORMS

NAMES = ("cat", "dog", "owl")
EPSILON = 0.3
SETTINGS: dict[str, Any] = {
    "attack": "ours",
    "source": "adversarial",
    "norm": "linf",
    "eps": EPSILON,
    "max_queries": 100,
    "seed": 0,
}


class FirstPixelJudge:
    """Reads class k where the first pixel is k bytes above 0; counts what it is asked."""

    label_names: tuple[str, ...] = NAMES

    def __init__(self) -> None:
        self.rows = 0

    def predict(self, pixels: Tensor) -> Tensor:
        """Return 0.8 for the class of the first pixel, 0.1 for the others."""
        self.rows += len(pixels)
        classes = (pixels[:, 0, 0, 0] * 255).round().long()
        return 0.1 + 0.7 * torch.nn.functional.one_hot(classes, len(NAMES)).float()


def image(class_index: int, *, ground: int = 100, size: int = 6) -> Tensor:
    """Return an image of one grey that the judge reads as a class."""
    made = torch.full((1, size, size), ground, dtype=torch.uint8)
    made[0, 0, 0] = class_index
    return made


def distances(changed: Tensor, original: Tensor) -> dict[str, float]:
    """Measure two byte images in every norm, pixels in [0, 1]."""
    difference = (changed.double() - original.double()).flatten() / 255
    return {name: float(norm(difference)) for name, norm in NORMS.items()}


def line(
    index: int,
    kind: str,
    *,
    judged_before: int = 0,
    judged_after: int = 0,
    shift: int = 30,
    queries: int = 3,
    label: str = "cat",
) -> tuple[ImageAttackResult, Tensor, Tensor]:
    """Return a result, its input and its returned image.

    Args:
        index: Its place.
        kind: ``flip`` (a success where the shift is inside the ball), ``resists``, ``skipped`` or ``error``.
        judged_before: The class that the judge reads in the input.
        judged_after: The class that it reads in the adversarial image.
        shift: By how many bytes a flip is brighter.
        queries: Rows sent.
        label: The true class.
    """
    original = image(judged_before)
    if kind == "error":
        return ImageAttackResult(index, label, None, "error", message="target did not answer"), original, original
    if kind == "skipped":
        return ImageAttackResult(index, label, "owl", "skipped"), original, original
    nothing: dict[str, float | None] = dict.fromkeys(NORMS)
    if kind == "resists":
        failed = ImageAttackResult(
            index, label, label, "failed", queries=100, flip_distance=nothing, is_reconstruction_flipped=False
        )
        return failed, original, original
    changed = image(judged_after, ground=100 + shift)
    found = distances(changed, original)
    before, after = {"cat": 0.9, "dog": 0.1, "owl": 0.0}, {"cat": 0.2, "dog": 0.8, "owl": 0.0}
    flip = ImageAttackResult(
        index,
        label,
        label,
        "success" if found["linf"] < EPSILON else "failed",
        adversarial_prediction="dog",
        scores={"original": before, "adversarial": after},
        queries=queries,
        distance=found,
        flip_distance={**found},
        is_reconstruction_flipped=False,
    )
    return flip, original, changed


def write_run(
    folder: Path,
    lines: Sequence[tuple[ImageAttackResult, Tensor, Tensor]],
    *,
    settings: Mapping[str, Any] = SETTINGS,
    **more: Any,
) -> FinishedRun:
    """Write a finished run as an attack does, and read it back."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(result.to_dict()) + "\n" for result, _, _ in lines)
    (folder / "results.jsonl").write_text(text, encoding="utf-8")
    empty = torch.zeros(0, 1, 6, 6, dtype=torch.uint8)
    inputs = torch.stack([original for _, original, _ in lines]) if lines else empty
    adversarials = torch.stack([changed for _, _, changed in lines]) if lines else empty
    tensors = {"inputs": inputs, "reconstructions": inputs.clone(), "adversarials": adversarials}
    save_file(tensors, folder / "images.safetensors")
    (folder / "summary.json").write_text(json.dumps({"settings": dict(settings), **more}), encoding="utf-8")
    return read_run(folder)


def write_judged_run(
    folder: Path,
    lines: Sequence[tuple[ImageAttackResult, Tensor, Tensor]],
    *,
    settings: Mapping[str, Any] = SETTINGS,
    judge: str = "a",
    **more: Any,
) -> JudgedRun:
    """Write a finished run with the judgements of ``FirstPixelJudge``, and read it back."""
    identity = {"name": "first pixel", "sha256": judge}
    run = write_run(folder, lines, settings=settings, label_kept={"judge": identity}, **more)
    judgements = judge_run(run, FirstPixelJudge())
    text = "".join(json.dumps(judgement.to_dict()) + "\n" for judgement in judgements)
    (folder / "judgements.jsonl").write_text(text, encoding="utf-8")
    return judged_run(run)
