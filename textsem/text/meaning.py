"""A sentence encoder distilled into word vectors: what a sentence means, to a first approximation, for one sum.

    s(x) ~ sum_i u_{x_i} / n,   U = argmin sum_x |s(x) - sum_i u_{x_i} / n|^2 + ridge |U|^2

s is the encoder's sentence vector.  A word that hardly moves the vector has a short u, so that importance comes along.
It orders thousands of candidates before the encoder itself is asked about the few that are left.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from textsem.text.vocabulary import UNKNOWN_ID, Vocabulary

__all__ = ["MEANING_FILE", "MeaningTable", "main_directions"]

MEANING_FILE = "meaning.safetensors"


class MeaningTable:
    """Compare sentences by the cosine of their summed word vectors.

    Args:
        vectors: u, [vocab, meaning]; those of pad, start and end are zero.

    Raises:
        ValueError: If ``vectors`` is no matrix.
    """

    def __init__(self, vectors: Tensor) -> None:
        if vectors.ndim != 2:
            raise ValueError(f"expected vectors [vocab, meaning], got {list(vectors.shape)}")
        self.vectors = vectors.detach().float().clone()
        self.vectors[:UNKNOWN_ID] = 0.0

    @classmethod
    def fit(
        cls,
        sentences: Sequence[Sequence[str]],
        embeddings: Tensor,
        *,
        vocabulary: Vocabulary,
        dim: int = 128,
        ridge: float = 0.02,
    ) -> "MeaningTable":
        """Solve for the word vectors, in the ``dim`` directions in which the sentence vectors vary most.

        Args:
            sentences: Words of each sentence; single words among them say something about words that are rare.
            embeddings: The encoder's vector of each sentence, [sentences, embedding].
            vocabulary: Words and ids; other words count as unknown.
            dim: Meaning dimensions, at most the encoder's.
            ridge: Weight of the penalty.

        Raises:
            ValueError: If there is not one vector a sentence, or ``dim`` is larger than they are wide.
        """
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import Ridge

        if len(sentences) != len(embeddings) or not 1 <= dim <= embeddings.shape[1]:
            raise ValueError(
                f"expected one vector a sentence, at least {dim} wide, got {list(embeddings.shape)} "
                f"for {len(sentences)} sentences"
            )
        rows = [vocabulary.encode(words) for words in sentences]
        entries = [(1 / len(ids), i, word) for i, ids in enumerate(rows) for word in ids]
        weights, places, words = zip(*entries, strict=True)
        bags = csr_matrix((weights, (places, words)), shape=(len(rows), vocabulary.size))
        regression = Ridge(alpha=ridge, fit_intercept=False, solver="sparse_cg", tol=1e-3)
        regression.fit(bags, (embeddings @ main_directions(embeddings, dim)).numpy())
        return cls(torch.from_numpy(regression.coef_.T.copy()))

    def similarity(self, ids: Tensor, others: Tensor) -> Tensor:
        """Return the cosine of one sentence [length] with others [candidates, length], in [-1, 1], [candidates]."""
        cosine: Tensor = torch.nn.functional.cosine_similarity(self.sums(others), self.sums(ids[None]), dim=-1)
        return cosine

    def sums(self, ids: Tensor) -> Tensor:
        """Return the summed word vectors of sentences [batch, length], pads after the end, [batch, meaning]."""
        # embedding_bag adds up without laying out [batch, length, meaning]; pad, start and end add nothing.
        return torch.nn.functional.embedding_bag(ids, self.vectors, mode="sum")

    def save(self, folder: str | Path) -> None:
        """Write ``meaning.safetensors`` (float16) into ``folder``."""
        save_file({"vectors": self.vectors.half().contiguous()}, Path(folder) / MEANING_FILE)

    @classmethod
    def load(cls, folder: str | Path) -> "MeaningTable":
        """Read what ``save`` wrote."""
        tensors = load_file(Path(folder) / MEANING_FILE)
        if set(tensors) != {"vectors"}:
            raise ValueError(f"expected vectors in {MEANING_FILE}, got {sorted(tensors)}")
        return cls(tensors["vectors"])


def main_directions(embeddings: Tensor, dim: int) -> Tensor:
    """Return the ``dim`` orthonormal directions, [embedding, dim], in which ``embeddings`` [sentences, embedding] vary.

    Not centred: cosines are taken of the vectors themselves.
    """
    directions: Tensor = torch.linalg.svd(embeddings.T @ embeddings)[0]
    return directions[:, :dim]
