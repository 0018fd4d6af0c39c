"""Posterior of a particle (App. A), inversion (Algorithm 1) and the mixture over particles (Eq. 3).

    p(theta | D) ~ prod_x N(z~ | f_W(x), 1/gamma) . N(W | mean, 1/lambda) Gamma(gamma | a, b) Gamma(lambda | a', b')

Reading 2: the prior stands outside the product over the data.  Reading 3: b is a rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

__all__ = [
    "GammaPrior",
    "add_code_noise",
    "conjugate_precision",
    "gradient_precision",
    "invert",
    "log_posterior",
    "mixture_mean",
    "sample_mixture",
    "sample_precision",
]

Outputs = TypeVar("Outputs")


@dataclass(frozen=True)
class GammaPrior:
    """Gamma(shape, rate) on a precision; its mean is shape / rate."""

    shape: float
    rate: float

    def log_density(self, value: Tensor) -> Tensor:
        """Return the log density at ``value`` > 0, in nats, same shape."""
        constant = self.shape * math.log(self.rate) - math.lgamma(self.shape)
        return constant + (self.shape - 1) * value.log() - self.rate * value


def log_posterior(
    codes: Tensor,
    z_tilde: Tensor,
    theta: Tensor,
    prior_mean: Tensor,
    gamma: Tensor,
    lambda_: Tensor,
    *,
    likelihood_scale: float,
    gamma_prior: GammaPrior,
    lambda_prior: GammaPrior,
) -> Tensor:
    """Compute log p(theta | D) of every particle up to the evidence, in nats.

        likelihood_scale sum_x log N(z~ | z, 1/gamma) + log N(theta | mean, 1/lambda) + log Gamma + log Gamma

    Args:
        codes: z = f_theta(x), [particles, batch, latent].
        z_tilde: Codes from ``invert``, same shape; constants.
        theta: [particles, parameters].
        prior_mean: Mean of the prior on theta, same shape; a constant.
        gamma: Precision of a code, [particles].
        lambda_: Precision of a weight, [particles].
        likelihood_scale: Weight of the sum over the batch; size of the data over size of the batch is the full sum.
        gamma_prior: Gamma(a, b).
        lambda_prior: Gamma(a', b').

    Returns:
        [particles].
    """
    likelihood = _log_normal((z_tilde.detach() - codes).flatten(1), gamma)
    prior = _log_normal(theta - prior_mean.detach(), lambda_)
    hyper = gamma_prior.log_density(gamma) + lambda_prior.log_density(lambda_)
    return likelihood_scale * likelihood + prior + hyper


def _log_normal(residual: Tensor, precision: Tensor) -> Tensor:
    n = residual.shape[1]
    return 0.5 * (n * (precision.log() - math.log(2 * math.pi)) - precision * residual.square().sum(dim=1))


def conjugate_precision(prior: GammaPrior, squares: Tensor, *, count: float, cap: float) -> Tensor:
    """Return the posterior mean of a precision given its residuals (reading 1b), capped.

        gamma = (a + B d / 2) / (b + S / 2)

    Args:
        prior: Gamma(a, b).
        squares: S, sum of squared residuals of each particle, [particles].
        count: Number of residuals in S; B d for gamma, P for lambda.
        cap: Largest precision; residuals near zero would otherwise make it as large as the count.

    Returns:
        [particles].
    """
    return ((prior.shape + count / 2) / (prior.rate + squares.detach() / 2)).clamp(max=cap)


def gradient_precision(
    precision: Tensor, prior: GammaPrior, squares: Tensor, *, count: float, step_size: float, cap: float
) -> Tensor:
    """Do one preconditioned gradient step on the log of a precision (reading 1b), capped.

        log gamma <- log gamma + step_size clamp(1 - gamma (b + S / 2) / (a + B d / 2), -1, 1)

    The gradient in log gamma is divided by its Fisher information a + B d / 2 (a bare step of 1e-3 blows up for P of
    10^4), and its fixed point is the conjugate answer.

    Args:
        precision: gamma or lambda so far, [particles].
        prior: Gamma(a, b).
        squares: S, [particles].
        count: Number of residuals in S.
        step_size: Largest change of the log.
        cap: Largest precision.

    Returns:
        [particles].
    """
    relative = 1 - precision * (prior.rate + squares.detach() / 2) / (prior.shape + count / 2)
    return (precision * torch.exp(step_size * relative.clamp(-1, 1))).clamp(max=cap)


def sample_precision(prior: GammaPrior, num_particles: int, *, cap: float, generator: torch.Generator) -> Tensor:
    """Draw the first precisions from their prior (App. A), [particles], capped."""
    shape = torch.full((num_particles,), prior.shape, device=generator.device)
    # The smallest normal number stands in for a draw that underflows to 0, whose log is not finite.
    tiny = torch.finfo(shape.dtype).tiny
    return (torch._standard_gamma(shape, generator=generator) / prior.rate).clamp(tiny, cap)


def invert(
    codes: Tensor,
    *,
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Outputs],
    reencode: Callable[[Outputs], Tensor],
) -> Tensor:
    """Run Algorithm 1 for all particles at once: z -> x~ -> z~, detached (reading 10).

    Were z~ not a constant, the encoder that maps everything to one point would be optimal.

    Args:
        codes: z, [particles, batch, latent].
        encode: Features [particles, batch, features] to codes, each particle its own rows.
        decode: Codes to outputs x~.
        reencode: Outputs to features.

    Returns:
        z~, [particles, batch, latent].
    """
    with torch.no_grad():
        return encode(reencode(decode(codes)))


def sample_mixture(
    codes: Tensor, *, generator: torch.Generator, num_draws: int = 1, precision: Tensor | None = None
) -> Tensor:
    """Draw codes from Eq. 3: one particle for every example and draw, never a mean (reading 11).

        p(z | x; D) = 1/M sum_m p(z | x; theta_m)

    Args:
        codes: Means of the components, [particles, batch, latent].
        generator: Picks the particles, and draws the noise.
        num_draws: Draws for every example.
        precision: gamma, [particles]; adds noise of variance 1 / gamma. None: no noise.

    Returns:
        [draws, batch, latent], differentiable in ``codes``.
    """
    M, B, _ = codes.shape
    picks = torch.randint(M, (num_draws, B), generator=generator, device=generator.device).to(codes.device)
    draws = codes[picks, torch.arange(B, device=codes.device)]
    if precision is None:
        return draws
    noise = torch.randn(draws.shape, generator=generator, device=generator.device).to(draws)
    return draws + noise / precision[picks].sqrt()[:, :, None]


def add_code_noise(codes: Tensor, *, share: float, generator: torch.Generator) -> Tensor:
    """Move codes by isotropic noise whose length is a random share of their own.

        z + u |z| n / sqrt(d),   u ~ U(0, share),   n ~ N(0, I)

    A decoder trained on such codes answers for a ball around each code and not for a point; drawing the size too keeps
    the centre of the ball among what it sees.

    Args:
        codes: [batch, latent].
        share: Largest share, at least 0; at 0 nothing is drawn.
        generator: Draws sizes and noise.

    Returns:
        [batch, latent].
    """
    if share == 0:
        return codes
    B, d = codes.shape
    device = generator.device
    size = share * torch.rand(B, 1, generator=generator, device=device).to(codes)
    noise = torch.randn(B, d, generator=generator, device=device).to(codes)
    length: Tensor = torch.linalg.vector_norm(codes.detach(), dim=-1, keepdim=True)
    return codes + size * length * noise / math.sqrt(d)


def mixture_mean(codes: Tensor) -> Tensor:
    """Return the mean of the mixture, [1, batch, latent]; for evaluation, since it is a code no particle gave."""
    return codes.mean(dim=0, keepdim=True)
