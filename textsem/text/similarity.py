"""How far one sentence is from another, by the vectors of their words."""

import torch
from torch import Tensor

from textsem.text.batches import sentence_lengths
from textsem.text.vocabulary import PAD_ID

__all__ = ["embedding_distance", "mean_vector_similarity"]


def embedding_distance(table: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """Return the L2 distance of embedded sentences, the norm of Eq. 6 (reading 20), pads as zero vectors.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        ids: One sentence, [length].
        others: Sentences, [candidates, length].

    Returns:
        [candidates].
    """
    return (_embed(table, others) - _embed(table, ids)).flatten(start_dim=1).norm(dim=-1)


def mean_vector_similarity(table: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """Return the cosine of the mean word vectors, in [-1, 1], [candidates]; arguments as ``embedding_distance``."""
    return torch.nn.functional.cosine_similarity(_mean(table, others), _mean(table, ids[None]), dim=-1)


def _embed(table: Tensor, ids: Tensor) -> Tensor:
    return torch.where((ids != PAD_ID)[..., None], table[ids], 0.0)


def _mean(table: Tensor, ids: Tensor) -> Tensor:
    is_word = torch.arange(ids.shape[-1]) < sentence_lengths(ids)[:, None]
    vectors = torch.where(is_word[..., None], table[ids], 0.0)
    return vectors.sum(dim=1) / is_word.sum(dim=1, keepdim=True).clamp(min=1)
