"""What the loops of training do alike on several processes: share rows, add up gradients, agree on when to stop."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from textsem.latent.sharing import WHOLE_BATCH, BatchShare, PartOfBatch
from textsem.processes import Processes

__all__ = ["add_up_gradients", "batch_share", "check_batches", "is_anywhere", "own_random_numbers"]

_PRIME = 1_000_003  # above any number of processes, so that no two (step, rank) share random numbers


def batch_share(processes: Processes) -> BatchShare:
    """Return the rows of a batch that this process works on, as the learner takes them."""
    if processes.count == 1:
        return WHOLE_BATCH
    return PartOfBatch(processes.rank, processes.count, processes.sum)


def check_batches(smallest: int, processes: Processes) -> None:
    """Raise a ValueError where a batch has too few rows for each process to work on one."""
    if smallest < processes.count:
        raise ValueError(f"expected a row of every batch for each of {processes.count} processes, got {smallest}")


def is_anywhere(is_here: bool, processes: Processes) -> bool:
    """Return in every process whether a thing is so in any of them."""
    return int(processes.sum(torch.tensor(int(is_here)))) > 0


def own_random_numbers(seed: int, step: int, processes: Processes) -> None:
    """Seed torch's global random state for a step of one of several processes; leave it alone in a lone one.

    Rows of different processes must not be dropped alike.  As a function of the step these numbers need no saving, so
    that a state that the main process wrote resumes exactly in all of as many.
    """
    if processes.count > 1:
        torch.manual_seed(((seed * _PRIME + step) * _PRIME + processes.rank) % 2**63)


def add_up_gradients(parameters: Iterable[nn.Parameter], loss: Tensor, processes: Processes) -> float:
    """Replace the gradients by their sums over the processes, and return the sum of the losses; one message.

    Each process brings its own rows' part of a mean over the whole batch, so that the sums are that mean's gradient
    and value, the same bytes everywhere.  A parameter that no process has a gradient of keeps none.

    Args:
        parameters: In the same order in every process.
        loss: This process's part, a scalar.
        processes: All of them.
    """
    if processes.count == 1:
        return loss.item()
    every = [parameter for parameter in parameters if parameter.requires_grad]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in every]
    is_used = torch.tensor([p.grad is not None for p in every], dtype=loss.dtype, device=loss.device)
    parts = [loss.detach().reshape(1), is_used, *(gradient.flatten() for gradient in gradients)]
    total, num_using, *sums = torch.split(processes.sum(torch.cat(parts)), [part.numel() for part in parts])
    for parameter, gradient, num in zip(every, sums, num_using.tolist(), strict=True):
        parameter.grad = gradient.view_as(parameter).to(parameter) if num else None
    return total.item()
