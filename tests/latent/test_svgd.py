"""Known answers of readings 4 and 5: the operators tau and pi and the SVGD step."""

import pytest
import torch

from textsem.latent.kernels import rbf_kernel
from textsem.latent.svgd import alignment_direction, init_svgd, plain_step, preconditioned_step, svgd_direction

DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("M", [1, 2, 5, 10, 15])
def test_tau_equals_the_double_loop_of_eq_2(M: int) -> None:
    theta, score = normal(M, 3), normal(M, 3, seed=1)
    rows = []
    for i in range(M):
        leaders = theta.clone().requires_grad_()
        kernel = rbf_kernel(theta, theta)[:, i]
        total = torch.zeros(3, dtype=DOUBLE)
        for j in range(M):
            k_ji = rbf_kernel(leaders, theta)[j, i]
            total = total + kernel[j] * score[j] + torch.autograd.grad(k_ji, leaders)[0][j]
        rows.append(total / M)
    torch.testing.assert_close(svgd_direction(theta, score), torch.stack(rows))


def test_single_particle_step_is_gradient_ascent() -> None:
    theta, score = normal(1, 5), normal(1, 5, seed=1)
    step, _ = plain_step(svgd_direction(theta, score), init_svgd(theta), step_size=0.1)
    torch.testing.assert_close(step, 0.1 * score)


def test_permuting_particles_permutes_the_direction() -> None:
    theta, score = normal(6, 4), normal(6, 4, seed=1)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(svgd_direction(theta[order], score[order]), svgd_direction(theta, score)[order])


def test_coincident_particles_all_move_along_the_mean_score() -> None:
    theta, score = normal(1, 4).expand(5, 4), normal(5, 4, seed=1)
    torch.testing.assert_close(svgd_direction(theta, score), score.mean(0).expand(5, 4), atol=1e-7, rtol=0)


def test_svgd_recovers_a_one_dimensional_gaussian_with_fifty_particles() -> None:
    theta = normal(50, 1) * 0.5 - 3
    for _ in range(600):
        score = -(theta - 2) / 1.5**2
        theta = theta + 0.5 * svgd_direction(theta, score)
    assert theta.mean().item() == pytest.approx(2, abs=0.02)
    assert theta.std().item() == pytest.approx(1.5, abs=0.1)


def test_pi_with_equal_sets_is_tau_exactly() -> None:
    theta, score = normal(5, 8), normal(5, 8, seed=1)
    assert torch.equal(alignment_direction(theta.clone(), theta, score), svgd_direction(theta, score))


def test_pi_equals_the_double_loop_over_leaders() -> None:
    theta, theta_adv, score = normal(4, 3), normal(4, 3, seed=7), normal(4, 3, seed=1)
    leaders = theta.clone().requires_grad_()
    kernel = rbf_kernel(leaders, theta_adv)
    rows = []
    for i in range(4):
        repulsion = torch.autograd.grad(kernel[:, i].sum(), leaders, retain_graph=True)[0].sum(0)
        rows.append((sum(kernel[j, i] * score[j] for j in range(4)) + repulsion).detach() / 4)
    torch.testing.assert_close(alignment_direction(theta_adv, theta, score), torch.stack(rows))


def test_the_score_is_that_of_the_leaders_alone() -> None:
    theta, theta_adv, score = normal(5, 3), normal(5, 3, seed=2), torch.zeros(5, 3, dtype=DOUBLE)
    score[2] = torch.tensor([1.0, 0.0, 0.0], dtype=DOUBLE)
    moved = alignment_direction(theta_adv, theta, score) - alignment_direction(theta_adv, theta, 0 * score)
    torch.testing.assert_close(moved[:, 0], rbf_kernel(theta, theta_adv)[2] / 5)


def test_preconditioned_step_follows_running_squares() -> None:
    first, second = normal(3, 4), normal(3, 4, seed=1)
    step, state = preconditioned_step(first, init_svgd(first), step_size=0.2)
    torch.testing.assert_close(step, 0.2 * first / (1e-6 + first.abs()))
    step, state = preconditioned_step(second, state, step_size=0.2)
    squares = 0.9 * first.square() + 0.1 * second.square()
    torch.testing.assert_close(state.squares, squares)
    torch.testing.assert_close(step, 0.2 * second / (1e-6 + squares.sqrt()))
    assert state.count.item() == 2


def test_a_zero_direction_takes_no_step() -> None:
    zero = torch.zeros(2, 3, dtype=DOUBLE)
    step, _ = preconditioned_step(zero, init_svgd(zero), step_size=0.2)
    assert torch.equal(step, zero)


def test_a_score_of_another_shape_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"expected score of shape \[2, 3\], got \[2, 4\]"):
        svgd_direction(normal(2, 3), normal(2, 4))
