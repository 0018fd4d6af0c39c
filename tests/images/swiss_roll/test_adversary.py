"""The problem that the core is handed: counts, the estimate of Eq. 6, and a start at z' = z."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import (
    DecodedPoints,
    PointAdversary,
    PointAdversaryConfig,
    PointBatch,
    PointProblem,
)
from tests.images.swiss_roll.toys import TINY, FlatAdversary


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def probabilities(points: Tensor) -> Tensor:
    """Log-odds of class 1 against 0 are 2 x + 1: linear, so that an estimate of the margin is exact on average."""
    assert not points.requires_grad
    assert not torch.is_grad_enabled()
    odds = 2 * points[:, 0] + 1
    return torch.stack([torch.zeros_like(odds), odds], dim=1).softmax(dim=-1)


def no_grad_probabilities(points: Tensor) -> Tensor:
    with torch.no_grad():
        return probabilities(points)


def test_codes_have_a_row_for_every_particle_and_decode_to_points() -> None:
    model = PointAdversary(TINY).initialise(generator())
    theta, theta_adv = model.draw_particles(4, generator())
    z, z_adv = model.codes(torch.randn(7, 3), theta, theta_adv)
    assert z.shape == z_adv.shape == (4, 7, 2)
    assert model.decode(z).shape == (4, 7, 3)


def test_the_perturbation_starts_at_the_clean_codes() -> None:
    model, points = PointAdversary(TINY).initialise(generator()), torch.randn(5, 3, generator=generator())
    with torch.no_grad():
        before = model.codes(points, *model.draw_particles(3, generator()))
        model.start_perturbation()
        z, z_adv = model.codes(points, *model.draw_particles(3, generator()))
    assert not torch.allclose(*before)
    assert torch.equal(z, z_adv)


def test_equation_six_is_estimated_from_answers_alone_and_every_row_is_counted() -> None:
    model, labels = FlatAdversary(), torch.zeros(400, dtype=torch.int64)
    problem = PointProblem(model, no_grad_probabilities, generator())
    codes = torch.randn(400, 2, generator=generator()).requires_grad_()
    outputs = DecodedPoints(codes, model.decode(codes))
    loss = problem.adversarial(outputs, PointBatch(outputs.points.detach(), labels))
    # Own class 0 leads by -(2 x + 1), at least -1 nat, where the loss is flat.
    torch.testing.assert_close(loss, (-(2 * codes[:, 0] + 1)).clamp_min(-1.0).detach(), atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(loss.sum(), codes)
    is_steep = (codes[:, 0] < -0.5).detach()
    # 2 pairs an example: the mean over some hundred examples is within four standard errors of (-2, 0).
    error = 2 / (TINY.evolution_pairs * int(is_steep.sum())) ** 0.5
    assert gradient[is_steep].mean(dim=0).tolist() == pytest.approx([-2.0, 0.0], abs=8 * error)
    assert not gradient[(codes[:, 0] > 0.5).detach()].any()
    assert problem.rows_sent == 400 * (1 + 2 * TINY.evolution_pairs)


def test_distances_are_euclidean_and_the_training_loss_their_square() -> None:
    problem = PointProblem(FlatAdversary(), probabilities, generator())
    outputs = DecodedPoints(torch.zeros(1, 2), torch.tensor([[3.0, 4.0, 0.0]]))
    batch = PointBatch(torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))
    assert problem.distance(outputs, batch).tolist() == [5.0]
    assert problem.reconstruction(outputs, batch).tolist() == [25.0]


@pytest.mark.parametrize(
    "fields", [{"adversarial_steps": -1}, {"reconstruction_steps": -1}, {"batch_size": 0}, {"evolution_pairs": 0}]
)
def test_wrong_settings_are_errors(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected "):
        PointAdversaryConfig(**fields)  # type: ignore[arg-type]


def test_networks_follow_the_seed() -> None:
    states = [PointAdversary(TINY).initialise(generator(seed)).state_dict() for seed in (0, 0, 1)]
    (one, same), (_, other) = pairwise(states)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["decoder.0.weight"], other["decoder.0.weight"])
