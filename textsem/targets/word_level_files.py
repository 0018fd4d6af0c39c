"""The folder of a word-level target: config.json, vocabulary.json and model.safetensors."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from textsem.targets.attention import AttentionConfig, AttentionNetwork
from textsem.targets.paper_mlp import PaperMLP, PaperMLPConfig
from textsem.targets.word_level import WordLevelTarget
from textsem.targets.word_level_reading import (
    CHECKSUM_KEY,
    MEND,
    check_fit,
    checksum_of,
    read_config,
    read_json,
    read_vocabulary,
    read_weights,
)
from textsem.text.vocabulary import SPECIAL_WORDS, Vocabulary

__all__ = [
    "ARCHITECTURES",
    "NetworkConfig",
    "build_word_level_target",
    "is_word_level_folder",
    "load_word_level_target",
    "save_word_level_target",
]

NetworkConfig = AttentionConfig | PaperMLPConfig

ARCHITECTURES: dict[str, tuple[type[Any], type[nn.Module]]] = {
    "attention": (AttentionConfig, AttentionNetwork),
    "paper": (PaperMLPConfig, PaperMLP),
}

_KIND = "textsem-word-level-target"
_CONFIG, _VOCABULARY, _WEIGHTS = "config.json", "vocabulary.json", "model.safetensors"


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
    _write(folder / _VOCABULARY, (json.dumps(words, ensure_ascii=False) + "\n").encode())
    # save_file would make it readable for its owner alone.
    _write(folder / _WEIGHTS, save(weights, {CHECKSUM_KEY: checksum_of(target.vocabulary)}))
    _write(folder / _CONFIG, (json.dumps(description, indent=2) + "\n").encode())


def load_word_level_target(folder: Path, *, batch_size: int = 64) -> WordLevelTarget:
    """Rebuild a target that ``save_word_level_target`` wrote, in float32 on the CPU.

    Raises:
        ValueError: If a file is missing, broken or not of one target with the others; it names the file and the mend.
    """
    missing = [name for name in (_CONFIG, _VOCABULARY, _WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"expected a word-level target in {folder}, but {', '.join(missing)} is missing; {MEND}")
    classes = {name: config_class for name, (config_class, _) in ARCHITECTURES.items()}
    config: NetworkConfig = read_config(folder / _CONFIG, kind=_KIND, config_classes=classes)
    vocabulary = read_vocabulary(folder / _VOCABULARY)
    weights, checksum = read_weights(folder / _WEIGHTS)
    try:
        with torch.device("meta"):  # shapes alone: a broken number must not fill the memory
            shapes = {n: list(v.shape) for n, v in build_word_level_target(config, vocabulary).state_dict().items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"expected a network that can be built in {folder / _CONFIG}: {error}; {MEND}") from error
    check_fit(weights, shapes, vocabulary, folder)
    if checksum is not None and checksum != checksum_of(vocabulary):
        raise ValueError(
            f"expected the words that {folder / _WEIGHTS} was saved with, got another {_VOCABULARY}; {MEND}"
        )
    with torch.random.fork_rng(devices=[]):  # loading draws weights only to overwrite them
        target = build_word_level_target(config, vocabulary, batch_size=batch_size)
    target.load_state_dict(weights, strict=True)
    return target.eval()


def is_word_level_folder(folder: Path) -> bool:
    """Tell whether a folder's ``config.json`` is one of ours.

    Raises:
        ValueError: If it is no JSON.
    """
    path = folder / _CONFIG
    if not path.is_file():
        return False
    description = read_json(path, dict)
    return description.get("kind") == _KIND or {"architecture", "network"} <= set(description)


def _architecture_of(config: NetworkConfig) -> str:
    for name, (config_class, _) in ARCHITECTURES.items():
        if type(config) is config_class:
            return name
    raise ValueError(f"expected a config of {', '.join(ARCHITECTURES)}, got {type(config).__name__}")


def _write(path: Path, content: bytes) -> None:
    """Write to a temporary name first, so that a reader never sees half a file."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
