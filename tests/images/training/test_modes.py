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
    return ModeAssignment(model, num_particles=1, rate=rate)


def brightness(pixels: Tensor, batch: ImageBatch) -> Tensor:
    return pixels.mean(dim=(1, 2, 3)) * torch.where(batch.labels == 1, -1.0, 1.0)


@torch.no_grad()
def all_losses(model: ImageAdversary, batch: ImageBatch, seed: int) -> Tensor:
    """Return the brightness of every mode's x', [modes, batch], of the one particle that ``seed`` draws."""
    theta, theta_adv = model.draw_particles(1, torch.Generator().manual_seed(seed))
    features = model.features(batch.pixels)
    found = []
    for mode in range(NUM_MODES):
        modes = torch.full_like(batch.labels, mode)
        codes = model.perturb(model.codes(features, theta), features, theta_adv, batch.labels, modes)
        found.append(brightness(batch.shown(model.decode(codes[0])), batch))
    return torch.stack(found)


def test_each_image_gets_the_mode_that_serves_it_best() -> None:
    model, batch = lively_model(NUM_MODES), a_batch()
    losses = all_losses(model, batch, seed=4)
    found = assignment(model)(batch, brightness, torch.Generator().manual_seed(4))
    assert found.modes is not None
    assert found.modes.tolist() == losses.argmin(dim=0).tolist()
    assert len(set(found.modes.tolist())) > 1
    assert torch.equal(found.pixels, batch.pixels)


def test_of_equally_good_modes_an_image_gets_the_one_that_the_gate_names() -> None:
    model, batch = lively_model(NUM_MODES), a_batch()
    with torch.no_grad():
        model.mode_gate.weight.copy_(torch.randn(9, 6, generator=torch.Generator().manual_seed(2)))
    named = model.mode_scores(model.features(batch.pixels), batch.labels).argmax(dim=1)
    assert len(set(named.tolist())) == NUM_MODES

    def floored(pixels: Tensor, batch: ImageBatch) -> Tensor:
        return torch.full((len(pixels),), -1.0)

    found = assignment(model)(batch, floored, torch.Generator().manual_seed(0))
    assert found.modes is not None
    assert found.modes.tolist() == named.tolist()


def test_the_gate_learns_to_name_it_and_nothing_else_learns() -> None:
    model, batch = lively_model(NUM_MODES), a_batch()
    modes = assignment(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    first = modes(batch, brightness, generator)
    start = assignment(lively_model(NUM_MODES)).figures(first)["gate_right"]
    for _ in range(60):
        found = modes(batch, brightness, generator)
    assert start < 0.9 <= modes.figures(found)["gate_right"]
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"mode_gate.weight", "mode_gate.bias"}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_in_use_count_even_shares() -> None:
    batch, modes = a_batch(6), assignment(lively_model(NUM_MODES))
    assert modes.figures(batch) == {}
    for given, expected in (([0, 1, 2, 0, 1, 2], 3.0), ([1] * 6, 1.0)):
        told = ImageBatch(batch.pixels, batch.labels, modes=torch.tensor(given))
        assert modes.figures(told)["modes_in_use"] == pytest.approx(expected)
