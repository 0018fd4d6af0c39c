"""Known answers of reading 4 and 4b: kernel, bandwidth and their gradients."""

import math

import pytest
import torch

from textsem.latent.kernels import (
    code_kernel,
    kernel_gradient,
    median_bandwidth,
    rbf_kernel,
    squared_distances,
    weight_kernel,
)

DOUBLE = torch.float64


def particles(M: int, P: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(M, P, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_squared_distances_equal_the_naive_loop() -> None:
    a, b = particles(4, 6), particles(3, 6, seed=1)
    naive = torch.stack([torch.stack([(x - y).square().sum() for y in b]) for x in a])
    torch.testing.assert_close(squared_distances(a, b), naive)


def test_squared_distances_survive_a_common_offset_in_float32() -> None:
    a = particles(5, 200)
    far = (a * 1e-3 + 10).float()
    exact = squared_distances(far.double(), far.double())
    torch.testing.assert_close(squared_distances(far, far).double(), exact, rtol=1e-3, atol=1e-9)


def test_squared_distances_reject_other_widths() -> None:
    with pytest.raises(ValueError, match=r"expected followers of shape \[followers, 6\], got \[3, 5\]"):
        squared_distances(particles(4, 6), particles(3, 5))


@pytest.mark.parametrize("M", [2, 3, 5, 10, 15])
def test_equal_distances_give_a_kernel_of_one_over_m_plus_one(M: int) -> None:
    theta = torch.eye(M, dtype=DOUBLE)
    kernel = rbf_kernel(theta, theta)
    off_diagonal = kernel[~torch.eye(M, dtype=torch.bool)]
    torch.testing.assert_close(off_diagonal, torch.full_like(off_diagonal, 1 / (M + 1)))
    torch.testing.assert_close(kernel.diagonal(), torch.ones(M, dtype=DOUBLE))


def test_median_is_taken_over_cross_pairs_without_twins() -> None:
    squared = torch.tensor([[100.0, 1.0, 2.0], [3.0, 100.0, 4.0], [5.0, 6.0, 100.0]])
    assert median_bandwidth(squared).item() == pytest.approx(3.5 / math.log(4))


def test_no_gradient_reaches_particles_through_the_bandwidth() -> None:
    theta = particles(3, 2).requires_grad_()
    h = median_bandwidth(squared_distances(theta, theta))
    assert not h.requires_grad


@pytest.mark.parametrize("coincident", [True, False])
def test_kernel_stays_finite_for_one_and_for_coincident_particles(coincident: bool) -> None:
    theta = particles(1, 7).expand(4, 7) if coincident else particles(1, 7)
    kernel, gradient = weight_kernel(theta, theta)
    torch.testing.assert_close(kernel, torch.ones_like(kernel))
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-7, rtol=0)


def test_kernel_gradient_is_the_gradient_that_autograd_finds() -> None:
    theta, followers = particles(4, 3).requires_grad_(), particles(4, 3, seed=2)
    kernel = rbf_kernel(theta, followers, bandwidth=1.7)
    rows = [torch.autograd.grad(kernel[:, i].sum(), theta, retain_graph=True)[0].sum(0) for i in range(4)]
    closed = kernel_gradient(theta.detach(), followers, kernel.detach(), bandwidth=1.7)
    torch.testing.assert_close(closed, torch.stack(rows))


def test_code_kernel_of_the_identity_encoder_is_the_weight_kernel() -> None:
    theta = particles(5, 6).requires_grad_()
    followers = particles(5, 6, seed=3)
    kernel, gradient = code_kernel(theta, theta.reshape(5, 2, 3), followers.reshape(5, 2, 3))
    expected_kernel, expected_gradient = weight_kernel(theta, followers)
    torch.testing.assert_close(kernel, expected_kernel)
    torch.testing.assert_close(gradient, expected_gradient)


def test_code_kernel_equals_a_loop_over_followers() -> None:
    theta = particles(3, 4).requires_grad_()
    codes = torch.stack([theta.sin(), theta.square()], dim=1)
    followers = particles(3, 8, seed=5).reshape(3, 2, 4)
    kernel, gradient = code_kernel(theta, codes, followers)
    exact = rbf_kernel(codes.flatten(1), followers.flatten(1))
    rows = [torch.autograd.grad(exact[:, i].sum(), theta, retain_graph=True)[0].sum(0) for i in range(3)]
    torch.testing.assert_close(kernel, exact.detach())
    torch.testing.assert_close(gradient, torch.stack(rows))
