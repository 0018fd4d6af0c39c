"""Which candidates are worth a query.

Whatever can be settled without the target is settled here, so that no query is spent on a repetition, on the original
in other clothes, on an unknown word or on a sentence outside the gate of Eq. 6.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from textsem.attacks.candidates import Candidate
from textsem.protocols import CandidateRows, Constraint, Ranker
from textsem.text.vocabulary import SPECIAL_WORDS

__all__ = ["CandidateLimits", "Shortlist", "Step", "plain_form", "rank_candidates", "select_candidates"]

# Similarities that differ only in the last float bits (other batch mates, other BLAS kernels) must tie, and the text
# then decides: the order of the queries may depend on the pair alone.
SIMILARITY_DECIMALS = 5

Answer = TypeVar("Answer", bool, float)


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


@dataclass(frozen=True)
class Shortlist:
    """Keep the most promising candidates of each pair: what comes after may be dear.

    Args:
        ranker: Whose scores decide, highest first; ties stay as they are.
        size: Most candidates of a pair that are kept.
    """

    ranker: Ranker
    size: int
    name: str = "shortlist"

    def __post_init__(self) -> None:
        """Check the size."""
        if self.size < 1:
            raise ValueError(f"expected a shortlist of at least one candidate, got {self.size}")


Step = Constraint | Shortlist


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
    premises: Sequence[str],
    originals: Sequence[str],
    labels: Sequence[int],
    proposals: Sequence[Sequence[Candidate]],
    *,
    limits: CandidateLimits,
    constraints: Sequence[Step] = (),
    ranker: Ranker | None = None,
) -> tuple[list[list[Candidate]], Counter[str]]:
    """Return, for each pair, what is worth a query, closest in meaning first.

    Args:
        premises: The premise of each pair.
        originals: The unchanged hypothesis of each pair.
        labels: The label of each pair.
        proposals: The candidates of each pair, as the source gave them.
        limits: Gate and largest number of edits.
        constraints: Asked in this order, over all pairs at once, about what everything before has left; a shortlist
            among them keeps the best of each pair and drops the rest.
        ranker: Orders what is left, highest score first; None for the candidates' own similarity.

    Returns:
        The ranked candidates of each pair; and how many were ``proposed``, how many each filter dropped (``unknown``,
        ``unchanged``, ``distance``, ``edits``, ``duplicate``, the name of a constraint) and how many were ``kept``.

    Raises:
        ValueError: If a distance, a similarity or a score is no finite number, or a constraint or the ranker does not
            answer for each row.
    """
    sizes = [len(premises), len(originals), len(labels), len(proposals)]
    if len(set(sizes)) != 1:
        raise ValueError(f"expected a premise, a hypothesis, a label and a list of candidates a pair, got {sizes}")
    counts: Counter[str] = Counter(proposed=sum(map(len, proposals)))
    kept = [_filter_pair(original, pair, limits, counts) for original, pair in zip(originals, proposals, strict=True)]
    for step in constraints:
        rows = _as_rows(premises, originals, labels, kept)
        if isinstance(step, Shortlist):
            kept = [ranked[: step.size] for ranked in _rerank(step.ranker, kept, rows)]
            counts[step.name] += len(rows) - sum(map(len, kept))
        else:
            kept = _apply_constraint(step, kept, rows, counts)
    if ranker is not None:
        kept = _rerank(ranker, kept, _as_rows(premises, originals, labels, kept))
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


def _as_rows(
    premises: Sequence[str], originals: Sequence[str], labels: Sequence[int], kept: Sequence[Sequence[Candidate]]
) -> CandidateRows:
    """Return all candidates of all pairs, one a row, pair by pair."""
    pairs = [pair for pair, candidates in enumerate(kept) for _ in candidates]
    return CandidateRows(
        [premises[pair] for pair in pairs],
        [originals[pair] for pair in pairs],
        [candidate.text for candidates in kept for candidate in candidates],
        [labels[pair] for pair in pairs],
    )


def _apply_constraint(
    constraint: Constraint, kept: Sequence[Sequence[Candidate]], rows: CandidateRows, counts: Counter[str]
) -> list[list[Candidate]]:
    """Ask one constraint about the candidates of all pairs in one call."""
    answers = _answers(constraint.name, constraint.accepts(rows) if len(rows) else [], len(rows))
    counts[constraint.name] += sum(not accepted for accepted in answers)
    remaining = iter(answers)
    return [[candidate for candidate in candidates if next(remaining)] for candidates in kept]


def _rerank(ranker: Ranker, kept: Sequence[Sequence[Candidate]], rows: CandidateRows) -> list[list[Candidate]]:
    """Sort each pair's candidates by the ranker's scores, asked for in one call; ties stay as they are."""
    scores = _answers(ranker.name, ranker.scores(rows) if len(rows) else [], len(rows))
    if not all(math.isfinite(score) for score in scores):
        raise ValueError(f"expected finite scores of ranker {ranker.name}, got {min(scores)} to {max(scores)}")
    remaining = iter(scores)
    rounded = [[round(next(remaining), SIMILARITY_DECIMALS) for _ in candidates] for candidates in kept]
    orders = [sorted(range(len(own)), key=lambda i, own=own: -own[i]) for own in rounded]  # type: ignore[misc]
    return [[candidates[i] for i in order] for candidates, order in zip(kept, orders, strict=True)]


def _answers(name: str, answers: Sequence[Answer], num_rows: int) -> Sequence[Answer]:
    if len(answers) != num_rows:
        raise ValueError(f"expected {num_rows} answers of {name}, got {len(answers)}")
    return answers
