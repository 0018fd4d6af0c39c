"""What an adversary is trained on, as ids."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = ["digest", "encode_fitting"]


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


def digest(*columns: Sequence[object]) -> str:
    """Return a fingerprint of texts and numbers in their order, 16 hexadecimal digits."""
    found = hashlib.sha256()
    for column in columns:
        found.update(f"{len(column)} rows".encode())
        for value in column:
            found.update(f"{value}\0".encode())
    return found.hexdigest()[:16]
