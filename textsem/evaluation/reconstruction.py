"""How much of a sentence comes back from its code: free running, clean codes, mixture sampling."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.data.sentences import comparable
from textsem.latent.posterior import sample_mixture
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import PAD_ID, UNKNOWN_ID

__all__ = [
    "Reconstruction",
    "correct_tokens",
    "measure_reconstruction",
    "measured_ids",
    "sampled_codes",
    "share",
    "unseen_sentences",
]


@dataclass(frozen=True)
class Reconstruction:
    """What came back of the sentences that were measured; None where there was none.

    Args:
        share_of_tokens: Correct positions over all positions: words, punctuation marks and the end token, no pads.
        share_exact: Sentences whose every token is correct.
        share_unknown: Positions whose word is not in the vocabulary; these are never correct.
        num_sentences: Sentences measured.
        num_tokens: Their words, punctuation marks and end tokens.
        coverage: Share of all sentences given that the model takes: with a word, and short enough.
    """

    share_of_tokens: float | None
    share_exact: float | None
    share_unknown: float | None
    num_sentences: int
    num_tokens: int
    coverage: float | None


@torch.no_grad()
def measure_reconstruction(
    model: TextAdversary,
    hypotheses: Sequence[str],
    *,
    num_particles: int,
    seed: int,
    max_words: int | None = None,
    batch_size: int = 256,
) -> Reconstruction:
    """Encode sentences, pick one particle for each (Eq. 3), decode greedily, and count what is as it was.

    The decoder sees the code alone.  A token is correct where the same word stands at the same position.

    Args:
        model: The adversary, in evaluation mode.
        hypotheses: Any sentences; those that the model does not take count in ``coverage`` alone.
        num_particles: M.
        seed: Draws the particles, and picks one for each sentence.
        max_words: Leave out sentences of more words and punctuation marks; None measures all that the model takes.
        batch_size: Sentences encoded at a time; changes nothing but memory.

    Raises:
        ValueError: If ``max_words`` or ``batch_size`` is below 1.
    """
    ids, coverage = measured_ids(model, hypotheses, max_words=max_words)
    codes = sampled_codes(model, ids, num_particles=num_particles, seed=seed, batch_size=batch_size)
    decoded = model.decode_ids(codes)

    is_token = ids != PAD_ID
    is_correct = correct_tokens(decoded, ids)
    is_exact = (is_correct | ~is_token).all(dim=1)
    return Reconstruction(
        share_of_tokens=share(is_correct, is_token),
        share_exact=share(is_exact, torch.ones_like(is_exact)),
        share_unknown=share(ids == UNKNOWN_ID, is_token),
        num_sentences=len(ids),
        num_tokens=int(is_token.sum()),
        coverage=coverage,
    )


def unseen_sentences(hypotheses: Sequence[str], training_sentences: Iterable[str]) -> list[str]:
    """Return the sentences that equal no training sentence, case, punctuation and blanks apart (``comparable``)."""
    seen = {comparable(sentence) for sentence in training_sentences}
    return [text for text in hypotheses if comparable(text) not in seen]


def measured_ids(
    model: TextAdversary, hypotheses: Sequence[str], *, max_words: int | None = None
) -> tuple[Tensor, float | None]:
    """Return the sentences that are measured, ids [sentences, length], and the share of all that the model takes.

    Raises:
        ValueError: If ``max_words`` is below 1.
    """
    if max_words is not None and max_words < 1:
        raise ValueError(f"expected max_words >= 1, got {max_words}")
    max_length = model.config.max_length
    words = [tokenize(text).words for text in hypotheses]
    taken = [row for row in words if 0 < len(row) <= max_length]
    measured = [row for row in taken if max_words is None or len(row) <= max_words]
    ids = encode_sentences(measured, vocabulary=model.vocabulary, max_length=max_length)
    return ids, len(taken) / len(words) if words else None


@torch.no_grad()
def sampled_codes(model: TextAdversary, ids: Tensor, *, num_particles: int, seed: int, batch_size: int = 256) -> Tensor:
    """Return one draw of the mixture (Eq. 3) for each row of ``ids`` [batch, length], [batch, latent].

    Args:
        model: The adversary, in evaluation mode.
        ids: Sentences, [batch, length].
        num_particles: M.
        seed: Draws the particles, and picks one for each row.
        batch_size: Sentences encoded at a time.

    Raises:
        ValueError: If ``batch_size`` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"expected batch_size >= 1, got {batch_size}")
    generator = torch.Generator().manual_seed(seed)
    theta, _ = model.draw_particles(num_particles, generator)
    codes = torch.cat([model.codes(model.features(part), theta) for part in torch.split(ids, batch_size)], dim=1)
    return sample_mixture(codes, generator=generator)[0]


def correct_tokens(decoded: Tensor, ids: Tensor) -> Tensor:
    """Say where ``decoded`` has the very token of ``ids``, both [batch, length]; never at pads and unknown words."""
    return (decoded == ids) & (ids != PAD_ID) & (ids != UNKNOWN_ID)


def share(part: Tensor, whole: Tensor) -> float | None:
    """Return how many are True in ``part`` for each True in ``whole``; None where there is none."""
    total = int(whole.sum())
    return int(part.sum()) / total if total else None
