"""The way back into the ball: the nearest image that the gate of Eq. 6 lets pass."""

import math

import torch
from torch import Tensor

from textsem.latent.objective import NORMS, Norm, gate

__all__ = ["onto_ball", "project", "to_bytes"]

HIGHEST_BYTE = 255
# The gate is strict, so a projected point is pulled in from the sphere by a little more than float32's rounding.
PULL = 1e-5
# A row that rounding pushed out is brought in by what it was out, and by this factor, at a time.
SHRINK = 0.999
# After this many rounds a row that rounding still pushes out is cut towards its centre instead.
MAX_ROUNDS = 12


def project(x_adv: Tensor, x: Tensor, *, norm: Norm, epsilon: float) -> Tensor:
    """Return the point nearest to x' that is strictly inside the ball around x, in [0, 1], and made of bytes.

        linf:          x + clamp(x' - x, -epsilon, epsilon)
        l2, rms, mse:  x + (x' - x) min(1, radius / ||x' - x||_2)

    radius is epsilon (l2), epsilon sqrt(n) (rms) or sqrt(epsilon n) (mse).  What is sent to a target and saved is
    rounded to k / 255, and rounding may leave the ball: such rows are scaled further in until they do not, or else
    each pixel is cut to the byte on x's side.  Where x is no image of bytes and the ball too small to hold one, the
    unrounded point is returned; at epsilon 0, x itself.  Rows inside are only rounded.

    Args:
        x_adv: In [0, 1], [batch, channels, height, width].
        x: Centres of the balls, same shape.
        norm: ``l2``, ``linf``, ``rms`` or ``mse`` of the flattened difference.
        epsilon: Radius, as the gate has it (``distance < epsilon``).

    Raises:
        ValueError: If shapes differ, the norm is unknown or epsilon is negative.
    """
    if x_adv.shape != x.shape:
        raise ValueError(f"expected x_adv of shape {list(x.shape)}, got {list(x_adv.shape)}")
    if norm not in NORMS:
        raise ValueError(f"expected norm {', '.join(NORMS)}, got {norm!r}")
    if not epsilon >= 0:
        raise ValueError(f"expected epsilon >= 0, got {epsilon}")
    if epsilon == 0:
        return x.clone()
    result = to_bytes(x_adv.clamp(0.0, 1.0))
    rows = (~_is_inside(result, x, norm, epsilon)).nonzero().flatten()
    if len(rows):
        result[rows] = _pulled_in(x_adv[rows], x[rows], norm, epsilon)
    return result


def to_bytes(pixels: Tensor) -> Tensor:
    """Round pixels in [0, 1] to the nearest k / 255."""
    return (pixels * HIGHEST_BYTE).round() / HIGHEST_BYTE


def _is_inside(x_adv: Tensor, x: Tensor, norm: Norm, epsilon: float) -> Tensor:
    return gate(NORMS[norm]((x_adv - x).flatten(1)), epsilon=epsilon)


def _pulled_in(x_adv: Tensor, x: Tensor, norm: Norm, epsilon: float) -> Tensor:
    """Project rows whose rounded image is outside."""
    x_adv = x_adv.clamp(0.0, 1.0)
    radius = epsilon * (1.0 - PULL)
    limit = torch.full((len(x), 1, 1, 1), radius, dtype=x.dtype, device=x.device)
    exact = onto_ball(x_adv, x, norm, SHRINK * limit)
    if norm == "linf":  # the largest whole number of bytes inside: rounding down to it from 1 above would take long
        limit = limit.clamp_max((math.ceil(radius * HIGHEST_BYTE) - 1) / HIGHEST_BYTE)
    result, is_done = exact.clone(), torch.zeros(len(x), dtype=torch.bool, device=x.device)
    for _ in range(MAX_ROUNDS):
        rounded = to_bytes(onto_ball(x_adv, x, norm, limit))
        is_inside = _is_inside(rounded, x, norm, epsilon)
        is_new = is_inside & ~is_done
        result[is_new], is_done = rounded[is_new], is_done | is_inside
        if bool(is_done.all()):
            return result
        reached = NORMS[norm]((rounded - x).flatten(1))[:, None, None, None]
        limit = torch.where(is_done[:, None, None, None], limit, SHRINK * limit * (radius / reached.clamp_min(radius)))
    cut = to_bytes(x + ((exact - x) * HIGHEST_BYTE).trunc() / HIGHEST_BYTE)
    is_cut = ~is_done & _is_inside(cut, x, norm, epsilon)
    result[is_cut] = cut[is_cut]
    return result


def onto_ball(x_adv: Tensor, x: Tensor, norm: Norm, limit: Tensor) -> Tensor:
    """Bring images to a distance of at most ``limit`` along the straight line to x (linf: pixel by pixel).

    Differentiable and not rounded, see ``project``.

    Args:
        x_adv: [..., batch, channels, height, width].
        x: Centres, [batch, channels, height, width].
        norm: Of the flattened difference.
        limit: Radii in that norm, [batch, 1, 1, 1].
    """
    difference = x_adv - x
    if norm == "linf":
        return x + torch.minimum(torch.maximum(difference, -limit), limit)
    count = x[0].numel()
    radius = {"l2": limit, "rms": limit * math.sqrt(count), "mse": (limit * count).sqrt()}[norm]
    length = torch.linalg.vector_norm(difference, dim=(-3, -2, -1), keepdim=True)
    moved: Tensor = x + difference * (radius / length.clamp_min(torch.finfo(x.dtype).tiny)).clamp_max(1.0)
    return moved
