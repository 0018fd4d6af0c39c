"""Sentences as rows of ids: words, one end symbol, pads."""

from collections.abc import Sequence

import torch
from torch import Tensor

from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary

__all__ = ["drop_words", "encode_sentences", "sentence_lengths", "words_until_end"]


def encode_sentences(sentences: Sequence[Sequence[str]], *, vocabulary: Vocabulary, max_length: int) -> Tensor:
    """Return ids [batch, max_length + 1]: the words, the end symbol, pads.

    Raises:
        ValueError: If a sentence has more than ``max_length`` words.
    """
    ids = torch.full((len(sentences), max_length + 1), PAD_ID, dtype=torch.int64)
    for row, words in enumerate(sentences):
        if len(words) > max_length:
            raise ValueError(f"expected at most {max_length} words and punctuation marks, got {len(words)}")
        ids[row, : len(words) + 1] = torch.tensor([*vocabulary.encode(words), END_ID])
    return ids


def sentence_lengths(ids: Tensor) -> Tensor:
    """Return the number of positions before the first end symbol (all of them where there is none), [...]."""
    before_end = (ids == END_ID).cumsum(dim=-1) == 0
    return before_end.sum(dim=-1)


def words_until_end(ids: Tensor) -> Tensor:
    """Turn whatever stands after the first end symbol into pads, [..., length]; decoders may write anything there."""
    after_end = (ids == END_ID).cumsum(dim=-1) - (ids == END_ID).long() > 0
    return ids.masked_fill(after_end, PAD_ID)


def drop_words(ids: Tensor, *, rate: float, generator: torch.Generator) -> Tensor:
    """Replace a share of the words by the unknown word, [..., length]; end symbols and pads stay.

    Bowman et al. 2016 (arXiv:1511.06349), Sec. 3.1: a decoder that sees all words before a position would write
    sentences without the code.
    """
    if not rate:
        return ids
    is_dropped = (torch.rand(ids.shape, generator=generator) < rate).to(ids.device)
    return torch.where(is_dropped & (ids > END_ID), UNKNOWN_ID, ids)
