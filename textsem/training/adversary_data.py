"""What an adversary is trained on, as ids, and the order in which it comes."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = ["batch_rows", "digest", "encode_fitting"]

_PAIR_OF_SEEDS = 1_000_003  # prime above any number of epochs, so that no two (seed, epoch) share an order


def encode_fitting(texts: Sequence[str], *, vocabulary: Vocabulary, max_length: int) -> tuple[Tensor, Tensor]:
    """Return the positions of the texts that have words, but not too many, and the ids of these, [texts, length].

    Raises:
        ValueError: If there is no such text.
    """
    words = [tokenize(text).words for text in texts]
    rows = [i for i, row in enumerate(words) if 0 < len(row) <= max_length]
    if not rows:
        raise ValueError(f"expected a sentence of 1 to {max_length} words, got none among {len(texts)}")
    ids = encode_sentences([words[i] for i in rows], vocabulary=vocabulary, max_length=max_length)
    return torch.tensor(rows), ids


def batch_rows(num_rows: int, batch_size: int, *, step: int, seed: int) -> Tensor:
    """Return the rows of a batch: epochs are permutations, a function of seed and step alone.

    What is left over at the end of an epoch, less than a batch, waits for the next.
    """
    per_epoch = max(num_rows // batch_size, 1)
    order = _permutation(num_rows, seed * _PAIR_OF_SEEDS + step // per_epoch)
    start = (step % per_epoch) * batch_size
    return order[start : start + batch_size]


@lru_cache(maxsize=2)
def _permutation(num_rows: int, seed: int) -> Tensor:
    return torch.randperm(num_rows, generator=torch.Generator().manual_seed(seed))


def digest(*columns: Sequence[object]) -> str:
    """Return a fingerprint of texts and numbers in their order, 16 hexadecimal digits."""
    found = hashlib.sha256()
    for column in columns:
        found.update(f"{len(column)} rows".encode())
        for value in column:
            found.update(f"{value}\0".encode())
    return found.hexdigest()[:16]
