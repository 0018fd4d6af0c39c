"""The pieces of ARAE's losses: noise on codes, the critic with its gradient penalty."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["add_noise", "critic_loss", "gradient_penalty", "noise_std"]


def noise_std(step: int, *, initial: float, decay: float, every: int) -> float:
    """Return the standard deviation of each coordinate of the noise on codes: falls by ``decay`` all ``every`` steps.

        std(t) = initial * decay ** floor(t / every)

    Zhao et al. 2018, Sec. 5: noise that is decayed exponentially; their released code has decay 0.995 all 100 steps.
    """
    return float(initial * decay ** (step // every))


def add_noise(codes: Tensor, *, std: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to unit-length codes [batch, code]; the length of the noise is about ``std * sqrt(code)``.

    The sum is put back on the sphere; the released code leaves it where it is, and its decoder sees the length.
    """
    if not std:
        return codes
    noise = torch.randn(codes.shape, generator=generator).to(codes)
    return F.normalize(codes + std * noise, dim=-1)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Return how far the critic is from slope one between real and generated codes.

        E (|grad f(c^)| - 1)^2,   c^ = share * real + (1 - share) * fake

    Gulrajani et al. 2017 (arXiv:1704.00028), Eq. 3; takes the place of weight clipping.

    Args:
        critic: f_w, codes [batch, code] to scores [batch].
        real: Codes of sentences, [batch, code].
        fake: Codes of the generator, [batch, code].
        share: Uniform in [0, 1], [batch].
    """
    between = (share[:, None] * real + (1 - share[:, None]) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (slope.norm(dim=-1) - 1).square().mean()
    return penalty


def critic_loss(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor, *, penalty: float
) -> tuple[Tensor, Tensor]:
    """Return the critic's loss and the estimate of the Wasserstein distance of the two sets of codes.

        L_cri = - W + penalty * gradient_penalty,   W = mean f(real) - mean f(fake)

    Zhao et al. 2018, Algorithm 1, step 2.  Arguments as for ``gradient_penalty``; ``penalty`` is its weight.
    """
    distance = critic(real).mean() - critic(fake).mean()
    return penalty * gradient_penalty(critic, real, fake, share) - distance, distance
