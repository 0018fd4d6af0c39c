"""Targets by name: the bundled one, a folder of ours, an address, or any sequence classifier of Hugging Face's."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save
from torch import nn

from textsem.protocols import Target
from textsem.targets.attention import AttentionConfig, AttentionNetwork
from textsem.targets.http import HttpTarget
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.targets.paper_mlp import PaperMLP, PaperMLPConfig
from textsem.targets.word_level import WordLevelTarget
from textsem.text.labels import LABEL_NAMES
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary

__all__ = [
    "ARCHITECTURES",
    "BUNDLED_FOLDER",
    "NetworkConfig",
    "build_word_level_target",
    "load_target",
    "load_word_level_target",
    "save_word_level_target",
]

NetworkConfig = AttentionConfig | PaperMLPConfig

ARCHITECTURES: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "attention": (AttentionConfig, AttentionNetwork),
    "paper": (PaperMLPConfig, PaperMLP),
}

BUNDLED_FOLDER = Path(__file__).parent.parent / "assets" / "target"
_KIND = "textsem-word-level-target"


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
    if name_or_folder.lower().startswith(("http://", "https://")):
        if dtype != "float32":
            raise ValueError(f"expected dtype float32 for an endpoint, which computes as it likes, got {dtype}")
        return HttpTarget(name_or_folder, batch_size=batch_size, label_order=label_order)
    folder = BUNDLED_FOLDER if name_or_folder == "bundled" else Path(name_or_folder)
    if name_or_folder == "bundled" or _is_word_level(folder):
        if dtype != "float32":
            raise ValueError(f"expected dtype float32 for a word-level target, got {dtype}")
        target = load_word_level_target(folder, batch_size=batch_size).to(device)
        return target.eval().requires_grad_(False)
    return HuggingFaceTarget(name_or_folder, device=device, batch_size=batch_size, label_order=label_order, dtype=dtype)


def build_word_level_target(config: NetworkConfig, vocabulary: Vocabulary, *, batch_size: int = 64) -> WordLevelTarget:
    """Build an untrained target from its network's config."""
    network = ARCHITECTURES[_architecture_of(config)][1](config)
    return WordLevelTarget(network, vocabulary, embedding_dim=config.embedding_dim, batch_size=batch_size)


def save_word_level_target(
    target: WordLevelTarget, config: NetworkConfig, folder: Path, *, half_precision: bool = False
) -> None:
    """Write ``config.json``, ``vocabulary.json`` and ``model.safetensors``, each one whole or not at all.

    Args:
        target: What to save.
        config: The config that its network was built from.
        folder: Made if it does not exist.
        half_precision: Store float16; it loads as float32, rounded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "kind": _KIND,
        "architecture": _architecture_of(config),
        "label_names": list(target.label_names),
        "network": asdict(config),
    }
    weights = {name: value.detach().cpu().contiguous() for name, value in target.state_dict().items()}
    if half_precision:
        weights = {name: value.half() for name, value in weights.items()}
    words = target.vocabulary.words[len(SPECIAL_WORDS) :]
    _write(folder / "vocabulary.json", json.dumps(words, ensure_ascii=False) + "\n")
    partial = folder / "model.safetensors.partial"
    partial.write_bytes(save(weights))  # save_file would make it readable for its owner alone
    os.replace(partial, folder / "model.safetensors")
    _write(folder / "config.json", json.dumps(description, indent=2) + "\n")


def load_word_level_target(folder: Path, *, batch_size: int = 64) -> WordLevelTarget:
    """Rebuild a target that ``save_word_level_target`` wrote, in float32 on the CPU.

    Raises:
        ValueError: If a file is missing, architecture or labels are unknown, or the weights do not fit the config.
    """
    missing = [
        name for name in ("config.json", "vocabulary.json", "model.safetensors") if not (folder / name).is_file()
    ]
    if missing:
        raise ValueError(f"expected a word-level target in {folder}, but {', '.join(missing)} is missing")
    description = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    architecture = description.get("architecture")
    if architecture not in ARCHITECTURES:
        raise ValueError(f"expected architecture to be one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    if tuple(description["label_names"]) != LABEL_NAMES:
        raise ValueError(f"expected labels {list(LABEL_NAMES)}, got {description['label_names']}")
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in description["network"].items()}
    vocabulary = Vocabulary(json.loads((folder / "vocabulary.json").read_text(encoding="utf-8")))
    config = ARCHITECTURES[architecture][0](**fields)
    with torch.random.fork_rng(devices=[]):  # loading draws weights only to overwrite them
        target = build_word_level_target(config, vocabulary, batch_size=batch_size)
    weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    try:
        target.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise ValueError(f"expected weights in {folder} that fit its config: {error}") from error
    return target.eval()


def _architecture_of(config: NetworkConfig) -> str:
    for name, (config_class, _) in ARCHITECTURES.items():
        if type(config) is config_class:
            return name
    raise ValueError(f"expected a config of {', '.join(ARCHITECTURES)}, got {type(config).__name__}")


def _is_word_level(folder: Path) -> bool:
    path = folder / "config.json"
    if not path.is_file():
        return False
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("kind") == _KIND)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON in {path}, got {error}") from error


def _write(path: Path, text: str) -> None:
    """Write to a temporary name first, so that a reader never sees half a file."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
