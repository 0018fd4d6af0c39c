"""Smoothness of an adversary's codes, moved by E' and by its controls: the very directions of the attack."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.attacks.candidates import pair_seed
from textsem.attacks.manifold import ManifoldConfig
from textsem.evaluation.smoothness import Smoothness, measure_smoothness
from textsem.latent.moves import DIRECTIONS, CodeBatch, local_neighbours, pair_noise, unit
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize

__all__ = ["SOURCES", "code_batch", "measure_sources", "median_interval", "short_sentences"]

SOURCES = ("adversarial", "cone", "basis", "clean", "isotropic")
NORMAL_97_5 = 1.959963984540054  # quantile of the standard normal for a two-sided 95%


@dataclass(frozen=True)
class _Decoder:
    """Greedy decoding into the words of the judge, of codes put back where the model's codes live."""

    model: TextAdversary
    word_ids: Tensor

    def __call__(self, codes: Tensor) -> Tensor:
        particle = self.model.config.particle
        if particle.is_spherical:
            codes = math.sqrt(particle.out_dim) * unit(codes)
        return self.word_ids[self.model.decode_ids(codes)]


def short_sentences(hypotheses: Sequence[str], *, max_words: int, num_sentences: int) -> list[str]:
    """Return the first different sentences of 1 to ``max_words`` words and punctuation marks."""
    fitting = (text for text in dict.fromkeys(hypotheses) if 0 < len(tokenize(text).words) <= max_words)
    return [text for text, _ in zip(fitting, range(num_sentences), strict=False)]


@torch.no_grad()
def measure_sources(
    model: TextAdversary,
    hypotheses: Sequence[str],
    *,
    language_model: TrigramLanguageModel,
    word_embeddings: Tensor,
    num_particles: int,
    seed: int,
    labels: Sequence[int] | None = None,
    sources: Sequence[str] = SOURCES,
    noise_weight: float = 3.0,
    scales: Tensor | None = None,
) -> dict[str, Smoothness]:
    """Measure how well sentences read whose codes each source has moved until 1 to 3 words change.

    All sources start from the same codes, one particle a sentence (Eq. 3), draw from the same noise, and walk on the
    same grid of scales.  As in ``move_codes``, only what is tangent to the sphere through a code counts, and codes
    that live on a sphere are put back onto it; other codes move straight on.

    Args:
        model: The adversary, or the plain autoencoder, in evaluation mode.
        hypotheses: Sentences that the model takes.
        language_model: Judges the sentences; words of the model that it does not have become the unknown word, so
            that one judge serves models of different vocabularies.
        word_embeddings: One row for each id of the judge's vocabulary; similarity is taken between these.
        num_particles: M.
        seed: Draws the particles, and with each sentence its own noise.
        labels: y of each sentence, for an E' that is told it.
        sources: Keys of ``DIRECTIONS``.
        noise_weight: Length of the noise that is added to E', in units of its move; 0 is E' alone.
        scales: Ascending positive scales; ``geometric_scales()`` if None.

    Raises:
        ValueError: If a source is unknown, or a sentence is too long.
    """
    unknown = [name for name in sources if name not in DIRECTIONS]
    if unknown:
        raise ValueError(f"expected sources in {sorted(DIRECTIONS)}, got {unknown}")
    batch = code_batch(
        model, hypotheses, num_particles=num_particles, seed=seed, noise_weight=noise_weight, labels=labels
    )
    codes = batch.of_particle(batch.clean)[:, 0]
    word_ids = torch.tensor(language_model.vocabulary.encode(model.vocabulary.words))
    along = unit(codes)
    found = {}
    for name in sources:
        direction = DIRECTIONS[name](batch)[:, 0]
        tangent = direction - (direction * along).sum(dim=-1, keepdim=True) * along
        found[name] = measure_smoothness(
            codes,
            directions=lambda _, tangent=tangent: unit(tangent),  # type: ignore[misc]
            decode=_Decoder(model, word_ids),
            language_model=language_model,
            word_embeddings=word_embeddings,
            scales=scales,
        )
    return found


@torch.no_grad()
def code_batch(
    model: TextAdversary,
    hypotheses: Sequence[str],
    *,
    num_particles: int,
    seed: int,
    noise_weight: float,
    labels: Sequence[int] | None = None,
) -> CodeBatch:
    """Return what directions are made of, one candidate a sentence; the neighbours come from the model's bank."""
    sentences = [tokenize(text).words for text in hypotheses]
    ids = encode_sentences(sentences, vocabulary=model.vocabulary, max_length=model.config.max_length)
    theta, theta_adv = model.draw_particles(num_particles, torch.Generator().manual_seed(seed))
    features = model.features(ids)
    clean = model.codes(features, theta)
    M, _, d = clean.shape
    bank = model.codes(model.bank_features, theta).mean(dim=0)
    seeds = [pair_seed(seed, "", text, "") for text in hypotheses]
    particle, noise = pair_noise(seeds, 1, max(d, M), M)
    num_neighbours = min(ManifoldConfig.num_neighbours, d, len(bank))
    return CodeBatch(
        clean=clean,
        adversarial=model.perturb(clean, features, theta_adv, None if labels is None else torch.tensor(labels)),
        neighbours=local_neighbours(clean.mean(dim=0), bank, num_neighbours=num_neighbours),
        particle=particle,
        noise=noise,
        noise_weight=torch.tensor([noise_weight]),
    )


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return a 95% interval of the median from order statistics; None for fewer than six values.

    The ranks are n / 2 -+ 1.96 sqrt(n) / 2, rounded outwards: the number of values below the median is binomial.
    """
    n = len(values)
    if n < 6:
        return None
    half = NORMAL_97_5 * math.sqrt(n) / 2
    ranked = sorted(values)
    low, high = math.floor(n / 2 - half), math.ceil(n / 2 + half)
    return ranked[max(low - 1, 0)], ranked[min(high, n - 1)]
