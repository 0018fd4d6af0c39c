"""What a trained target is measured on: clean accuracy, and accuracy under PGD with restarts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from images_ext.attacks.pgd import PgdConfig, pgd
from images_ext.data.images import ImageSet
from textsem.runs.intervals import wilson_interval

__all__ = ["clean_accuracy", "evaluate_target", "robust_accuracy"]

BATCH_ROWS = 250


@torch.no_grad()
def clean_accuracy(network: nn.Module, images: ImageSet) -> float:
    """Return the share of images that a network has right, in evaluation mode; the mode is put back."""
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    correct = 0
    for first in range(0, len(images), BATCH_ROWS):
        batch = slice(first, first + BATCH_ROWS)
        answers = network(images.pixels(batch).to(device)).argmax(dim=-1).cpu()
        correct += int((answers == images.labels[batch]).sum())
    network.train(was_training)
    return correct / len(images)


def robust_accuracy(network: nn.Module, images: ImageSet, config: PgdConfig, *, seed: int) -> float:
    """Return the share of images that a network has right before and after ``pgd``; the mode is put back.

    Args:
        network: Attacked with gradient access, in evaluation mode.
        images: All of them count, also those that were wrong before.
        config: The attack.
        seed: Of its starts.
    """
    is_standing = _standing(network, images, config, torch.ones(len(images), dtype=torch.bool), seed=seed)
    return int(is_standing.sum()) / len(images)


def evaluate_target(
    network: nn.Module, images: ImageSet, attacks: Mapping[str, PgdConfig], *, num_attacked: int, seed: int
) -> dict[str, Any]:
    """Measure a network on images that its training has not seen.

    Each attack is tried on the images that are right after all before it, so a figure is the share of images that
    stand up to that attack and to those above it.

    Args:
        network: Gives logits.
        images: Clean accuracy is that of all of them.
        attacks: By name, in order; may be empty.
        num_attacked: How many are attacked, from the first.
        seed: Of the attacks' starts.

    Returns:
        ``clean_accuracy``; and for each attack in ``attacks`` its name, settings and accuracy.  An accuracy is a value
        with its Wilson 95% interval and the number of images.
    """
    figures: dict[str, Any] = {"clean_accuracy": _share(clean_accuracy(network, images), len(images)), "attacks": []}
    attacked = images.select(slice(0, num_attacked))
    is_standing = torch.ones(len(attacked), dtype=torch.bool)
    for name, config in attacks.items():
        is_standing = _standing(network, attacked, config, is_standing, seed=seed)
        accuracy = _share(int(is_standing.sum()) / len(attacked), len(attacked))
        figures["attacks"].append({"name": name, "accuracy": accuracy, "settings": asdict(config)})
    return figures


def _standing(network: nn.Module, images: ImageSet, config: PgdConfig, is_asked: Tensor, *, seed: int) -> Tensor:
    """Return which of the images asked about are right before and after an attack, [images] of bool."""
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    is_standing = torch.zeros_like(is_asked)
    for rows in torch.split(is_asked.nonzero().flatten(), BATCH_ROWS):
        pixels, labels = images.pixels(rows).to(device), images.labels[rows].to(device)
        with torch.no_grad():
            is_right = network(pixels).argmax(dim=-1) == labels
        x_adv = pgd(network, pixels[is_right], labels[is_right], config=config, generator=generator)
        with torch.no_grad():
            is_right[is_right.clone()] = network(x_adv).argmax(dim=-1) == labels[is_right]
        is_standing[rows] = is_right.cpu()
    network.train(was_training)
    return is_standing


def _share(value: float, number: int) -> dict[str, Any]:
    low, high = wilson_interval(round(value * number), number)
    return {"value": value, "interval": [round(low, 5), round(high, 5)], "images": number}
