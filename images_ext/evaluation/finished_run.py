"""A finished run, read back from its folder: lines, images and summary, checked against each other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from images_ext.evaluation.results import IMAGES_NAME, RESULTS_NAME, SUMMARY_NAME, read_results
from images_ext.outputs import ImageAttackResult

__all__ = ["OWN_NAME", "FinishedRun", "is_flip", "query_budget", "read_object", "read_run", "run_name", "was_attacked"]

KINDS = ("inputs", "reconstructions", "adversarials")
OWN_NAME = "E'"
SOURCE_NAMES = {
    "adversarial": OWN_NAME,
    "basis": "GBSM's basis, no Eq. 6",
    "clean": "samples of E",
    "cone": "ways to neighbours",
    "isotropic": "isotropic noise",
    "reconstruction": "clean reconstruction",
}
ATTACK_NAMES = {"pgd": "PGD", "stochastic": "Zhao et al., stochastic", "shrinking": "Zhao et al., shrinking"}


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
    def name(self) -> str:
        """What the run did, as tables name it; the folder's name where it did not write that down."""
        return run_name(self.settings) or self.folder.name

    @property
    def is_control(self) -> bool:
        """Whether the run is one of METHOD's controls: our search, but not from E'."""
        return self.settings.get("attack") == "ours" and self.settings.get("source") != "adversarial"


def run_name(settings: dict[str, Any]) -> str | None:
    """Return what an attack with these options is called in tables; None if they do not say."""
    attack, source = settings.get("attack"), settings.get("source")
    return ATTACK_NAMES.get(str(attack)) or SOURCE_NAMES.get(str(source))


def query_budget(settings: Mapping[str, Any]) -> int | None:
    """Return the most rows that a run with these options sends for one image; None if they do not say.

    PGD obeys no ``max_queries``: a restart costs its steps and the question about where they led.
    """
    if settings.get("attack") != "pgd":
        return settings.get("max_queries")
    restarts, steps = settings.get("num_restarts"), settings.get("num_steps")
    return None if restarts is None or steps is None else restarts * (steps + 1)


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
    for name in (RESULTS_NAME, IMAGES_NAME, SUMMARY_NAME):
        if not (folder / name).is_file():
            raise ValueError(f"expected the folder of a finished run with {name}, got {folder} without it")
    results = tuple(read_results(folder / RESULTS_NAME))
    images = _read_images(folder / IMAGES_NAME, len(results))
    return FinishedRun(folder, results, *images, summary=read_object(folder / SUMMARY_NAME))


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ValueError: If it holds none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected a JSON object in {path}, got {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object in {path}, got {type(content).__name__}")
    return content


def _read_images(path: Path, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"expected safetensors in {path}, got {error}") from error
    found = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in tensors.items()}
    shapes = {tuple(tensor.shape) for tensor in tensors.values()}
    is_right = set(tensors) == set(KINDS) and len(shapes) == 1
    if not is_right or any(t.dtype != torch.uint8 or t.ndim != 4 or len(t) != rows for t in tensors.values()):
        wanted = f"{', '.join(KINDS)} of uint8 [{rows}, channels, height, width]"
        raise ValueError(f"expected {wanted} in {path}, got {found}")
    return tensors["inputs"], tensors["reconstructions"], tensors["adversarials"]
