"""A target that is a matrix, a search that follows a script, and some images."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, to_pixels
from images_ext.attacks.code_moves import CodeMoves
from images_ext.attacks.move_config import MoveConfig
from images_ext.attacks.search import Answers
from tests.images.test_model import SHAPE, tiny_model

NAMES = ("a", "b", "c")
WIDE = Ball("l2")


class LinearTarget:
    """Logits are products with a fixed matrix, one row at a time, so that no batch mate changes a bit of them.

    Args:
        seed: Draws the matrix.
        scale: Of its numbers.
        centre: Bytes of an image on which all classes are alike; None for the black one.
    """

    label_names = NAMES

    def __init__(self, seed: int = 3, scale: float = 0.5, centre: Tensor | None = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.centre = torch.zeros(SHAPE) if centre is None else to_pixels(centre)
        self.weight = scale * torch.randn(int(torch.tensor(SHAPE).prod()), 3, generator=generator)
        self.rows = 0

    def logits(self, pixels: Tensor) -> Tensor:
        self.rows += len(pixels)
        rows = (pixels - self.centre).flatten(1).double()
        return torch.stack([(row @ self.weight.double()).float() for row in rows])

    def predict(self, pixels: Tensor) -> Tensor:
        return self.logits(pixels).detach().softmax(dim=-1)


class ScriptedSearch:
    """Ask the given rounds one after the other, each cut to the budget."""

    def __init__(self, rounds: Sequence[Tensor]) -> None:
        self.rounds = list(rounds)
        self.told: list[Answers] = []

    def ask(self, limit: int) -> Tensor:
        return self.rounds.pop(0)[:limit] if self.rounds else torch.zeros(0, *SHAPE, dtype=torch.uint8)

    def tell(self, answers: Answers) -> None:
        self.told.append(answers)


def some_images(num: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, *SHAPE), generator=generator, dtype=torch.uint8)


def right_labels(target: LinearTarget, images: Tensor) -> list[int]:
    labels: list[int] = target.predict(to_pixels(images)).argmax(dim=-1).tolist()
    return labels


def centred_target(moves: CodeMoves, images: Tensor, scale: float) -> LinearTarget:
    """Return a target whose classes meet amid the clean reconstructions."""
    centre = moves.reconstruct(images).float().mean(dim=0).round().to(torch.uint8)
    return LinearTarget(scale=scale, centre=centre)


def lively_moves(direction: str = "adversarial", *, num_modes: int = 1, **changes: Any) -> CodeMoves:
    """Moves of a tiny model whose codes matter: at the start a decoder hardly looks at them."""
    model = tiny_model(num_modes=num_modes)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for layer in model.decoder.dense:
            assert isinstance(layer, torch.nn.Linear)
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        model.decoder.out.weight.mul_(8)
        model.bank_features.copy_(torch.randn(model.bank_features.shape, generator=generator))
        model.label_shift.copy_(torch.randn(model.label_shift.shape, generator=generator))
        if num_modes > 1:
            model.mode_gate.weight.copy_(torch.randn(model.mode_gate.weight.shape, generator=generator))
    return CodeMoves(model.eval(), MoveConfig(direction=direction, num_particles=3, **changes))
