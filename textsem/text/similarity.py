"""What word vectors say: how far one sentence is from another, and which words are most similar."""

import torch
from torch import Tensor

from textsem.text.batches import sentence_lengths, words_until_end
from textsem.text.tokenization import is_punctuation
from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, Vocabulary

__all__ = ["embedding_distance", "mean_vector_similarity", "most_similar_words", "nearest_neighbours", "word_mask"]

BLOCK = 4  # positions that are compared with all words at a time: most sentences end long before the last one


def embedding_distance(table: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """Return the L2 distance of embedded sentences, the norm of Eq. 6 (reading 20), pads as zero vectors.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        ids: One sentence, [length].
        others: Sentences, [candidates, length].

    Returns:
        [candidates].
    """
    difference = _embed(table, others) - _embed(table, ids)
    distance: Tensor = torch.linalg.vector_norm(difference, dim=(1, 2))
    return distance


def mean_vector_similarity(table: Tensor, ids: Tensor, others: Tensor) -> Tensor:
    """Return the cosine of the mean word vectors, in [-1, 1], [candidates]; arguments as ``embedding_distance``."""
    similarity: Tensor = torch.nn.functional.cosine_similarity(_mean(table, others), _mean(table, ids[None]), dim=-1)
    return similarity


def most_similar_words(table: Tensor, vectors: Tensor) -> Tensor:
    """Return the words with the highest cosine at each position, up to the end symbol, then pads.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        vectors: Unit-length vectors, [batch, length, embedding].

    Returns:
        Ids, [batch, length]; pad and start are never chosen.
    """
    B, L, _ = vectors.shape
    ids = torch.full((B, L), PAD_ID, device=vectors.device)
    is_open = torch.arange(B, device=vectors.device)
    for start in range(0, L, BLOCK):
        words = END_ID + (vectors[is_open, start : start + BLOCK] @ table[END_ID:].T).argmax(dim=-1)
        ids[is_open, start : start + BLOCK] = words
        is_open = is_open[~(words == END_ID).any(dim=-1)]
    return words_until_end(ids)


def word_mask(vocabulary: Vocabulary) -> Tensor:
    """Return which ids are words that an attack may bring or take, [vocab]: no special word and no punctuation."""
    words = vocabulary.words
    return torch.tensor([i >= len(SPECIAL_WORDS) and not is_punctuation(word) for i, word in enumerate(words)])


def nearest_neighbours(table: Tensor, ids: Tensor, *, is_allowed: Tensor, num_neighbours: int) -> Tensor:
    """Return the words closest to given ones by cosine, closest first.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        ids: Words, [words].
        is_allowed: Which words may be a neighbour, [vocab]; a word is never its own.
        num_neighbours: K, below the number of allowed words.

    Returns:
        Ids, [words, neighbours].
    """
    cosines = (table[ids] @ table.T).masked_fill(~is_allowed, -torch.inf)
    cosines[torch.arange(len(ids)), ids] = -torch.inf
    return cosines.topk(num_neighbours, dim=-1).indices


def _embed(table: Tensor, ids: Tensor) -> Tensor:
    return torch.where((ids != PAD_ID)[..., None], table[ids], 0.0)


def _mean(table: Tensor, ids: Tensor) -> Tensor:
    is_word = torch.arange(ids.shape[-1]) < sentence_lengths(ids)[:, None]
    vectors = torch.where(is_word[..., None], table[ids], 0.0)
    return vectors.sum(dim=1) / is_word.sum(dim=1, keepdim=True).clamp(min=1)
