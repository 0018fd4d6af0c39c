"""What Algorithm 2 carries from one inner update to the next: frozen, and a flat dict of tensors for safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.latent.svgd import SvgdState

__all__ = ["LearnerState", "ParticleState", "state_from_tensors", "state_to_tensors"]


@dataclass(frozen=True)
class ParticleState:
    """State of one set of particles, Theta or Theta'.

    Args:
        gamma: Precision of a code, [particles]; with ``lambda_`` part of theta (App. A), but not in the kernel and
            not in the fit of eta (reading 1).
        lambda_: Precision of a weight, [particles].
        prior_mean: Particles at the first of the batch's inner updates, detached (reading 2), [particles, parameters].
        svgd: Running squares of the SVGD step.
    """

    gamma: Tensor
    lambda_: Tensor
    prior_mean: Tensor
    svgd: SvgdState


@dataclass(frozen=True)
class LearnerState:
    """State of Algorithm 2 beside the weights and Adam's moments.

    Args:
        clean: Of Theta.
        adv: Of Theta'.
        delta: Delta of GBSM, [particles, latent].
        step: Inner updates done so far, a scalar tensor (int64).
    """

    clean: ParticleState
    adv: ParticleState
    delta: Tensor
    step: Tensor


def state_to_tensors(state: LearnerState) -> dict[str, Tensor]:
    """Return the state as a flat dict, for a safetensors file; every tensor owns its memory."""
    tensors = {"delta": state.delta, "step": state.step}
    for name, part in (("clean", state.clean), ("adv", state.adv)):
        tensors[f"{name}.gamma"] = part.gamma
        tensors[f"{name}.lambda"] = part.lambda_
        tensors[f"{name}.prior_mean"] = part.prior_mean
        tensors[f"{name}.svgd.squares"] = part.svgd.squares
        tensors[f"{name}.svgd.count"] = part.svgd.count
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def state_from_tensors(tensors: Mapping[str, Tensor]) -> LearnerState:
    """Rebuild the state from ``state_to_tensors``.

    Raises:
        ValueError: If a tensor is missing or one too many is there.
    """
    names = {"delta", "step"}
    for part in ("clean", "adv"):
        names |= {f"{part}.{field}" for field in ("gamma", "lambda", "prior_mean", "svgd.squares", "svgd.count")}
    if set(tensors) != names:
        raise ValueError(f"expected tensors {sorted(names)}, got {sorted(tensors)}")

    def part_of(name: str) -> ParticleState:
        svgd = SvgdState(tensors[f"{name}.svgd.squares"], tensors[f"{name}.svgd.count"])
        return ParticleState(tensors[f"{name}.gamma"], tensors[f"{name}.lambda"], tensors[f"{name}.prior_mean"], svgd)

    return LearnerState(part_of("clean"), part_of("adv"), tensors["delta"], tensors["step"])
