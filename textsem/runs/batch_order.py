"""In which order the rows of a data set come, as a function of seed and step alone: a resumed run need not save it."""

from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["batch_rows"]

_PAIR_OF_SEEDS = 1_000_003  # prime above any number of epochs, so that no two (seed, epoch) share an order


def batch_rows(num_rows: int, batch_size: int, *, step: int, seed: int) -> Tensor:
    """Return the rows of a batch, [batch]: epochs are permutations, a function of seed and step alone.

    What is left over at the end of an epoch, less than a batch, waits for the next.

    Args:
        num_rows: Of the data.
        batch_size: Rows a batch; all of them where there are fewer.
        step: Number of the batch, from 0.
        seed: Of the run.
    """
    per_epoch = max(num_rows // batch_size, 1)
    order = _permutation(num_rows, seed * _PAIR_OF_SEEDS + step // per_epoch)
    start = (step % per_epoch) * batch_size
    return order[start : start + batch_size]


@lru_cache(maxsize=2)
def _permutation(num_rows: int, seed: int) -> Tensor:
    return torch.randperm(num_rows, generator=torch.Generator().manual_seed(seed))
