"""Moved codes back to sentences that differ from the original in a few words and no more."""

import torch
from torch import Tensor

from textsem.text.batches import sentence_lengths, words_until_end
from textsem.text.half_products import half_product, to_halves
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID

__all__ = ["decode_few_edits"]

EXTRA_POSITIONS = 2  # a decoded sentence may be this many words longer than its original
BLOCK = 64  # positions compared at a time: their cosines with 11,000 words stay in the processor's cache


def decode_few_edits(table: Tensor, vectors: Tensor, ids: Tensor, max_edits: Tensor) -> Tensor:
    """Choose words by similarity, but leave the original's word wherever the code does not insist on another.

        gap_i = max_w cos(v_i, e_w) - cos(v_i, e_{x_i});   word i changes if gap_i is among the largest ``max_edits``

    A code that was moved far changes a word here that it meant to change, and others there because they have come
    loose; the gap tells them apart.  A sentence of another length than the original's has no such places: it is taken
    as it was decoded.  One without an end, up to two words beyond the original's, counts as being of its length.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        vectors: Position vectors of the moved codes, [candidates, length, embedding].
        ids: The original, [length].
        max_edits: Most words that each candidate may replace, [candidates].

    Returns:
        Ids, pads after the end, [candidates, length].
    """
    L = len(ids)
    num_words = int(sentence_lengths(ids))
    seen = min(num_words + 1 + EXTRA_POSITIONS, L)
    words = END_ID + _most_similar(table[END_ID:], vectors[:, :seen])
    decoded = torch.full((len(vectors), L), PAD_ID)
    decoded[:, :seen] = words
    lengths = sentence_lengths(decoded)
    is_finished = (words == END_ID).any(dim=-1)

    words, own = words[:, :num_words], ids[:num_words]
    gap = (vectors[:, :num_words] * (table[words] - table[own])).sum(dim=-1)
    is_word = (words != END_ID) & (words != UNKNOWN_ID)
    gap = torch.where(is_word, gap, 0.0)
    rank = gap.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    is_changed = (gap > 0) & (rank < max_edits[:, None])
    few = ids.expand(len(vectors), -1).clone()
    few[:, :num_words] = torch.where(is_changed, words, own)
    has_other_length = is_finished & (lengths != num_words)
    return torch.where(has_other_length[:, None], words_until_end(decoded), few)


def _most_similar(table: Tensor, vectors: Tensor) -> Tensor:
    """Return the row of ``table`` with the highest cosine for each of ``vectors`` [..., embedding], [...].

    In bfloat16: ties, within its 8 bits, go to the more frequent word; the gaps between words are then taken in full.
    numpy finds a maximum several times faster than torch does on a processor.
    """
    words = to_halves(table.T)
    rows = torch.split(to_halves(vectors.flatten(0, -2)), BLOCK)
    best = torch.cat([torch.from_numpy(half_product(part, words).numpy().argmax(axis=-1)) for part in rows])
    return best.reshape(vectors.shape[:-1])
