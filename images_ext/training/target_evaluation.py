"""What a trained target is measured on: clean accuracy, and accuracy under PGD with restarts."""

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

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
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    correct = 0
    for first in range(0, len(images), BATCH_ROWS):
        batch = slice(first, first + BATCH_ROWS)
        pixels, labels = images.pixels(batch).to(device), images.labels[batch].to(device)
        with torch.no_grad():
            is_right = network(pixels).argmax(dim=-1) == labels
        x_adv = pgd(network, pixels[is_right], labels[is_right], config=config, generator=generator)
        with torch.no_grad():
            correct += int((network(x_adv).argmax(dim=-1) == labels[is_right]).sum())
    network.train(was_training)
    return correct / len(images)


def evaluate_target(
    network: nn.Module, images: ImageSet, attack: PgdConfig | None, *, num_attacked: int, seed: int
) -> dict[str, Any]:
    """Measure a network on images that its training has not seen.

    Args:
        network: Gives logits.
        images: Clean accuracy is that of all of them.
        attack: None leaves the accuracy under attack out.
        num_attacked: How many are attacked, from the first.
        seed: Of the attack's starts.

    Returns:
        ``clean_accuracy`` and, where there is an attack, ``robust_accuracy``, each with its Wilson 95% interval and
        the number of images, and the attack's settings.
    """
    figures: dict[str, Any] = {}
    measured = [("clean_accuracy", images, clean_accuracy(network, images))]
    if attack is not None:
        attacked = images.select(slice(0, num_attacked))
        measured.append(("robust_accuracy", attacked, robust_accuracy(network, attacked, attack, seed=seed)))
        figures["attack"] = asdict(attack)
    for name, used, value in measured:
        low, high = wilson_interval(round(value * len(used)), len(used))
        figures[name] = {"value": value, "interval": [round(low, 5), round(high, 5)], "images": len(used)}
    return figures
