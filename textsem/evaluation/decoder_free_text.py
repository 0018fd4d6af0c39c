"""What decoders write when they run free on moved codes, no filter asked: how it reads, and what it still says."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor

from textsem.evaluation.judges import SentenceSimilarity
from textsem.evaluation.smoothness import GOOD_RATIO
from textsem.evaluation.smoothness_sources import median_interval
from textsem.latent.moves import unit
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import render, tokenize, word_edits
from textsem.text.vocabulary import SPECIAL_WORDS, UNKNOWN_ID

__all__ = [
    "FREE_SOURCES",
    "FreeText",
    "Words",
    "equal_noise",
    "free_words",
    "judge_free_text",
    "sentence_features",
    "summarise_free_text",
]

# What the free text of a hypothesis is decoded from: its code unmoved, moved by E', moved as far by noise.
FREE_SOURCES = ("reconstruction", "adversarial", "isotropic")

Words = tuple[str, ...]


@dataclass(frozen=True)
class FreeText:
    """One sentence as its code was decoded, no filter asked, beside its original.

    Args:
        text: The sentence, written with the original's case and spacing.
        perplexity_ratio: Trigram perplexity over the original's.
        similarity: Cosine of both sentences' embeddings.
        changed_words: Words replaced, inserted or deleted, punctuation apart.
    """

    text: str
    perplexity_ratio: float
    similarity: float
    changed_words: int


@torch.no_grad()
def free_words(
    model: TextAdversary, hypotheses: Sequence[str], labels: Sequence[int], *, num_particles: int, seed: int
) -> dict[str, list[Words]]:
    """Decode the codes of hypotheses freely and greedily: whatever comes out counts.

        z = E_m(x),   z' = E'_m(z),   z'' as far from z as z' is, any way;   one particle m for each x (Eq. 3)

    Args:
        model: The adversary, in evaluation mode.
        hypotheses: Sentences that it takes.
        labels: y of each, for an E' that is told it.
        num_particles: M.
        seed: Draws the particles, picks one for each sentence, and draws the noise.

    Returns:
        By ``FREE_SOURCES``, the words of each sentence.  An unknown word is the original's own, in order, as in an
        attack; where the original has none left, the unknown symbol stays.
    """
    generator = torch.Generator().manual_seed(seed)
    theta, theta_adv = model.draw_particles(num_particles, generator)
    features = sentence_features(model, hypotheses)
    clean = model.codes(features, theta)
    moved = model.perturb(clean, features, theta_adv, torch.tensor(labels))
    picks, rows = torch.randint(len(theta), (len(hypotheses),), generator=generator), torch.arange(len(hypotheses))
    z, z_adv = clean[picks, rows], moved[picks, rows]
    noise = torch.randn(z.shape, generator=generator)
    is_spherical = model.config.particle.is_spherical and model.config.particle_adv.is_spherical
    codes = (z, z_adv, equal_noise(z, z_adv, noise, is_spherical=is_spherical))
    return {
        source: [
            _with_own_unknown(model, row, tokenize(text).words)
            for row, text in zip(model.decode_ids(some).tolist(), hypotheses, strict=True)
        ]
        for source, some in zip(FREE_SOURCES, codes, strict=True)
    }


def equal_noise(codes: Tensor, moved: Tensor, noise: Tensor, *, is_spherical: bool) -> Tensor:
    """Move codes as far as ``moved`` lies from them, the way that ``noise`` leads; codes on a sphere stay on it.

    Args:
        codes: z, [batch, latent].
        moved: z', same shape.
        noise: Standard normal numbers, same shape.
        is_spherical: Whether codes, moved ones too, live on a sphere around zero.

    Returns:
        z'' with |z'' - z| = |z' - z|, same shape.
    """
    length = (moved - codes).norm(dim=-1, keepdim=True)
    if not is_spherical:
        straight: Tensor = codes + length * unit(noise)
        return straight
    radius, along = codes.norm(dim=-1, keepdim=True), unit(codes)
    tangent = unit(noise - (noise * along).sum(dim=-1, keepdim=True) * along)
    # A chord of that length belongs to twice the angle whose sine is its half over the radius.
    angle = 2 * (length / (2 * radius)).clamp(max=1.0).asin()
    on_sphere: Tensor = radius * (angle.cos() * along + angle.sin() * tangent)
    return on_sphere


def judge_free_text(
    hypotheses: Sequence[str],
    decoded: Sequence[Words],
    *,
    language_model: TrigramLanguageModel,
    encoder: SentenceSimilarity,
) -> list[FreeText]:
    """Hold decoded words against their originals.

    Args:
        hypotheses: The originals.
        decoded: Words of each.
        language_model: Measures perplexity.
        encoder: Measures similarity.
    """
    tokenized = [tokenize(text) for text in hypotheses]
    texts = [render(original, words) for original, words in zip(tokenized, decoded, strict=True)]
    old = language_model.perplexity([original.words for original in tokenized])
    ratios = (language_model.perplexity(decoded) / old).tolist()
    similarities = encoder.similarity(hypotheses, texts).tolist()
    return [
        FreeText(text, ratio, similarity, word_edits(original.words, words))
        for text, ratio, similarity, original, words in zip(
            texts, ratios, similarities, tokenized, decoded, strict=True
        )
    ]


def summarise_free_text(found: Sequence[FreeText], *, unmoved: Sequence[FreeText]) -> dict[str, Any]:
    """Return medians and shares as plain JSON types.

    Args:
        found: At least one sentence.
        unmoved: What the same codes say where they were not moved.

    Returns:
        ``n``; ``median_ratio`` with its 95% interval by order statistics (None for fewer than six); ``share_good`` of
        ratios of at most 2; medians of similarity and of changed words; ``share_moved``: sentences that are another
        than that of the unmoved code; ``changed``: the first five of sentences with a changed word alone, None where
        there is no such sentence: one that is still its original has a ratio of 1, which says nothing.
    """
    changed = [one for one in found if one.changed_words]
    return {
        **_medians(found),
        "share_moved": sum(one.text != other.text for one, other in zip(found, unmoved, strict=True)) / len(found),
        "changed": _medians(changed) if changed else None,
    }


def _medians(found: Sequence[FreeText]) -> dict[str, Any]:
    ratios = [one.perplexity_ratio for one in found]
    return {
        "n": len(found),
        "median_ratio": median(ratios),
        "median_ratio_interval": median_interval(ratios),
        "share_good": sum(ratio <= GOOD_RATIO for ratio in ratios) / len(found),
        "median_similarity": median(one.similarity for one in found),
        "median_changed_words": median(one.changed_words for one in found),
    }


def sentence_features(model: TextAdversary, hypotheses: Sequence[str]) -> Tensor:
    """Return the features [batch, feature] of sentences that the model takes."""
    words = [tokenize(text).words for text in hypotheses]
    ids = encode_sentences(words, vocabulary=model.vocabulary, max_length=model.config.max_length)
    return model.features(ids)


def _with_own_unknown(model: TextAdversary, ids: Sequence[int], original: Words) -> Words:
    """Return the words of a decoded row, with the original's unknown words where the row has the unknown symbol."""
    own = iter([word for word in original if word not in model.vocabulary.ids])
    symbol = SPECIAL_WORDS[UNKNOWN_ID]
    return tuple(next(own, symbol) if word == symbol else word for word in model.vocabulary.decode(ids))
