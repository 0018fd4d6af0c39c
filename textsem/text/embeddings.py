"""Word vectors from co-occurrence: the start of the embedding table, before the autoencoder trains it."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textsem.text.vocabulary import END_ID, START_ID, UNKNOWN_ID, Vocabulary

__all__ = ["cooccurrence_embeddings", "random_embeddings"]

WINDOW = (-2, -1, 1, 2)
SMALLEST_NORM = 1e-6  # a word that never occurs has a row of zeros, up to rounding
CONTEXT_POWER = 0.75  # Levy, Goldberg & Dagan 2015, Sec. 3.2: smooths the context distribution


def random_embeddings(vocab_size: int, dim: int, *, generator: torch.Generator) -> Tensor:
    """Draw unit-length rows, uniform on the sphere, [vocab, embedding]."""
    return torch.nn.functional.normalize(torch.randn(vocab_size, dim, generator=generator), dim=-1)


def cooccurrence_embeddings(
    sentences: Iterable[Sequence[str]], *, vocabulary: Vocabulary, dim: int, generator: torch.Generator
) -> Tensor:
    """Factorise the positive pointwise mutual information of words and their neighbours at four offsets.

        ppmi(w, c) = max(0, log p(w, c) / (p(w) p(c)^0.75)),  table = U sqrt(S) of its truncated SVD

    Contexts are (word, offset) pairs with offsets -2, -1, 1, 2, so that words come close which can stand for one
    another in a sentence.  Levy & Goldberg 2014; the square root and the power 0.75 are those of Levy, Goldberg &
    Dagan 2015.

    Args:
        sentences: Words of each sentence.
        vocabulary: Words and ids.
        dim: Columns of the table.
        generator: Rows of words that never occur, and the seed of the randomised SVD.

    Returns:
        Unit-length rows, [vocab, embedding], float32.

    Raises:
        ValueError: If there is no sentence, or if ``dim`` is above the number of ids.
    """
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    V = vocabulary.size
    if dim > V:
        raise ValueError(f"expected dim of at most {V}, one for each id, got {dim}")
    counts = _count_contexts(sentences, vocabulary)
    total = counts.sum()
    if not total:
        raise ValueError("expected at least one sentence, got none")
    word = np.asarray(counts.sum(axis=1)).ravel()
    context = np.asarray(counts.sum(axis=0)).ravel() ** CONTEXT_POWER
    context *= total / context.sum()
    coo = counts.tocoo()
    pmi = np.log(coo.data * total / (word[coo.row] * context[coo.col]))
    keep = pmi > 0
    ppmi = csr_matrix((pmi[keep], (coo.row[keep], coo.col[keep])), shape=(V, V * len(WINDOW)))
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    U, S, _ = randomized_svd(ppmi, n_components=dim, random_state=seed)
    table = torch.from_numpy(U * np.sqrt(S)).float()
    never_seen = table.norm(dim=-1) < SMALLEST_NORM
    never_seen[[END_ID, UNKNOWN_ID]] = True  # these two stand for no word: any direction of their own will do
    table = torch.where(never_seen[:, None], random_embeddings(V, dim, generator=generator), table)
    return torch.nn.functional.normalize(table, dim=-1)


def _count_contexts(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> Any:
    """Count how often each word has each word at each offset; sparse [vocab, offsets * vocab]."""
    from scipy.sparse import coo_matrix

    V = vocabulary.size
    rows: list[np.ndarray] = []
    cols: list[np.ndarray] = []
    gap = [0, 0]  # two pads between sentences: windows never cross a border
    stream = np.array([i for s in sentences for i in (*gap, START_ID, *vocabulary.encode(s), END_ID)] + gap)
    for k, offset in enumerate(WINDOW):
        here = np.arange(2, len(stream) - 2)
        there = stream[here + offset]
        is_pair = (stream[here] != 0) & (there != 0)
        rows.append(stream[here][is_pair])
        cols.append(there[is_pair] + k * V)
    r, c = np.concatenate(rows), np.concatenate(cols)
    return coo_matrix((np.ones(len(r)), (r, c)), shape=(V, V * len(WINDOW))).tocsr()
