"""A target and a source that answer from hashes of their input: no model, no state, the same everywhere."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.text.labels import GOLD_NAMES

LABEL_NAMES = ("entailment", "neutral", "contradiction")
NEW_WORDS = [f"word{i}" for i in range(40)]


def digest(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:6], "big")


def candidate(text: str, *, similarity: float = 0.9, distance: float = 1.0, edits: int = 1) -> Candidate:
    return Candidate(text, tuple(text.lower().split()), distance, edits, similarity)


@dataclass(frozen=True)
class FakeData:
    premises: Sequence[str]
    hypotheses: Sequence[str]
    labels: Sequence[int]
    problems: Mapping[int, str] = field(default_factory=dict)

    def chunks(self, size: int) -> Iterator["FakeChunk"]:
        for start in range(0, len(self.premises), size):
            part = slice(start, start + size)
            problems = {i - start: text for i, text in self.problems.items() if start <= i < start + size}
            labels = [GOLD_NAMES[label] for label in self.labels[part]]
            yield FakeChunk(start, self.premises[part], self.hypotheses[part], labels, problems)


@dataclass(frozen=True)
class FakeChunk:
    start: int
    premises: Sequence[str]
    hypotheses: Sequence[str]
    labels: Sequence[str | None]
    problems: Mapping[int, str] = field(default_factory=dict)


class FakeTarget:
    """Gives each premise its own class, and leaves that class for about one hypothesis in ``flip_one_in``."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self, *, flip_one_in: int = 12, is_label_only: bool = False) -> None:
        self.flip_one_in = flip_one_in
        self.is_label_only = is_label_only
        self.batches: list[list[tuple[str, str]]] = []

    @property
    def rows(self) -> list[tuple[str, str]]:
        return [row for batch in self.batches for row in batch]

    def answer(self, premise: str, hypothesis: str) -> list[float]:
        is_flipped = "word" in hypothesis and digest(premise, hypothesis) % self.flip_one_in == 0
        chosen = (digest(premise) + is_flipped) % 3
        confidence = 1.0 if self.is_label_only else 0.5 + 0.49 * (digest("confidence", hypothesis) % 1000) / 1000
        probabilities = [(1 - confidence) / 2] * 3
        probabilities[chosen] = confidence
        return probabilities

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        rows = list(zip(premises, hypotheses, strict=True))
        self.batches.append(rows)
        return torch.tensor([self.answer(*row) for row in rows], dtype=torch.float32).reshape(len(rows), 3)


class FakeSource:
    """Replaces one or two words; some proposals are repeated, unchanged, unknown or far away."""

    name = "fake"

    def supports(self, hypothesis: str) -> str | None:
        num_words = len(hypothesis.split())
        return None if num_words <= 8 else f"expected at most 8 words, got {num_words}"

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        rows = zip(hypotheses, seeds, strict=True)
        return [self._propose_one(hypothesis, random.Random(seed), num_candidates) for hypothesis, seed in rows]

    def _propose_one(self, hypothesis: str, rng: random.Random, num_candidates: int) -> list[Candidate]:
        proposals = []
        for _ in range(num_candidates):
            words = hypothesis.split()
            for position in rng.sample(range(len(words)), k=min(len(words), rng.randint(1, 2))):
                words[position] = rng.choice([*NEW_WORDS, words[position].upper(), "<unknown>"])
            edits = sum(a != b for a, b in zip(words, hypothesis.split(), strict=True))
            similarity, distance = round(rng.random(), 2), 3 * rng.random()
            proposals.append(candidate(" ".join(words), similarity=similarity, distance=distance, edits=edits))
        return proposals


def fake_data(num_pairs: int) -> FakeData:
    """Return pairs of which the target has about three quarters right, one in ten too long for the source."""
    premises = [f"premise number {i}" for i in range(num_pairs)]
    hypotheses = [f"A man number {i} sleeps" + " on" * (8 if i % 10 == 3 else i % 3) for i in range(num_pairs)]
    labels = [(digest(premise) + (i % 4 == 1)) % 3 for i, premise in enumerate(premises)]
    return FakeData(premises, hypotheses, labels)
