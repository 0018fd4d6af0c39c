"""Targets by name: the bundled one, a folder of ours, an address, or any sequence classifier of Hugging Face's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from textsem.protocols import Target
from textsem.targets.http import HttpTarget
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.word_level_files import (
    ARCHITECTURES,
    NetworkConfig,
    build_word_level_target,
    is_word_level_folder,
    load_word_level_target,
    save_word_level_target,
)

__all__ = [
    "ARCHITECTURES",
    "BUNDLED_FOLDER",
    "NetworkConfig",
    "build_word_level_target",
    "is_address",
    "load_target",
    "load_word_level_target",
    "save_word_level_target",
]

BUNDLED_FOLDER = Path(__file__).parent.parent / "assets" / "target"


def load_target(
    name_or_folder: str,
    *,
    device: str = "cpu",
    batch_size: int = 64,
    label_order: Sequence[str] | None = None,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
) -> Target:
    """Load a target for attacking: in evaluation mode, weights frozen.

    Args:
        name_or_folder: ``bundled``; a folder written by ``save_word_level_target``; an address ``http://...`` or
            ``https://...`` (see `HttpTarget`); or a folder or hub id of any ``AutoModelForSequenceClassification``.
        device: Where it runs; an endpoint runs where it is.
        batch_size: Most rows in one forward pass, or one request.
        label_order: Label names, three or two, in the order of the outputs of a Hugging Face model or an endpoint that
            only says ``LABEL_0``.
        dtype: Weights and activations of a Hugging Face model; a word-level target computes in float32 alone.

    Raises:
        TargetError: If an endpoint does not answer.
        ValueError: If nothing can be loaded from there, the labels are neither entailment, neutral and contradiction
            nor entailment or not, or half precision is wanted of anything but a Hugging Face model.
    """
    if is_address(name_or_folder):
        if dtype != "float32":
            raise ValueError(f"expected dtype float32 for an endpoint, which computes as it likes, got {dtype}")
        return HttpTarget(name_or_folder, batch_size=batch_size, label_order=label_order)
    folder = BUNDLED_FOLDER if name_or_folder == "bundled" else Path(name_or_folder)
    if name_or_folder == "bundled" or is_word_level_folder(folder):
        if dtype != "float32":
            raise ValueError(f"expected dtype float32 for a word-level target, got {dtype}")
        target = load_word_level_target(folder, batch_size=batch_size).to(device)
        return target.eval().requires_grad_(False)
    return HuggingFaceTarget(name_or_folder, device=device, batch_size=batch_size, label_order=label_order, dtype=dtype)


def is_address(name: str) -> bool:
    """Tell whether a target's name is an address of HTTP, not a folder or a hub id.

    >>> is_address("https://host/classify"), is_address("organisation/model")
    (True, False)
    """
    return name.lower().startswith(("http://", "https://"))
