"""Modes of E': which one an image is given, what the gate learns from it, and that nothing else learns."""

import pytest
import torch
from torch import Tensor

from images_ext.model import ImageAdversary
from images_ext.training.image_problem import ImageBatch
from images_ext.training.modes import ModeAssignment
from tests.images.training.builders import lively_model, some_images

NUM_MODES = 3


def a_batch(num: int = 12) -> ImageBatch:
    images = some_images(num)
    return ImageBatch(images.pixels(slice(None)), images.labels)


def assignment(model: ImageAdversary, rate: float = 0.05) -> ModeAssignment:
    return ModeAssignment(model, num_particles=1, gate_rate=rate)


def brightness(pixels: Tensor, labels: Tensor) -> Tensor:
    return pixels.mean(dim=(1, 2, 3)) * torch.where(labels == 1, -1.0, 1.0)


@torch.no_grad()
def all_losses(model: ImageAdversary, batch: ImageBatch) -> Tensor:
    """Return the brightness of every mode's x', [modes, batch]; particles are so alike that any will do."""
    theta, theta_adv = model.draw_particles(1, torch.Generator().manual_seed(0))
    features = model.features(batch.pixels)
    found = []
    for mode in range(NUM_MODES):
        modes = torch.full_like(batch.labels, mode)
        codes = model.perturb(model.codes(features, theta), features, theta_adv, batch.labels, modes)
        found.append(brightness(batch.shown(model.decode(codes[0])), batch.labels))
    return torch.stack(found)


def test_each_image_gets_the_mode_that_serves_it_best() -> None:
    model, batch = lively_model(NUM_MODES), a_batch()
    found = assignment(model)(model, batch, brightness, torch.Generator().manual_seed(0))
    losses = all_losses(model, batch)
    assert found.modes is not None
    assert len(set(found.modes.tolist())) > 1
    chosen = losses[found.modes, torch.arange(len(batch.labels))]
    torch.testing.assert_close(chosen, losses.amin(dim=0), rtol=0.0, atol=2e-3)
    assert torch.equal(found.pixels, batch.pixels)


def test_the_gate_learns_to_name_it_and_nothing_else_learns() -> None:
    model, batch = lively_model(NUM_MODES), a_batch()
    modes = assignment(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    first = modes(model, batch, brightness, generator)
    start = modes.figures(lively_model(NUM_MODES), first)["gate_right"]
    for _ in range(60):
        found = modes(model, batch, brightness, generator)
    figures = modes.figures(model, found)
    assert start < 0.9 <= figures["gate_right"]
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"gate.weight", "gate.bias"}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_in_use_count_even_shares() -> None:
    model, batch = lively_model(NUM_MODES), a_batch(6)
    modes = assignment(model)
    assert modes.figures(model, batch) == {}
    for given, expected in (([0, 1, 2, 0, 1, 2], 3.0), ([1] * 6, 1.0)):
        told = ImageBatch(batch.pixels, batch.labels, modes=torch.tensor(given))
        assert modes.figures(model, told)["modes_in_use"] == pytest.approx(expected)
