"""A model whose decoder makes no mistake, an encoder that knows equal from other, and runs of made-up pairs."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tests.builders import TINY_CONFIG, TINY_WORDS
from tests.evaluation.judged import FLIP, judged
from textsem.evaluation.decoder_runs import JudgedPairs
from textsem.evaluation.judging import Jury
from textsem.evaluation.validity import ValidityThresholds
from textsem.model import TextAdversary
from textsem.protocols import GenerationConfig
from textsem.targets.callable import CallableTarget
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import Vocabulary

OTHER = 0.25  # similarity of two sentences that are not the same
CORPUS = [["a", "man", "sleeps", "."], ["the", "dog", "runs"], ["a", "dog", "sleeps", "in", "the", "park", "."]]
STRAIGHT_CONFIG = replace(
    TINY_CONFIG,
    particle=replace(TINY_CONFIG.particle, is_spherical=False),
    particle_adv=replace(TINY_CONFIG.particle_adv, is_spherical=False),
)


class MirrorAdversary(TextAdversary):
    """A code is the row of ids, and is decoded into it; E' puts ``moves`` (place: word) in its place."""

    def __init__(self, **moves: str) -> None:
        super().__init__(STRAIGHT_CONFIG, Vocabulary(TINY_WORDS))
        self.moves = {int(place.removeprefix("at_")): self.vocabulary.ids[word] for place, word in moves.items()}
        with torch.no_grad():
            self.embedding.copy_(torch.randn(self.embedding.shape, generator=torch.Generator().manual_seed(0)))
        self.eval()

    def features(self, ids: Tensor) -> Tensor:
        return ids.float()

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        return features.expand(len(theta), -1, -1)

    def perturb(self, codes: Tensor, features: Tensor, theta_adv: Tensor, labels: Tensor | None = None) -> Tensor:
        moved = codes.clone()
        for place, word in self.moves.items():
            moved[..., place] = word
        return moved

    def position_vectors(self, codes: Tensor, ids: Tensor) -> Tensor:
        return self.embedding_table()[codes.round().long()]

    def decode_ids(
        self,
        codes: Tensor,
        *,
        config: GenerationConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return codes.round().long().clamp(0, self.vocabulary.size - 1)


class EqualityEncoder:
    """Gives 1 to equal sentences and ``OTHER`` to all others."""

    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        return torch.tensor([1.0 if a == b else OTHER for a, b in zip(originals, candidates, strict=True)])


def small_trigram() -> TrigramLanguageModel:
    return TrigramLanguageModel.fit(CORPUS, vocabulary=Vocabulary(TINY_WORDS), min_word_count=1)


def small_jury() -> Jury:
    """Return a jury whose judges are those of ``ten_lines``; nobody asks them."""
    target = CallableTarget(lambda pairs: ["neutral"] * len(pairs))
    judges = {"first": target, "second": target}
    return Jury(judges, EqualityEncoder(), small_trigram(), ValidityThresholds(), {"judges": {}})


def many_pairs(num_pairs: int, *, hypothesis: str = "A man sleeps.") -> JudgedPairs:
    """Return pairs the target had right: every third one falls validly, every third one not validly."""
    lines = []
    for i in range(num_pairs):
        flip = replace(FLIP, index=i, hypothesis=hypothesis, adversarial=f"A woman sleeps number{i}.")
        if i % 3 == 2:
            flip = replace(flip, status="failed", adversarial=None, adversarial_prediction=None)
        lines.append((flip, replace(judged(similarity=(0.9, 0.5, 0.9)[i % 3]), index=i)))
    return [result for result, _ in lines], [judgement for _, judgement in lines]
