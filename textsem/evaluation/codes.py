"""How far E' moves the codes of a data set: reading 21's noise level, and the codes of Fig. 5."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from textsem.latent.manifold import NOISE_BATCH, LatentNoise, latent_noise_levels
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize

__all__ = ["MeasuredCodes", "mean_noise_level", "measure_codes"]

MAX_BATCHES = 8


@dataclass(frozen=True)
class MeasuredCodes:
    """Codes before and after E', and how far apart they are.

    Args:
        noise: Mean over particles and batches.
        clean: Z, [particles x sentences, latent].
        perturbed: Z', same shape.
    """

    noise: LatentNoise
    clean: Tensor
    perturbed: Tensor


@torch.no_grad()
def measure_codes(
    model: TextAdversary, hypotheses: Iterable[str], labels: Iterable[int], *, num_particles: int, seed: int
) -> MeasuredCodes | None:
    """Encode and perturb the first hypotheses that the model takes, at most 8 batches of 64.

    Args:
        model: The adversary.
        hypotheses: Any; those without a word or with too many are left out.
        labels: y of each, of ``GOLD_NAMES``, which E' may be told.
        num_particles: M.
        seed: Draws the particles.

    Returns:
        None if no hypothesis fits.
    """
    max_length = model.config.max_length
    read = ((tokenize(text).words, label) for text, label in zip(hypotheses, labels, strict=True))
    rows = list(islice((row for row in read if 0 < len(row[0]) <= max_length), NOISE_BATCH * MAX_BATCHES))
    sentences = [words for words, _ in rows]
    if not sentences:
        return None
    theta, theta_adv = model.draw_particles(num_particles, torch.Generator().manual_seed(seed))
    features = model.features(encode_sentences(sentences, vocabulary=model.vocabulary, max_length=max_length))
    clean = model.codes(features, theta)
    perturbed = model.perturb(clean, features, theta_adv, torch.tensor([label for _, label in rows]))
    return MeasuredCodes(mean_noise_level(clean, perturbed), clean.flatten(0, 1), perturbed.flatten(0, 1))


def mean_noise_level(clean: Tensor, perturbed: Tensor) -> LatentNoise:
    """Return the noise level of reading 21, the mean over particles and over batches of 64.

    Args:
        clean: Z, [particles, sentences, latent], at least one sentence.
        perturbed: Z', same shape.
    """
    levels = latent_noise_levels(clean, perturbed)
    return LatentNoise(
        absolute=sum(level.absolute for level in levels) / len(levels),
        relative=sum(level.relative for level in levels) / len(levels),
    )
