"""The target of Fig. 3: a small classifier of points on the Swiss Roll."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from images_ext.swiss_roll.surface import HEIGHT, NUM_CLASSES
from textsem.latent.initialisation import draw_layers, materialise

__all__ = ["UNIT", "PointClassifier", "PointClassifierConfig", "standardise", "to_roll", "train_point_classifier"]

UNIT = 10.0  # roll units in one unit of a network's input: the paper's eps of 0.3 is 3 units on a roll of 28 x 21 x 28
_CENTRE = (0.0, HEIGHT / 2, 0.0)


def standardise(points: Tensor) -> Tensor:
    """Centre points [..., 3] and measure them in ``UNIT``: one factor for all directions, so no angle changes."""
    return (points - points.new_tensor(_CENTRE)) / UNIT


def to_roll(inputs: Tensor) -> Tensor:
    """Undo ``standardise``."""
    return inputs * UNIT + inputs.new_tensor(_CENTRE)


@dataclass(frozen=True)
class PointClassifierConfig:
    """Shape and training.

    Args:
        hidden: Sizes of the hidden layers.
        stop_accuracy: Training ends at the first step that has this share of its points right.  All of the paper's
            targets are right on more than 96.3%; one that is never wrong on the surface cannot be fooled on it.
        max_steps: Full-batch steps of Adam, at most.
        learning_rate: Its rate.
    """

    hidden: tuple[int, ...] = (32, 32)
    stop_accuracy: float = 0.97
    max_steps: int = 2000
    learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.stop_accuracy <= 1:
            raise ValueError(f"expected stop_accuracy above 0 and at most 1, got {self.stop_accuracy}")
        if self.max_steps < 0:
            raise ValueError(f"expected max_steps of at least 0, got {self.max_steps}")


class PointClassifier(nn.Module):
    """An MLP with ReLU from standardised points [batch, 3] to logits [batch, classes].

    Args:
        config: Shape.
    """

    def __init__(self, config: PointClassifierConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (3, *config.hidden, NUM_CLASSES)
        layers: list[nn.Module] = []
        for i, o in pairwise(sizes):
            layers += [nn.Linear(i, o, device="meta"), nn.ReLU()]
        self.layers = materialise(nn.Sequential(*layers[:-1]))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits [batch, classes] of standardised points [batch, 3]."""
        logits: Tensor = self.layers(inputs)
        return logits

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> Tensor:
        """Return class probabilities [batch, classes], without a gradient."""
        probabilities: Tensor = self(inputs).softmax(dim=-1)
        return probabilities


def train_point_classifier(
    inputs: Tensor, labels: Tensor, *, config: PointClassifierConfig, generator: torch.Generator
) -> PointClassifier:
    """Fit a classifier to standardised points [points, 3] and their labels [points]; return it frozen."""
    model = PointClassifier(config)
    draw_layers(model, generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    for _ in range(config.max_steps):
        logits = model(inputs)
        if (logits.argmax(dim=-1) == labels).double().mean().item() >= config.stop_accuracy:
            break
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval().requires_grad_(False)
