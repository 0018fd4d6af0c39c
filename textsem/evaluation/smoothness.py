"""Are the neighbours of a code sentences?  Codes move until words change; a trigram judges what comes out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import is_punctuation
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

__all__ = ["Smoothness", "edit_distances", "geometric_scales", "measure_smoothness"]

MAX_CHANGED_WORDS = 3
GOOD_RATIO = 2.0


@dataclass(frozen=True)
class Smoothness:
    """What became of each code; NaN where no scale changed one to ``max_changed_words`` words.

    Args:
        changed_words: Words changed at the first scale that changed any, 0 where none did, [codes].
        is_reached: True where that number is at most ``max_changed_words``, [codes].
        scales: That scale: length of the step over the mean norm of the codes, [codes].
        perplexity_ratios: Trigram perplexity of the new sentence over that of the old one, [codes].
        similarities: Cosine of the mean word embeddings of the two sentences, [codes].
        old_ids: Word ids of the unmoved codes, padded after the last word, [codes, length].
        new_ids: Word ids at that scale; the old ones where none changed a word, [codes, length].
    """

    changed_words: Tensor
    is_reached: Tensor
    scales: Tensor
    perplexity_ratios: Tensor
    similarities: Tensor
    old_ids: Tensor
    new_ids: Tensor

    def summary(self) -> dict[str, float | int | None]:
        """Return shares and medians as plain numbers; medians over codes that were reached, None where none was.

        ``share_good`` is the share of ratios of at most 2, ``share_jumped`` the share of codes whose first change was
        of too many words, ``share_unchanged`` that of codes that no scale changed.
        """
        reached = self.is_reached
        ratios = self.perplexity_ratios[reached].double()
        return {
            "n": len(reached),
            "share_reached": _mean(reached),
            "share_jumped": _mean((self.changed_words > 0) & ~reached),
            "share_unchanged": _mean(self.changed_words == 0),
            "median_ratio": _median(ratios),
            "share_good": _mean(ratios <= GOOD_RATIO),
            "median_similarity": _median(self.similarities[reached].double()),
            "median_changed_words": _median(self.changed_words[reached].double()),
            "median_scale": _median(self.scales[reached].double()),
        }


def geometric_scales(smallest: float = 0.02, largest: float = 5.0, num_scales: int = 40) -> Tensor:
    """Return scales in a constant ratio, ascending, [scales]."""
    if not 0 < smallest < largest or num_scales < 2:
        raise ValueError(f"expected 0 < smallest < largest and two scales, got {smallest}, {largest}, {num_scales}")
    return torch.logspace(math.log10(smallest), math.log10(largest), num_scales)


def measure_smoothness(
    codes: Tensor,
    *,
    directions: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    language_model: TrigramLanguageModel,
    word_embeddings: Tensor,
    scales: Tensor | None = None,
    max_changed_words: int = MAX_CHANGED_WORDS,
    batch_size: int = 1024,
) -> Smoothness:
    """Move each code along its direction until words change, and judge the sentence that comes out.

        z_s = z + s * mean(|z|) * direction / |direction|,  s the first scale that changes a word of decode(z)

    A step has the same length for every source of directions, whatever norm they have, so that E', clean particles and
    isotropic noise can be held against each other.  Words are compared with those of ``decode(z)``, not with the input
    sentence: reconstruction is measured elsewhere.  Punctuation does not count as changed.

    Args:
        codes: z, [codes, latent].
        directions: Gives a direction for each code, [codes, latent]; a zero never changes a word.
        decode: Gives word ids of codes, [batch, length]; a sentence ends before its first end symbol.
        language_model: Trigram over the same vocabulary.
        word_embeddings: One row a word id, [vocabulary, embedding].
        scales: Ascending positive scales; ``geometric_scales()`` if None.
        max_changed_words: A first change of more words than this is dropped and counted as a jump.
        batch_size: Rows decoded at a time; changes nothing but memory.

    Raises:
        ValueError: If shapes do not match, or scales do not ascend from above 0.
    """
    scales = geometric_scales() if scales is None else scales
    if scales.ndim != 1 or not len(scales) or not (scales > 0).all() or not (scales.diff() > 0).all():
        raise ValueError(f"expected ascending positive scales, got {scales.tolist()}")
    moves = directions(codes)
    if codes.ndim != 2 or moves.shape != codes.shape:
        raise ValueError(f"expected codes and directions [codes, latent], got {[*codes.shape]} and {[*moves.shape]}")
    words = language_model.vocabulary.words
    if len(word_embeddings) != len(words):
        raise ValueError(f"expected word_embeddings with {len(words)} rows, got {len(word_embeddings)}")

    steps = torch.nn.functional.normalize(moves, dim=1) * codes.norm(dim=1).mean()
    moved = codes + scales.to(codes)[:, None, None] * steps  # [scales, codes, latent]
    old = decode(codes).cpu()
    rows = [decode(part).cpu() for part in moved.flatten(0, 1).split(batch_size)]
    decoded = torch.cat(rows).reshape(len(scales), len(codes), -1)  # [scales, codes, length]
    first, changed_words = _first_change(old, decoded, _is_word(words))

    is_reached = (changed_words > 0) & (changed_words <= max_changed_words)
    chosen = decoded.gather(0, first[None, :, None].expand(1, -1, decoded.shape[2]))[0]
    new = torch.where((changed_words > 0)[:, None], chosen, old)
    (old_ids, old_lengths), (new_ids, new_lengths) = _sentence(old), _sentence(new)
    ratios = language_model.perplexity_of_ids(new_ids, new_lengths) / language_model.perplexity_of_ids(
        old_ids, old_lengths
    )
    table = word_embeddings.detach().cpu().float()
    old_mean, new_mean = _mean_embedding(table, old_ids, old_lengths), _mean_embedding(table, new_ids, new_lengths)
    similarities = torch.cosine_similarity(old_mean, new_mean, dim=1)
    return Smoothness(
        changed_words=changed_words,
        is_reached=is_reached,
        scales=torch.where(is_reached, scales.cpu()[first], torch.nan),
        perplexity_ratios=torch.where(is_reached, ratios, torch.nan),
        similarities=torch.where(is_reached, similarities, torch.nan),
        old_ids=old_ids,
        new_ids=new_ids,
    )


def edit_distances(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor) -> Tensor:
    """Return the Levenshtein distance of each pair of rows, [batch].

    Args:
        a: Ids, [batch, length].
        a_lengths: How many of them count, [batch].
        b: Ids, [batch, other length].
        b_lengths: How many of them count, [batch].
    """
    batch, length = a.shape
    columns = torch.arange(b.shape[1] + 1)
    row = columns.expand(batch, -1)
    rows = [row]
    for i in range(length):
        replaced = row[:, :-1] + (b != a[:, i, None]).long()
        deleted = row + 1
        best = torch.cat([deleted[:, :1], torch.minimum(deleted[:, 1:], replaced)], dim=1)
        # An insertion adds 1 a column: min over k <= j of best[k] + (j - k), as a running minimum.
        row = (best - columns).cummin(dim=1).values + columns
        rows.append(row)
    return torch.stack(rows, dim=1)[torch.arange(batch), a_lengths, b_lengths]


def _first_change(old: Tensor, decoded: Tensor, is_word: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first scale at which words changed (0 if none) and how many did (0 if none), each [codes]."""
    num_scales, num_codes, _ = decoded.shape
    a, a_lengths = _sentence(old, is_word)
    b, b_lengths = _sentence(decoded.flatten(0, 1), is_word)
    changed = edit_distances(a.repeat(num_scales, 1), a_lengths.repeat(num_scales), b, b_lengths)
    changed = changed.reshape(num_scales, num_codes)
    first = (changed > 0).long().argmax(dim=0)
    return first, changed.gather(0, first[None])[0]


def _sentence(ids: Tensor, is_word: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Move what counts to the left, pads after it; return ids and lengths."""
    counts = ((ids == END_ID).cumsum(dim=1) == 0) & (ids != PAD_ID) & (ids != START_ID)
    if is_word is not None:
        counts &= is_word[ids]
    order = (~counts).long().argsort(dim=1, stable=True)
    lengths = counts.sum(dim=1)
    is_inside = torch.arange(ids.shape[1]) < lengths[:, None]
    return torch.where(is_inside, ids.gather(1, order), PAD_ID), lengths


def _is_word(words: Sequence[str]) -> Tensor:
    return torch.tensor([not is_punctuation(word) for word in words])


def _mean_embedding(table: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    weights = (torch.arange(ids.shape[1]) < lengths[:, None]).to(table) / lengths.clamp(min=1)[:, None]
    return torch.einsum("bl,ble->be", weights, table[ids])


def _mean(values: Tensor) -> float | None:
    return float(values.double().mean()) if len(values) else None


def _median(values: Tensor) -> float | None:
    return float(values.quantile(0.5)) if len(values) else None
