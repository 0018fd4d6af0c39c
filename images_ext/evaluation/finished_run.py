"""A finished run, read back from its folder: lines, images and summary, checked against each other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from images_ext.outputs import STATUSES, ImageAttackResult

__all__ = ["IMAGES_NAME", "RESULTS_NAME", "SUMMARY_NAME", "FinishedRun", "is_flip", "read_run", "was_attacked"]

RESULTS_NAME, IMAGES_NAME, SUMMARY_NAME = "results.jsonl", "images.safetensors", "summary.json"
KINDS = ("inputs", "reconstructions", "adversarials")
NAMES = {field.name for field in fields(ImageAttackResult)}


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run left.

    Args:
        folder: Where it lies.
        results: One line an input, in input order.
        inputs: x, uint8 [inputs, channels, height, width].
        reconstructions: The decoder's images of the clean codes, same shape.
        adversarials: The very images that were asked and returned, same shape; the input where there is none.
        summary: Of ``summary.json``: settings, data, figures.
    """

    folder: Path
    results: tuple[ImageAttackResult, ...]
    inputs: Tensor
    reconstructions: Tensor
    adversarials: Tensor
    summary: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """The run's options."""
        return dict(self.summary.get("settings") or {})

    @property
    def source(self) -> str:
        """Where the candidates came from, as tables name the run."""
        return str(self.settings.get("source", self.folder.name))


def was_attacked(result: ImageAttackResult) -> bool:
    """Tell whether the target had the image right: the denominator of every rate."""
    return result.prediction == result.label


def is_flip(result: ImageAttackResult) -> bool:
    """Tell whether the returned image flips the class, inside the ball or outside it."""
    changed = result.adversarial_prediction
    return was_attacked(result) and changed is not None and changed != result.label


def read_run(folder: str | Path) -> FinishedRun:
    """Read a folder that an attack wrote.

    Raises:
        ValueError: If a file is missing, cannot be read, or does not fit the others; the message names it.
    """
    folder = Path(folder)
    results = tuple(_read_lines(folder / RESULTS_NAME))
    images = _read_images(folder / IMAGES_NAME, len(results))
    return FinishedRun(folder, results, *images, summary=_read_object(folder / SUMMARY_NAME))


def _read_lines(path: Path) -> Iterator[ImageAttackResult]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"expected a JSON object in line {number} of {path}, got {line[:60]!r}") from error
        if not isinstance(row, dict) or set(row) - NAMES or row.get("status") not in STATUSES:
            raise ValueError(f"expected the fields of a result in line {number} of {path}, got {line[:60]!r}")
        try:
            result = ImageAttackResult(**row)
        except TypeError as error:
            raise ValueError(f"expected the fields of a result in line {number} of {path}, got {error}") from error
        if result.index != number - 1:
            raise ValueError(f"expected index {number - 1} in line {number} of {path}, got {result.index}")
        yield result


def _read_images(path: Path, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ValueError(f"expected {path.name} in {path.parent}, got none")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"expected safetensors in {path}, got {error}") from error
    found = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in tensors.items()}
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    is_right = set(tensors) == set(KINDS) and len(shapes) == 1
    if not is_right or any(t.dtype != torch.uint8 or t.ndim != 4 or len(t) != rows for t in tensors.values()):
        raise ValueError(
            f"expected {', '.join(KINDS)} of uint8 [{rows}, channels, height, width] in {path}, got {found}"
        )
    return tensors["inputs"], tensors["reconstructions"], tensors["adversarials"]


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object in {path}, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object in {path}, got {type(content).__name__}")
    return content


def _text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"expected {path.name} in {path.parent}, got none")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 in {path}, got {error}") from error
