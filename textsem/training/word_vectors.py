"""Word vectors from the training sentences alone: factorised co-occurrence, a start for small training sets."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import PAD_ID, UNKNOWN_ID, Vocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["co_occurrence_vectors"]

_WINDOW = 5
_DENSE_LIMIT = 1_000  # up to here LAPACK is quick, and repeated singular values, which upset Lanczos, do no harm
_SMOOTHING = 0.75  # of context counts, which keeps rare words from dominating (Levy et al. 2015)


def co_occurrence_vectors(sentences: Iterable[str], vocabulary: Vocabulary, *, embedding_dim: int) -> Tensor:
    """Factorise the positive pointwise mutual information of words and their neighbours.

        PPMI_wc = max(0, log p(w, c) / (p(w) p(c))),    PPMI ~ U S V^T,    vectors = U S^(1/2)

    Levy, Goldberg & Dagan 2015 (TACL 3), Sections 2.1 and 3.  Neighbours up to five words away count with weight
    1 / distance; context probabilities are smoothed with power 0.75.

    Args:
        sentences: Text; a sentence that comes twice counts once.
        vocabulary: The words that get a vector.
        embedding_dim: Rank of the factorisation.

    Returns:
        Vectors [words, embedding]; zero for pad, start and end and for a word that has no neighbours.

    Raises:
        ValueError: If the vocabulary is too small for ``embedding_dim`` factors.
    """
    from scipy.sparse import coo_matrix, csr_matrix

    V = vocabulary.size
    if embedding_dim >= V:
        raise ValueError(f"expected fewer factors than the {V} ids of the vocabulary, got {embedding_dim}")
    gap = [PAD_ID] * _WINDOW
    ids = np.array([i for sentence in dict.fromkeys(sentences) for i in (*_encode(sentence, vocabulary), *gap)])
    counts = csr_matrix((V, V), dtype=np.float64)
    for distance in range(1, _WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        is_pair = (left >= UNKNOWN_ID) & (right >= UNKNOWN_ID)
        weights = np.full(int(is_pair.sum()), 1.0 / distance)
        found = coo_matrix((weights, (left[is_pair], right[is_pair])), shape=(V, V)).tocsr()
        counts = counts + found + found.T
    word_counts = np.asarray(counts.sum(axis=1)).ravel()
    context = word_counts**_SMOOTHING
    context /= context.sum()
    cells = counts.tocoo()
    pmi = np.log(cells.data / (word_counts[cells.row] * context[cells.col]))
    ppmi = csr_matrix((np.maximum(pmi, 0.0), (cells.row, cells.col)), shape=(V, V))
    factors, values = _largest_factors(ppmi, embedding_dim)
    return torch.from_numpy(np.ascontiguousarray(factors * np.sqrt(values))).float()


def _largest_factors(matrix: "csr_matrix", rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return left singular vectors [rows, rank] and their values, the same in every run."""
    from scipy.sparse.linalg import svds

    if matrix.shape[0] <= _DENSE_LIMIT:
        factors, values, _ = np.linalg.svd(matrix.toarray())
        return factors[:, :rank], values[:rank]
    # Fixed: the iteration's random start would make the vectors differ from run to run.
    start = np.full(matrix.shape[0], matrix.shape[0] ** -0.5)
    factors, values, _ = svds(matrix, k=rank, v0=start)
    return factors, values


def _encode(sentence: str, vocabulary: Vocabulary) -> list[int]:
    return vocabulary.encode(tokenize(sentence).words)
