"""The gradients of one inner update, of one process or several, and their way into the weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from textsem.latent.networks import Learner
from textsem.latent.problem import Problem
from textsem.latent.state import LearnerState

__all__ = ["Fit", "Update", "apply_update", "differentiate"]


@dataclass(frozen=True)
class Update:
    """What one inner update found; nothing is written before ``apply_update``.

    Args:
        state: The next state.
        losses: Detached scalars by name; which ones depends on the phase.
        outer: Parameters and their gradients, of L_x for eta, L_x' for eta', both for phi; Adam takes them.
        inner: Parameters, their gradients of the fit (lines 2 and 4), and the rate beta of a plain step.
    """

    state: LearnerState
    losses: dict[str, Tensor]
    outer: list[tuple[nn.Parameter, Tensor]]
    inner: list[tuple[nn.Parameter, Tensor, float]]


@dataclass(frozen=True)
class Fit:
    """Distance of a recognition network from its moved particles (lines 2 and 4).

    Args:
        loss: The sum of squares, a scalar.
        parameters: Those of the network.
        rate: beta, of a plain step.
    """

    loss: Tensor
    parameters: list[nn.Parameter]
    rate: float


def differentiate(
    learner: Learner,
    problem: Problem[Any, Any],
    state: LearnerState,
    losses: dict[str, Tensor],
    objective: Tensor,
    fits: Sequence[Fit],
) -> Update:
    """Take the outer and inner gradients, both at the old weights (reading 8).

    Of several processes each has the gradients of eta and eta' for the whole batch, those of the problem's parameters
    for its own rows.  Parameters that require no gradient are held still.
    """
    ours = [*learner.recognition.parameters(), *learner.recognition_adv.parameters()]
    theirs = [p for group in problem.parameter_groups().values() for p in group if p.requires_grad]
    gradients = torch.autograd.grad(objective, [*ours, *theirs], retain_graph=bool(fits), allow_unused=True)
    share, known = learner.share, list(zip([*ours, *theirs], gradients, strict=True))
    outer = _merged(known[: len(ours)], share.averaged) + _merged(known[len(ours) :], share.summed)
    inner = []
    for fit in fits:
        slopes = share.averaged(torch.autograd.grad(fit.loss, fit.parameters))
        inner += [(p, g, fit.rate) for p, g in zip(fit.parameters, slopes, strict=True)]
    losses["objective"] = objective.detach()
    return Update(state, losses, outer, inner)


def _merged(
    known: Sequence[tuple[nn.Parameter, Tensor | None]], merge: Callable[[Sequence[Tensor]], list[Tensor]]
) -> list[tuple[nn.Parameter, Tensor]]:
    """Bring the gradients of several processes together; parameters without one are left out."""
    used = [(parameter, gradient) for parameter, gradient in known if gradient is not None]
    merged = merge([gradient for _, gradient in used]) if used else []
    return [(parameter, gradient) for (parameter, _), gradient in zip(used, merged, strict=True)]


def apply_update(optimizer: torch.optim.Optimizer, update: Update) -> None:
    """Write one update into the weights: the inner step of lines 2 and 4, then Adam of lines 15 and 16.

    Raises:
        FloatingPointError: If a loss is not finite; no weight has been written then.
    """
    for name, value in update.losses.items():
        if not bool(value.isfinite()):
            raise FloatingPointError(f"expected a finite loss {name}, got {value.item()}")
    with torch.no_grad():
        for parameter, gradient, rate in update.inner:
            parameter.add_(gradient, alpha=-rate)
    optimizer.zero_grad()
    for parameter, gradient in update.outer:
        parameter.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
