"""Well-formedness by a language model: the new sentence must not be much less likely than the old one."""

import math

import numpy as np

from textsem.constraints.conjunction import Composable
from textsem.protocols import CandidateRows
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize

__all__ = ["FluencyConstraint"]


class FluencyConstraint(Composable):
    """Refuse a candidate whose perplexity is too far above its original's; implements ``Constraint`` and ``Ranker``.

        accept when  perplexity(x') <= max_ratio * perplexity(x)

    METHOD section 6 counts a sentence as well formed up to a ratio of 2.

    Args:
        language_model: Word trigram.
        max_ratio: Largest ratio accepted, above 0.

    Raises:
        ValueError: If the ratio is not positive.
    """

    name = "fluency"

    def __init__(self, language_model: TrigramLanguageModel, *, max_ratio: float = 2.0) -> None:
        if max_ratio <= 0:
            raise ValueError(f"expected max_ratio above 0, got {max_ratio}")
        self.language_model = language_model
        self.max_ratio = max_ratio

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: is the candidate fluent enough beside its original?"""
        limit = -math.log(self.max_ratio)
        return [score >= limit for score in self.scores(rows)]

    def scores(self, rows: CandidateRows) -> list[float]:
        """Return log perplexity of the original minus that of the candidate, nats a word, one a row."""
        if not len(rows):
            return []
        distinct = list(dict.fromkeys(rows.originals))
        before = np.log(self.language_model.perplexity([tokenize(text).words for text in distinct]))
        own = dict(zip(distinct, before.tolist(), strict=True))
        after = np.log(self.language_model.perplexity([tokenize(text).words for text in rows.candidates])).tolist()
        return [own[original] - value for original, value in zip(rows.originals, after, strict=True)]
