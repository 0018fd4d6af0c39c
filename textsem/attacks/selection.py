"""Which candidates are worth a query.

Whatever can be settled without the target is settled here, so that no query is spent on a repetition, on the original
in other clothes, on an unknown word or on a sentence outside the gate of Eq. 6.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from textsem.attacks.candidates import Candidate, Constraint
from textsem.text.vocabulary import SPECIAL_WORDS

__all__ = ["CandidateLimits", "plain_form", "rank_candidates", "select_candidates"]

# Similarities that differ only in the last float bits (other batch mates, other BLAS kernels) must tie, and the text
# then decides: the order of the queries may depend on the pair alone.
SIMILARITY_DECIMALS = 5


@dataclass(frozen=True)
class CandidateLimits:
    """How far a candidate may be from its original.

    Args:
        eps: The gate of Eq. 6: largest L2 distance of the embedded hypotheses (word embeddings of unit length); None
            leaves the gate open.
        max_edits: Largest number of words replaced, inserted or deleted; None for any.
    """

    eps: float | None = None
    max_edits: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.eps is not None and not self.eps >= 0:
            raise ValueError(f"expected eps >= 0 or None, got {self.eps}")
        if self.max_edits is not None and self.max_edits < 0:
            raise ValueError(f"expected max_edits >= 0 or None, got {self.max_edits}")


def plain_form(text: str) -> str:
    """Return a sentence without case, space and punctuation: two sentences that share it differ in nothing that counts.

    Example:
        >>> plain_form("A T-shirt.") == plain_form("a t shirt")
        True
    """
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def rank_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort by closeness in meaning, closest first; ties by text."""
    return sorted(candidates, key=lambda c: (-round(c.similarity, SIMILARITY_DECIMALS), c.text))


def select_candidates(
    originals: Sequence[str],
    proposals: Sequence[Sequence[Candidate]],
    *,
    limits: CandidateLimits,
    constraints: Sequence[Constraint] = (),
) -> tuple[list[list[Candidate]], Counter[str]]:
    """Return, for each pair, what is worth a query, closest in meaning first.

    Args:
        originals: The unchanged hypothesis of each pair.
        proposals: The candidates of each pair, as the source gave them.
        limits: Gate and largest number of edits.
        constraints: Asked in this order, over all pairs at once, about what everything before has left.

    Returns:
        The ranked candidates of each pair; and how many were ``proposed``, how many each filter dropped (``unknown``,
        ``unchanged``, ``distance``, ``edits``, ``duplicate``, the name of a constraint) and how many were ``kept``.

    Raises:
        ValueError: If a distance or a similarity is no finite number, or a constraint does not answer for each row.
    """
    if len(originals) != len(proposals):
        raise ValueError(f"expected one list of candidates a pair, got {len(proposals)} for {len(originals)} pairs")
    counts: Counter[str] = Counter(proposed=sum(map(len, proposals)))
    kept = [_filter_pair(original, pair, limits, counts) for original, pair in zip(originals, proposals, strict=True)]
    for constraint in constraints:
        kept = _apply_constraint(constraint, originals, kept, counts)
    counts["kept"] += sum(map(len, kept))
    return kept, counts


def _filter_pair(
    original: str, candidates: Sequence[Candidate], limits: CandidateLimits, counts: Counter[str]
) -> list[Candidate]:
    """Rank one pair's candidates and drop what no query is needed for; of repetitions the highest ranked stays."""
    seen: set[str] = set()
    unchanged = plain_form(original)
    kept = []
    for candidate in candidates:
        if not (math.isfinite(candidate.distance) and math.isfinite(candidate.similarity)):
            raise ValueError(f"expected finite distance and similarity, got {candidate}")
    for candidate in rank_candidates(candidates):
        form = plain_form(candidate.text)
        if not set(SPECIAL_WORDS).isdisjoint(candidate.words):
            counts["unknown"] += 1
        elif form == unchanged:
            counts["unchanged"] += 1
        elif limits.eps is not None and candidate.distance > limits.eps:
            counts["distance"] += 1
        elif limits.max_edits is not None and candidate.edits > limits.max_edits:
            counts["edits"] += 1
        elif form in seen:
            counts["duplicate"] += 1
        else:
            seen.add(form)
            kept.append(candidate)
    return kept


def _apply_constraint(
    constraint: Constraint, originals: Sequence[str], kept: Sequence[Sequence[Candidate]], counts: Counter[str]
) -> list[list[Candidate]]:
    """Ask one constraint about the candidates of all pairs in one call."""
    rows = [(pair, candidate) for pair, candidates in enumerate(kept) for candidate in candidates]
    left: list[list[Candidate]] = [[] for _ in kept]
    if not rows:
        return left
    answers = constraint.accepts([originals[pair] for pair, _ in rows], [candidate.text for _, candidate in rows])
    if len(answers) != len(rows):
        raise ValueError(f"expected {len(rows)} answers of constraint {constraint.name}, got {len(answers)}")
    for (pair, candidate), accepted in zip(rows, answers, strict=True):
        if accepted:
            left[pair].append(candidate)
        else:
            counts[constraint.name] += 1
    return left
