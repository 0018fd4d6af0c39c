"""Targets, judges and filters as folders: config.json and weights, loaded strictly."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from images_ext.attacks.pgd import PgdNorm
from images_ext.targets.module_target import ModuleTarget
from images_ext.targets.reference import ReferenceConfig, ReferenceNetwork
from images_ext.targets.residual import ResidualConfig, ResidualNetwork
from textsem.runs.whole_files import write_json, write_whole

__all__ = [
    "NETWORKS",
    "ImageNetwork",
    "TargetFacts",
    "load_image_target",
    "read_image_shape",
    "read_target_facts",
    "save_image_target",
]

FORMAT = 1
PIXEL_SCALE = (0.0, 1.0)
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"

ImageNetwork = ResidualNetwork | ReferenceNetwork
ImageNetworkConfig = ResidualConfig | ReferenceConfig

NETWORKS: dict[str, tuple[Callable[..., ImageNetworkConfig], Callable[[Any], ImageNetwork]]] = {
    "residual": (ResidualConfig, ResidualNetwork),
    "reference": (ReferenceConfig, ReferenceNetwork),
}
"""From the name in a saved config to the classes that it is rebuilt from."""


@dataclass(frozen=True)
class TargetFacts:
    """What a checkpoint tells beside the network.

    Args:
        label_names: The name of each class.
        data: What it was trained on, in words.
        norm: Of the ball that it was trained against; None if it was trained plainly.
        epsilon: The ball's radius, on pixels in [0, 1]; None likewise.
    """

    label_names: tuple[str, ...]
    data: str
    norm: PgdNorm | None = None
    epsilon: float | None = None


def save_image_target(folder: str | Path, network: ImageNetwork, facts: TargetFacts) -> None:
    """Write config.json and model.safetensors.

    Args:
        folder: Made if missing.
        network: Of a kind in ``NETWORKS``.
        facts: Names of the classes, data, and what it was trained against.

    Raises:
        ValueError: If there are not as many names as classes.
    """
    folder = Path(folder)
    if len(facts.label_names) != network.config.num_classes:
        raise ValueError(f"expected {network.config.num_classes} label names, got {len(facts.label_names)}")
    kind = next(name for name, (_, cls) in NETWORKS.items() if type(network) is cls)
    config = {
        "format": FORMAT,
        "kind": kind,
        "network": asdict(network.config),
        "label_names": list(facts.label_names),
        "pixel_scale": list(PIXEL_SCALE),
        "data": facts.data,
        "training_norm": facts.norm,
        "training_epsilon": facts.epsilon,
    }
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_whole(folder / WEIGHTS_FILE, save(weights))
    write_json(folder / CONFIG_FILE, config)


def load_image_target(folder: str | Path, *, device: str | torch.device = "cpu") -> ModuleTarget:
    """Rebuild a target from a folder that ``save_image_target`` wrote; its weights need no gradient.

    Args:
        folder: With config.json and model.safetensors.
        device: Where it is asked.

    Raises:
        ValueError: If a file is missing, cannot be read, or does not fit the other; names it.
    """
    config, path = _read_config(folder), Path(folder) / WEIGHTS_FILE
    make_config, make_network = NETWORKS[config["kind"]]
    try:
        network: nn.Module = make_network(make_config(**config["network"]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected the sizes of a {config['kind']} network in {folder}: {error}") from error
    if not path.is_file():
        raise ValueError(f"expected weights at {path}, found none")
    try:
        network.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"expected weights in {path} that fit {CONFIG_FILE} beside it: {reason}") from error
    return ModuleTarget(network.requires_grad_(False).to(device), config["label_names"])


def read_target_facts(folder: str | Path) -> TargetFacts:
    """Return what a checkpoint tells beside its network.

    Raises:
        ValueError: If config.json is missing or cannot be read.
    """
    config = _read_config(folder)
    return TargetFacts(
        tuple(config["label_names"]), config["data"], config["training_norm"], config["training_epsilon"]
    )


def read_image_shape(folder: str | Path) -> tuple[int, ...] | None:
    """Return channels, height and width of the images that a checkpoint's network reads; None if it does not say.

    Raises:
        ValueError: If config.json is missing or cannot be read.
    """
    shape = _read_config(folder)["network"].get("image_shape")
    return None if shape is None else tuple(shape)


def _read_config(folder: str | Path) -> dict[str, Any]:
    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise ValueError(f"expected a target's folder with {CONFIG_FILE}, got {folder}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"expected JSON in {path}: {error}") from error
    needed = {"format", "kind", "network", "label_names", "pixel_scale", "data", "training_norm", "training_epsilon"}
    if (
        not isinstance(config, dict)
        or not needed <= set(config)
        or not isinstance(config["network"], dict)
        or config["kind"] not in NETWORKS
    ):
        raise ValueError(f"expected {path} to describe a target of kind {' or '.join(NETWORKS)}")
    if config["format"] != FORMAT or tuple(config["pixel_scale"]) != PIXEL_SCALE:
        raise ValueError(
            f"expected format {FORMAT} and pixels in {list(PIXEL_SCALE)} in {path}, "
            f"got {config['format']} and {config['pixel_scale']}"
        )
    return config
