"""Candidates, the source that proposes them, and the seed that makes a pair's candidates its own."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Candidate", "CandidateSource", "pair_seed"]


@dataclass(frozen=True)
class Candidate:
    """One perturbed hypothesis.

    Args:
        text: The sentence that would be sent to the target, letter for letter.
        words: Its lower-cased tokens; a word that has no surface is one of ``SPECIAL_WORDS``.
        distance: L2 distance of the embedded hypotheses, the norm of Eq. 6's gate.
        edits: Words replaced, inserted or deleted, punctuation apart.
        similarity: Cosine of old and new hypothesis; the higher, the closer in meaning.
    """

    text: str
    words: tuple[str, ...]
    distance: float
    edits: int
    similarity: float


@runtime_checkable
class CandidateSource(Protocol):
    """Anything that proposes perturbed hypotheses: the manifold, or one of its controls."""

    name: str

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or the reason why this hypothesis cannot be attacked (longer than the model takes)."""
        ...

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        """Return at most ``num_candidates`` candidates for each pair, in any order.

        What a pair gets depends on its own hypothesis, label and seed, never on the other rows.
        """
        ...


def pair_seed(seed: int, premise: str, hypothesis: str, label: str) -> int:
    """Return the seed of one pair, from 0 to 2^63 - 1: a hash of the run's seed and of the pair, of nothing else.

    The same pair gets the same seed wherever it stands in the data, in whichever process.
    """
    key = json.dumps([seed, premise, hypothesis, label], ensure_ascii=True).encode("ascii")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1
