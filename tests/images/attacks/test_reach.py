import math
from typing import Any

import pytest
import torch

from images_ext.attacks.candidates import Ball
from images_ext.attacks.reach import GRID, scales_that_reach
from tests.images.attacks.toys import lively_moves, some_images
from textsem.latent.moves import DIRECTIONS
from textsem.latent.objective import NORMS, Norm

MOVING = sorted(set(DIRECTIONS) - {"reconstruction"})


def test_scales_of_a_power_law_are_its_inverse() -> None:
    grid = torch.tensor(GRID)
    distances = torch.stack([3 * grid, 0.5 * grid.square()])
    wanted = torch.tensor([0.4, 1.0, 2.7])
    expected = torch.stack([wanted / 3, (2 * wanted).sqrt()])
    torch.testing.assert_close(scales_that_reach(distances, wanted), expected)


def test_what_cannot_be_reached_is_tried_at_the_ends_of_the_grid() -> None:
    distances = torch.linspace(1, 2, len(GRID))[None]
    found = scales_that_reach(distances, torch.tensor([0.5, 2.5]))
    torch.testing.assert_close(found, torch.tensor([[GRID[0], GRID[-1]]]))
    flat = scales_that_reach(torch.full((1, len(GRID)), 1.0), torch.tensor([0.5, 1.0, 1.5]))
    assert flat.isfinite().all()
    nothing = scales_that_reach(torch.zeros(1, len(GRID)), torch.tensor([1.0]))
    torch.testing.assert_close(nothing, torch.tensor([[GRID[-1]]]))


def test_a_longer_move_that_leads_back_counts_as_no_shorter() -> None:
    distances = torch.tensor([[0.1, 0.2, 0.4, 0.8, 0.3, 0.3, 0.3, 1.6, 3.0, 6.0]])
    found = scales_that_reach(distances, torch.tensor([0.4, 0.8]))
    torch.testing.assert_close(found, torch.tensor([[GRID[2], GRID[3]]]))


@pytest.mark.parametrize("direction", MOVING)
@pytest.mark.parametrize("norm", ["l2", "mse"])
def test_images_of_all_sources_lie_equally_far_from_the_input(direction: str, norm: Norm) -> None:
    moves = lively_moves(direction, output="residual", num_scales=3, min_reach=0.5, max_reach=1.0)
    image = some_images(1)[0]
    image_moves = moves.of(image, 1, 7)
    epsilon = 0.3 if norm == "l2" else 0.3**2 / 64
    first = image_moves.first(12, Ball(norm, epsilon))
    difference = image_moves.pixels(first, image_moves.codes(first)) - image.float() / 255
    reached = NORMS[norm](difference.flatten(1)) / epsilon
    torch.testing.assert_close(reached, torch.tensor([0.5, 0.5**0.5, 1.0]).repeat(4), rtol=0.2, atol=0.0)


@pytest.mark.parametrize("epsilon", [0.0, math.inf])
def test_without_a_radius_moves_are_shares_of_the_code(epsilon: float) -> None:
    moves = lively_moves("isotropic", num_scales=2, min_scale=0.2, max_scale=0.8)
    first = moves.of(some_images(1)[0], 1, 7).first(4, Ball("l2", epsilon))
    torch.testing.assert_close(first.scale, torch.tensor([0.2, 0.8, 0.2, 0.8]))


def test_own_moves_of_e_prime_have_no_noise_and_reach_as_far_as_they_say() -> None:
    image, ball = some_images(1)[0], Ball("l2", 0.3)
    image_moves = lively_moves("adversarial", output="residual", own_reach=(0.5, 1.0, 0.7, 0.9)).of(image, 1, 7)
    own = image_moves.own(ball)
    assert own is not None
    assert own.particle.tolist() == [0, 1, 2, 0]
    way = image_moves._adversarial[own.particle, 0] - image_moves._clean[own.particle, 0]
    torch.testing.assert_close(own.direction, torch.nn.functional.normalize(way, dim=-1))
    difference = image_moves.pixels(own, image_moves.codes(own)) - image.float() / 255
    reached = difference.flatten(1).norm(dim=1) / 0.3
    torch.testing.assert_close(reached, torch.tensor([0.5, 1.0, 0.7, 0.9]), rtol=0.2, atol=0.0)


def test_own_moves_go_each_way_of_e_prime_once_the_likeliest_first() -> None:
    image, moves = some_images(1)[0], lively_moves("adversarial", output="residual", num_modes=4, own_reach=(0.5, 1.0))
    image_moves = moves.of(image, 1, 7)
    own = image_moves.own(Ball("l2", 0.3))
    assert own is not None
    model, pixels, label = moves.model, image[None].float() / 255, torch.tensor([1])
    features = model.features(pixels)
    order = model.mode_scores(features, label)[0].argsort(descending=True)
    assert order.tolist() != sorted(order.tolist())
    assert (own.particle // 3).tolist() == [0, 1, 2, 3, 0, 1, 2, 3]  # by rank; three particles each
    theta, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(moves.config.seed))
    clean = model.codes(features, theta)
    for row, mode in enumerate([*order, *order]):
        particle = int(own.particle[row]) % 3
        way = (model.perturb(clean, features, theta_adv, label, mode[None]) - clean)[particle, 0]
        torch.testing.assert_close(own.direction[row], torch.nn.functional.normalize(way, dim=-1))
    difference = image_moves.pixels(own, image_moves.codes(own)) - image.float() / 255
    reached = difference.flatten(1).norm(dim=1) / 0.3
    torch.testing.assert_close(reached, torch.tensor([0.5, 1.0]).repeat_interleave(4), rtol=0.2, atol=0.0)


@pytest.mark.parametrize("direction", [name for name in MOVING if name != "adversarial"])
def test_controls_know_no_modes(direction: str) -> None:
    image, ball = some_images(1)[0], Ball("l2", 0.3)
    one, several = (lively_moves(direction, num_modes=K).of(image, 1, 7).first(8, ball) for K in (1, 3))
    assert torch.equal(one.particle, several.particle)
    assert torch.equal(one.direction, several.direction)


@pytest.mark.parametrize(
    ("direction", "changes", "epsilon"),
    [
        *((name, {}, 0.3) for name in MOVING if name != "adversarial"),
        ("adversarial", {"own_reach": ()}, 0.3),
        ("adversarial", {}, 0.0),
        ("adversarial", {}, math.inf),
    ],
)
def test_controls_have_no_moves_of_their_own_nor_has_a_ball_without_a_radius(
    direction: str, changes: dict[str, Any], epsilon: float
) -> None:
    assert lively_moves(direction, **changes).of(some_images(1)[0], 1, 7).own(Ball("l2", epsilon)) is None
