"""Closeness in meaning: the cosine of the two sentences' vectors."""

from textsem.constraints.conjunction import Composable
from textsem.constraints.sentence_encoder import SentenceEncoder
from textsem.protocols import CandidateRows

__all__ = ["SimilarityConstraint"]


class SimilarityConstraint(Composable):
    """Refuse a candidate whose meaning is too far from its original's; implements ``Constraint`` and ``Ranker``.

        accept when  cos(e(x'), e(x)) >= min_similarity

    METHOD section 6 counts meaning as kept from 0.80 on.

    Args:
        encoder: What turns a sentence into a vector; the ranker and the report may share it and its memory.
        min_similarity: Smallest cosine accepted, in [-1, 1].

    Raises:
        ValueError: If ``min_similarity`` is no cosine.
    """

    name = "similarity"

    def __init__(self, encoder: SentenceEncoder, *, min_similarity: float = 0.80) -> None:
        if not -1.0 <= min_similarity <= 1.0:
            raise ValueError(f"expected min_similarity between -1 and 1, got {min_similarity}")
        self.encoder = encoder
        self.min_similarity = min_similarity

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: is the candidate close enough to its original?"""
        return [score >= self.min_similarity for score in self.scores(rows)]

    def scores(self, rows: CandidateRows) -> list[float]:
        """Return the cosine of original and candidate, one a row."""
        scores: list[float] = self.encoder.similarity(rows.originals, rows.candidates).tolist()
        return scores
