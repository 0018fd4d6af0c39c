"""Projected gradient descent (Madry et al. 2018): the strongest plain attack with gradient access."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["PgdConfig", "PgdNorm", "pgd", "pgd_steps", "random_start"]

PgdNorm = Literal["linf", "l2"]

# Below this a gradient has no direction: the step is then none, not 0 / 0.
TINY_GRADIENT = 1e-12


@dataclass(frozen=True)
class PgdConfig:
    """Settings of the attack.

    Args:
        epsilon: Radius of the ball, in the norm, on pixels in [0, 1]; 0 gives the inputs back.
        step_size: Length of a step, in the norm.
        norm: ``linf``, or ``l2`` of the flattened difference.
        num_steps: Gradients a restart.
        num_restarts: Times that the attack starts anew; an input that is fooled has no further ones.
        random_start: Whether a restart begins at a random point of the ball rather than at the input.
    """

    epsilon: float
    step_size: float
    norm: PgdNorm = "linf"
    num_steps: int = 40
    num_restarts: int = 1
    random_start: bool = True

    def __post_init__(self) -> None:
        """Check the choice and the ranges."""
        if self.norm not in ("linf", "l2"):
            raise ValueError(f"expected norm linf or l2, got {self.norm!r}")
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0 and math.isfinite(self.step_size)):
            raise ValueError(f"expected epsilon >= 0 and a finite step_size, got {self.epsilon}, {self.step_size}")
        if self.step_size <= 0 or self.num_steps < 1 or self.num_restarts < 1:
            raise ValueError(
                "expected step_size > 0, num_steps >= 1 and num_restarts >= 1, "
                f"got {self.step_size}, {self.num_steps}, {self.num_restarts}"
            )
        if self.num_restarts > 1 and not self.random_start:
            raise ValueError(f"expected one restart without a random start, got {self.num_restarts}")


def pgd(
    logits: Callable[[Tensor], Tensor],
    pixels: Tensor,
    labels: Tensor,
    *,
    config: PgdConfig,
    generator: torch.Generator,
) -> Tensor:
    """Climb the cross-entropy of the label inside the ball, from each of several starts.

        x' <- Pi(x' + step_size * direction(grad_x' CE(g(x'), y)))

    direction is the sign (linf) or the unit vector (l2), Pi the projection onto the ball and onto [0, 1].  Madry et
    al. 2018 (arXiv:1706.06083).  Of an input's restarts the first whose last iterate has another class is returned,
    or else the one with the highest cross-entropy.  Only inputs that are not yet fooled are sent on to the next
    restart, which changes no result: the starts of all are drawn either way.

    Args:
        logits: The target, differentiable: pixels [rows, channels, height, width] to [rows, classes]; rows must not
            depend on one another.  Each restart asks ``num_steps + 1`` times.
        pixels: In [0, 1], [batch, channels, height, width].
        labels: The classes to leave, [batch].
        config: Norm, radius, steps, restarts.
        generator: Draws the starts.

    Returns:
        Adversarial pixels, detached, in [0, 1] and (up to float32's rounding) in the ball, shape of ``pixels``.
    """
    pixels = pixels.detach()
    best = pixels.clone()
    highest = torch.full(pixels.shape[:1], -torch.inf, dtype=pixels.dtype, device=pixels.device)
    is_fooled = torch.zeros(pixels.shape[:1], dtype=torch.bool, device=pixels.device)
    for _ in range(config.num_restarts):
        start = random_start(pixels, config=config, generator=generator) if config.random_start else pixels
        rows = (~is_fooled).nonzero().flatten()
        if len(rows) == 0:
            break
        last = pgd_steps(logits, pixels[rows], labels[rows], start=start[rows], config=config)
        with torch.no_grad():
            answers = logits(last)
        loss = F.cross_entropy(answers, labels[rows], reduction="none").to(pixels.dtype)
        fools = answers.argmax(dim=-1) != labels[rows]
        is_better = fools | (loss > highest[rows])
        best[rows[is_better]] = last[is_better]
        highest[rows] = torch.maximum(highest[rows], loss)
        is_fooled[rows] = fools
    return best


def pgd_steps(
    logits: Callable[[Tensor], Tensor], pixels: Tensor, labels: Tensor, *, start: Tensor, config: PgdConfig
) -> Tensor:
    """Take the steps of one restart from ``start``; return the last iterate, detached.

    Args:
        logits: As for ``pgd``.
        pixels: Centres of the balls, [batch, channels, height, width].
        labels: [batch].
        start: First iterates, shape of ``pixels``.
        config: Norm, radius, step size and number of steps.
    """
    x_adv = start.detach()
    for _ in range(config.num_steps):
        x_adv = x_adv.requires_grad_()
        # A sum, so that no input's gradient depends on how many others there are.
        loss = F.cross_entropy(logits(x_adv), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x_adv)
        with torch.no_grad():
            moved = x_adv + config.step_size * _direction(gradient, config.norm)
            x_adv = _into_ball(moved, pixels, config)
    return x_adv.detach()


def random_start(pixels: Tensor, *, config: PgdConfig, generator: torch.Generator) -> Tensor:
    """Draw a point of each ball, uniformly, and clip it to [0, 1]; shape of ``pixels``.

    In l2 a Gaussian direction and a radius of u^(1/n) are uniform in the ball of n dimensions.
    """
    if config.norm == "linf":
        noise = torch.rand(pixels.shape, generator=generator, device=generator.device) * 2.0 - 1.0
    else:
        noise = torch.randn(pixels.shape, generator=generator, device=generator.device)
        count = pixels[0].numel() if len(pixels) else 1
        radius = torch.rand(len(pixels), 1, 1, 1, generator=generator, device=generator.device) ** (1.0 / count)
        noise = _direction(noise, "l2") * radius
    return _into_ball(pixels + config.epsilon * noise.to(pixels.device), pixels, config)


def _direction(gradient: Tensor, norm: PgdNorm) -> Tensor:
    if norm == "linf":
        return gradient.sign()
    return gradient / _lengths(gradient).clamp_min(TINY_GRADIENT)


def _lengths(difference: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(difference, dim=(1, 2, 3), keepdim=True)
    return lengths


def _into_ball(x_adv: Tensor, pixels: Tensor, config: PgdConfig) -> Tensor:
    """Project onto the ball, then onto [0, 1]; the second only brings a point closer, since the centre is inside."""
    difference = x_adv - pixels
    if config.norm == "linf":
        difference = difference.clamp(-config.epsilon, config.epsilon)
    else:
        difference = difference * (config.epsilon / _lengths(difference).clamp_min(TINY_GRADIENT)).clamp_max(1.0)
    return (pixels + difference).clamp(0.0, 1.0)
