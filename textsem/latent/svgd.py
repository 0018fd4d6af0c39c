"""Stein variational gradient descent on particles: the operators tau (Eq. 2) and pi (Eq. 4), and the step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.latent.kernels import weight_kernel

__all__ = [
    "SvgdState",
    "alignment_direction",
    "init_svgd",
    "plain_step",
    "preconditioned_step",
    "stein_direction",
    "svgd_direction",
]

# Liu & Wang's released code divides by (1e-6 + sqrt(running squares)) and keeps 0.9 of the old squares.
FUDGE = 1e-6
MEMORY = 0.9


def stein_direction(kernel: Tensor, gradient: Tensor, score: Tensor) -> Tensor:
    """Average the leaders' scores by kernel and add the repulsion.

        direction_i = 1/M sum_j [ k(theta_j, theta'_i) score_j + d/dtheta_j k(theta_j, theta'_i) ]

    Args:
        kernel: k(theta_j, theta'_i), [leaders, followers].
        gradient: sum_j d/dtheta_j k(theta_j, theta'_i), [followers, parameters].
        score: Gradient of the log posterior at the leaders, [leaders, parameters], in nats per unit of theta.

    Returns:
        Ascent direction, [followers, parameters].
    """
    M = score.shape[0]
    return (kernel.T @ score + gradient) / M


def svgd_direction(theta: Tensor, score: Tensor) -> Tensor:
    """Compute tau, the direction in which the particles consult each other, with the median bandwidth.

        tau(theta_i) = 1/M sum_j [ k(theta_j, theta_i) score_j + d/dtheta_j k(theta_j, theta_i) ]

    Eq. 2; Liu & Wang 2016 (arXiv:1608.04471).

    Args:
        theta: Particles, [particles, parameters].
        score: Gradient of the log posterior at each particle, same shape, in nats per unit of theta.

    Returns:
        Ascent direction, [particles, parameters].

    Raises:
        ValueError: If theta and score differ in shape.
    """
    return alignment_direction(theta, theta, score)


def alignment_direction(theta_adv: Tensor, theta: Tensor, score: Tensor) -> Tensor:
    """Compute pi, the direction in which the followers Theta' consult the leaders Theta alone.

        pi(theta'_i) = 1/M sum_j [ k(theta_j, theta'_i) score_j + d/dtheta_j k(theta_j, theta'_i) ]

    Eq. 4, read as a sum over the leaders j (reading 5); Theta' = Theta makes it tau.

    Args:
        theta_adv: Followers, [followers, parameters].
        theta: Leaders, [leaders, parameters].
        score: Gradient of the log posterior at the leaders, [leaders, parameters], in nats per unit of theta.

    Returns:
        Ascent direction for the followers, [followers, parameters].

    Raises:
        ValueError: If theta and score differ in shape, or followers have another number of parameters.
    """
    if theta.shape != score.shape:
        raise ValueError(f"expected score of shape {list(theta.shape)}, got {list(score.shape)}")
    kernel, gradient = weight_kernel(theta, theta_adv)
    return stein_direction(kernel, gradient, score)


@dataclass(frozen=True)
class SvgdState:
    """Running squares of the preconditioned step.

    Args:
        squares: Running mean of squared directions, [particles, parameters].
        count: Steps taken so far, a scalar tensor (int64).
    """

    squares: Tensor
    count: Tensor


def init_svgd(theta: Tensor) -> SvgdState:
    """Return the state before the first step for particles like ``theta`` [particles, parameters]."""
    return SvgdState(torch.zeros_like(theta), torch.zeros((), dtype=torch.int64, device=theta.device))


def preconditioned_step(direction: Tensor, state: SvgdState, *, step_size: float) -> tuple[Tensor, SvgdState]:
    """Scale a direction by the root of its running squares, as Liu & Wang's released code does.

        squares <- direction^2 at the first step, else 0.9 squares + 0.1 direction^2
        step = step_size * direction / (1e-6 + sqrt(squares))

    Args:
        direction: tau or pi, [particles, parameters].
        state: From ``init_svgd`` or the step before.
        step_size: alpha; about the change of one weight in one step.

    Returns:
        What to add to the particles, [particles, parameters], and the next state.
    """
    new = direction.square()
    squares = torch.where(state.count == 0, new, MEMORY * state.squares + (1 - MEMORY) * new)
    return step_size * direction / (FUDGE + squares.sqrt()), SvgdState(squares, state.count + 1)


def plain_step(direction: Tensor, state: SvgdState, *, step_size: float) -> tuple[Tensor, SvgdState]:
    """Return step_size * direction, Eq. 2 as printed; the state only counts."""
    return step_size * direction, SvgdState(state.squares, state.count + 1)
