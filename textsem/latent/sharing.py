"""Algorithm 2 on several processes: each works on its own rows of a batch, all hold the same parameters.

Encoder, decoder and target are asked about own rows; then codes and losses of all rows are brought together, and
what couples the rows of a batch (the draws of Eq. 3, kernels on codes, Gram-Schmidt, GBSM, the precisions, every mean)
is computed from the whole batch in each process, as one process would.  So no term has to be approximated, and all
that is left of the number of processes is the order in which floats are summed.

Three maps carry rows over, each the other's gradient, as in tensor parallelism (Shoeybi et al. 2019,
arXiv:1909.08053, the operators f and g):

    map          forward                         backward
    own_rows     whole batch -> own rows         own rows' gradients are brought together
    all_rows     own rows -> whole batch         the gradient's own rows
    copied       the same tensor                 gradients are summed over processes
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["WHOLE_BATCH", "BatchShare", "PartOfBatch", "WholeBatch"]

Sum = Callable[[Tensor], Tensor]


class BatchShare(Protocol):
    """What one process does of every batch."""

    def num_rows(self, num_own: int) -> int:
        """Return how many rows all processes have, of which this one has ``num_own``."""
        ...

    def own_rows(self, whole: Tensor, *, dim: int = 0) -> Tensor:
        """Return this process's rows of what all processes hold alike."""
        ...

    def all_rows(self, own: Tensor, num_rows: int, *, dim: int = 0) -> Tensor:
        """Return all ``num_rows`` rows, of which each process brings its own."""
        ...

    def copied(self, tensor: Tensor) -> Tensor:
        """Return ``tensor``, which all processes hold alike and each uses on its own rows alone."""
        ...

    def summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums over processes of gradients, each of its process's own rows."""
        ...

    def averaged(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the means over processes of gradients that are equal but, perhaps, for rounding."""
        ...


class WholeBatch:
    """One process with all rows: every map is the identity."""

    def num_rows(self, num_own: int) -> int:
        """Return ``num_own``."""
        return num_own

    def own_rows(self, whole: Tensor, *, dim: int = 0) -> Tensor:
        """Return ``whole``."""
        return whole

    def all_rows(self, own: Tensor, num_rows: int, *, dim: int = 0) -> Tensor:
        """Return ``own``."""
        return own

    def copied(self, tensor: Tensor) -> Tensor:
        """Return ``tensor``."""
        return tensor

    def summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients."""
        return list(gradients)

    def averaged(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients."""
        return list(gradients)


WHOLE_BATCH = WholeBatch()


@dataclass(frozen=True)
class PartOfBatch:
    """One of several processes, with neighbouring rows of every batch.

    Args:
        rank: Which one, from 0.
        count: How many.
        add: Sum of a tensor over the processes, the same bytes in each; called by all in the same order.
    """

    rank: int
    count: int
    add: Sum

    def num_rows(self, num_own: int) -> int:
        """Return how many rows all processes have, of which this one has ``num_own``."""
        return int(self.add(torch.tensor(num_own)))

    def bounds(self, num_rows: int) -> tuple[int, int]:
        """Return the first own row and the one after the last; none are own where there are too few."""
        return num_rows * self.rank // self.count, num_rows * (self.rank + 1) // self.count

    def own_rows(self, whole: Tensor, *, dim: int = 0) -> Tensor:
        """Return this process's rows of what all processes hold alike."""
        own: Tensor = _OwnRows.apply(whole, self, dim)  # type: ignore[no-untyped-call]
        return own

    def all_rows(self, own: Tensor, num_rows: int, *, dim: int = 0) -> Tensor:
        """Return all ``num_rows`` rows, of which each process brings its own."""
        whole: Tensor = _AllRows.apply(own, self, num_rows, dim)  # type: ignore[no-untyped-call]
        return whole

    def copied(self, tensor: Tensor) -> Tensor:
        """Return ``tensor``, which all processes hold alike and each uses on its own rows alone."""
        copy: Tensor = _Copied.apply(tensor, self.add)  # type: ignore[no-untyped-call]
        return copy

    def summed(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the sums over processes, in one message."""
        total = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(total, [gradient.numel() for gradient in gradients])
        return [part.view_as(gradient).to(gradient) for part, gradient in zip(parts, gradients, strict=True)]

    def averaged(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the means over processes: where these round differently, parameters still stay the same bytes."""
        return [total / self.count for total in self.summed(gradients)]


def _narrow(whole: Tensor, part: PartOfBatch, dim: int) -> Tensor:
    start, stop = part.bounds(whole.shape[dim])
    return whole.narrow(dim, start, stop - start)


def _gather(own: Tensor, part: PartOfBatch, num_rows: int, dim: int) -> Tensor:
    """Set own rows among zeros and add up: exact, and shares may be of any size."""
    start, stop = part.bounds(num_rows)
    if own.shape[dim] != stop - start:
        raise ValueError(f"expected {stop - start} of {num_rows} rows in process {part.rank}, got {own.shape[dim]}")
    shape = list(own.shape)
    shape[dim] = num_rows
    whole = own.new_zeros(shape)
    whole.narrow(dim, start, stop - start).copy_(own)
    return part.add(whole)


class _OwnRows(torch.autograd.Function):
    @staticmethod
    def forward(whole: Tensor, part: PartOfBatch, dim: int) -> Tensor:
        return _narrow(whole, part, dim).clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        whole, ctx.part, ctx.dim = inputs
        ctx.num_rows = whole.shape[ctx.dim]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _gather(gradients[0], ctx.part, ctx.num_rows, ctx.dim), None, None


class _AllRows(torch.autograd.Function):
    @staticmethod
    def forward(own: Tensor, part: PartOfBatch, num_rows: int, dim: int) -> Tensor:
        return _gather(own, part, num_rows, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.part, _, ctx.dim = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _narrow(gradients[0], ctx.part, ctx.dim), None, None, None


class _Copied(torch.autograd.Function):
    @staticmethod
    def forward(tensor: Tensor, add: Sum) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.add = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        total: Tensor = _Added.apply(gradients[0], ctx.add)  # type: ignore[no-untyped-call]
        return total, None


class _Added(torch.autograd.Function):
    """The sum over processes, of many gradients at once too (``torch.func.vmap``), as ``code_kernel`` asks for them."""

    @staticmethod
    def forward(tensor: Tensor, add: Sum) -> Tensor:
        return add(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], tensor: Tensor, add: Sum) -> tuple[Tensor, int | None]:
        return add(tensor), in_dims[0]
