"""Known answers of readings 1 to 3, 10 and 11: precisions, log posterior, inversion, mixture."""

import pytest
import torch
from torch.distributions import Gamma, Normal

from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.posterior import (
    GammaPrior,
    add_code_noise,
    conjugate_precision,
    gradient_precision,
    invert,
    log_posterior,
    mixture_mean,
    sample_mixture,
    sample_precision,
)

DOUBLE = torch.float64
A, B_PRIOR = GammaPrior(1.0, 0.1), GammaPrior(1.0, 1.0)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_log_posterior_is_the_sum_of_the_densities_of_appendix_a_with_the_prior_once() -> None:
    codes, z_tilde, theta, mean = normal(2, 3, 4), normal(2, 3, 4, seed=1), normal(2, 5), normal(2, 5, seed=1)
    gamma, lambda_ = torch.tensor([2.0, 0.5], dtype=DOUBLE), torch.tensor([3.0, 0.7], dtype=DOUBLE)
    first, second = GammaPrior(1.5, 0.1), GammaPrior(2.0, 1.0)
    got = log_posterior(
        codes, z_tilde, theta, mean, gamma, lambda_, likelihood_scale=2.5, gamma_prior=first, lambda_prior=second
    )
    for m in range(2):
        likelihood = Normal(codes[m], gamma[m] ** -0.5).log_prob(z_tilde[m]).sum()  # type: ignore[no-untyped-call]
        prior = Normal(mean[m], lambda_[m] ** -0.5).log_prob(theta[m]).sum()  # type: ignore[no-untyped-call]
        hyper = Gamma(1.5, 0.1).log_prob(gamma[m]) + Gamma(2.0, 1.0).log_prob(lambda_[m])  # type: ignore[no-untyped-call]
        torch.testing.assert_close(got[m], 2.5 * likelihood + prior + hyper)


def score(theta: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    theta = theta.clone().requires_grad_()
    codes = torch.zeros(2, 3, 4, dtype=DOUBLE)
    ones = torch.ones(2, dtype=DOUBLE)
    density = log_posterior(
        codes, codes, theta, mean, ones, 3 * ones, likelihood_scale=1.0, gamma_prior=A, lambda_prior=B_PRIOR
    )
    return torch.autograd.grad(density.sum(), theta)[0]


def test_prior_gradient_is_zero_at_its_mean_and_pulls_back_elsewhere() -> None:
    theta = normal(2, 5)
    assert torch.equal(score(theta, theta), torch.zeros(2, 5, dtype=DOUBLE))
    torch.testing.assert_close(score(theta + 0.1, theta), torch.full((2, 5), -0.3, dtype=DOUBLE))


def test_second_gamma_parameter_is_a_rate_so_that_the_prior_mean_is_a_over_b() -> None:
    squares = torch.zeros(3, dtype=DOUBLE)
    torch.testing.assert_close(conjugate_precision(A, squares, count=0, cap=1e9), torch.full((3,), 10.0, dtype=DOUBLE))
    draws = sample_precision(A, 20_000, cap=1e9, generator=torch.Generator().manual_seed(0))
    assert draws.mean().item() == pytest.approx(10, rel=0.03)


def test_conjugate_precision_with_a_fixed_residual_sum() -> None:
    squares = torch.tensor([4.0, 0.0], dtype=DOUBLE)
    expected = torch.tensor([(1 + 6) / (0.1 + 2), 50.0], dtype=DOUBLE)
    torch.testing.assert_close(conjugate_precision(A, squares, count=12, cap=50.0), expected)


def test_gradient_precision_settles_at_the_conjugate_answer_and_one_step_differs() -> None:
    squares = torch.tensor([4.0, 90.0], dtype=DOUBLE)
    target = conjugate_precision(A, squares, count=12, cap=100.0)
    precision = torch.ones(2, dtype=DOUBLE)
    once = gradient_precision(precision, A, squares, count=12, step_size=0.1, cap=100.0)
    assert (once - target).abs().min() > 0.05
    for _ in range(500):
        precision = gradient_precision(precision, A, squares, count=12, step_size=0.1, cap=100.0)
    torch.testing.assert_close(precision, target)


@pytest.mark.parametrize("P", [9_780, 37_140, 169_540])
@pytest.mark.parametrize("M", [1, 2, 5, 10, 15])
def test_precisions_stay_finite_over_a_thousand_steps(M: int, P: int) -> None:
    squares = 10.0 ** torch.linspace(-12, 6, M)
    conjugate = preconditioned = sample_precision(A, M, cap=100.0, generator=torch.Generator().manual_seed(0))
    for _ in range(1000):
        conjugate = conjugate_precision(B_PRIOR, squares, count=P, cap=100.0)
        preconditioned = gradient_precision(preconditioned, B_PRIOR, squares, count=P, step_size=0.1, cap=100.0)
    for precision in (conjugate, preconditioned):
        assert bool((precision.isfinite() & (precision > 0) & (precision <= 100)).all())


def test_a_decoder_that_inverts_the_encoder_gives_the_same_codes_and_no_gradient() -> None:
    mlp = ParticleMLP(ParticleConfig(4, (), 4))
    theta, features = normal(3, mlp.num_parameters).requires_grad_(), normal(6, 4)
    weight, bias = theta[:, :16].reshape(3, 4, 4), theta[:, None, 16:]
    codes = mlp(theta, features)
    z_tilde = invert(
        codes,
        encode=lambda x: mlp(theta, x),
        decode=lambda z: torch.linalg.solve(weight, z - bias, left=False),
        reencode=lambda x: x,
    )
    torch.testing.assert_close(z_tilde, codes.detach())
    ones = torch.ones(3, dtype=DOUBLE)
    density = log_posterior(
        codes, z_tilde, theta, theta, ones, ones, likelihood_scale=1.0, gamma_prior=A, lambda_prior=B_PRIOR
    )
    gradient = torch.autograd.grad(density.sum(), theta)[0]
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-8, rtol=0)


def test_inverted_codes_are_constants() -> None:
    codes = normal(2, 3, 4).requires_grad_()
    assert not invert(codes, encode=torch.sin, decode=torch.exp, reencode=torch.cos).requires_grad


def test_draws_from_two_particles_are_one_or_the_other() -> None:
    codes = torch.tensor([-1.0, 1.0])[:, None, None].expand(2, 50, 3)
    draws = sample_mixture(codes, num_draws=40, generator=torch.Generator().manual_seed(0))
    assert draws.shape == (40, 50, 3)
    assert torch.equal(draws.abs(), torch.ones(40, 50, 3))
    assert torch.equal(draws[:, :, :1].expand_as(draws), draws)
    assert abs(draws[..., 0].mean().item()) < 0.1
    assert torch.equal(mixture_mean(codes), torch.zeros(1, 50, 3))


def test_draws_pick_a_particle_for_every_example_on_its_own() -> None:
    codes = torch.tensor([-1.0, 1.0])[:, None, None].expand(2, 50, 3)
    draw = sample_mixture(codes, generator=torch.Generator().manual_seed(0))[0, :, 0]
    assert 10 < (draw > 0).sum().item() < 40


def test_component_noise_has_variance_one_over_gamma() -> None:
    codes = torch.tensor([-50.0, 50.0], dtype=DOUBLE)[:, None, None].expand(2, 200, 3)
    gamma = torch.tensor([4.0, 25.0], dtype=DOUBLE)
    draws = sample_mixture(codes, num_draws=50, precision=gamma, generator=torch.Generator().manual_seed(0))
    assert draws[draws < 0].std().item() == pytest.approx(0.5, rel=0.03)
    assert draws[draws > 0].std().item() == pytest.approx(0.2, rel=0.03)


def test_code_noise_has_the_share_of_the_length_that_was_asked_for() -> None:
    generator = torch.Generator().manual_seed(3)
    codes = 7.0 * torch.nn.functional.normalize(torch.randn(4000, 50, generator=generator), dim=-1)
    share = (add_code_noise(codes, share=0.8, generator=generator) - codes).norm(dim=-1) / codes.norm(dim=-1)
    # u ~ U(0, 0.8) times |n| / sqrt(50), whose mean is within 1% of one: mean 0.4, standard error 0.004.
    torch.testing.assert_close(share.mean(), torch.tensor(0.4), atol=0.015, rtol=0)
    assert share.max() < 0.8 * 1.6


def test_without_code_noise_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    codes = torch.ones(2, 3)
    assert add_code_noise(codes, share=0.0, generator=generator) is codes
    assert torch.equal(before, generator.get_state())
