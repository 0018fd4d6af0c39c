"""How much a decoder listens to the code: tokens that are lost when sentences trade their codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.evaluation.reconstruction import correct_tokens, measured_ids, sampled_codes, share
from textsem.model import TextAdversary
from textsem.text.batches import sentence_lengths
from textsem.text.vocabulary import END_ID, PAD_ID

__all__ = ["CodeUse", "measure_code_use", "trade_partners"]

ROWS = 128  # compared with all words at a time: 17 positions of 128 rows and 11,000 words take 96 MB


@dataclass(frozen=True)
class CodeUse:
    """Shares of correct tokens, by a sentence's own code and by that of another sentence of as many words.

    A token is correct as in ``Reconstruction``.  Free running, the decoder sees the code alone; teacher forced, it also
    sees the true words before, so that one that ignores the code keeps what a plain language model would get.

    Args:
        share_of_tokens: Free running, own codes.
        share_of_tokens_shuffled: Free running, the other sentence's codes.
        points_lost: The first less the second, in percentage points.
        teacher_forced_share: Teacher forced, own codes.
        teacher_forced_share_shuffled: Teacher forced, the other sentence's codes.
        teacher_forced_points_lost: The difference of these two, in percentage points.
        share_in_common: Tokens that the other sentence has at the same position: what is left, free running, to a
            decoder that writes exactly what the code says.
        num_sentences: Different sentences measured.
        num_tokens: Their words, punctuation marks and end tokens.
        num_lone: Different sentences left out, since no other has as many words.
    """

    share_of_tokens: float | None
    share_of_tokens_shuffled: float | None
    points_lost: float | None
    teacher_forced_share: float | None
    teacher_forced_share_shuffled: float | None
    teacher_forced_points_lost: float | None
    share_in_common: float | None
    num_sentences: int
    num_tokens: int
    num_lone: int


@torch.no_grad()
def measure_code_use(
    model: TextAdversary, hypotheses: Sequence[str], *, num_particles: int, seed: int, max_words: int | None = None
) -> CodeUse:
    """Decode sentences greedily from their own codes, those of ``measure_reconstruction``, and from each other's.

    Codes are traded among sentences of the same number of words, so that a wrong length does not pass for lost words.
    A sentence that stands twice is measured once: its own code would come back to it.  A sentence without a partner of
    its length is left out everywhere, so that all shares are of the same tokens; ``num_lone`` counts these.

    Args:
        model: The adversary, in evaluation mode.
        hypotheses: Any sentences; those that the model does not take are left out.
        num_particles: M.
        seed: Draws the particles, picks one for each sentence (Eq. 3), and draws the partners.
        max_words: Leave out sentences of more words and punctuation marks.

    Raises:
        ValueError: If ``max_words`` is below 1.
    """
    ids, _ = measured_ids(model, hypotheses, max_words=max_words)
    codes = sampled_codes(model, ids, num_particles=num_particles, seed=seed)
    first = _first_occurrences(ids)
    ids, codes = ids[first], codes[first]
    partners = trade_partners(ids, torch.Generator().manual_seed(seed))
    is_lone = partners == torch.arange(len(ids))
    ids, own, traded, others = ids[~is_lone], codes[~is_lone], codes[partners][~is_lone], ids[partners][~is_lone]

    def correct(decoded: Tensor) -> float | None:
        return share(correct_tokens(decoded, ids), ids != PAD_ID)

    free, free_shuffled = correct(model.decode_ids(own)), correct(model.decode_ids(traded))
    forced, forced_shuffled = correct(_teacher_forced(model, own, ids)), correct(_teacher_forced(model, traded, ids))
    return CodeUse(
        share_of_tokens=free,
        share_of_tokens_shuffled=free_shuffled,
        points_lost=_points(free, free_shuffled),
        teacher_forced_share=forced,
        teacher_forced_share_shuffled=forced_shuffled,
        teacher_forced_points_lost=_points(forced, forced_shuffled),
        share_in_common=correct(others),
        num_sentences=len(ids),
        num_tokens=int((ids != PAD_ID).sum()),
        num_lone=int(is_lone.sum()),
    )


def trade_partners(ids: Tensor, generator: torch.Generator) -> Tensor:
    """Return another row of as many words for each row of ``ids`` [batch, length], as its index, [batch].

    In each group of one length, rows are put in a random order and each takes the next one, the last the first: nobody
    gets itself, and everybody is taken once.  A row that is alone of its length gets itself.
    """
    lengths = sentence_lengths(ids)
    partners = torch.empty(len(ids), dtype=torch.int64)
    for length in torch.unique(lengths):
        group = (lengths == length).nonzero()[:, 0]
        order = group[torch.randperm(len(group), generator=generator)]
        partners[order] = order.roll(1)
    return partners


def _first_occurrences(ids: Tensor) -> Tensor:
    """Return the first row of each different sentence of ``ids`` [batch, length], in their order."""
    first: dict[tuple[int, ...], int] = {}
    for row, words in enumerate(ids.tolist()):
        first.setdefault(tuple(words), row)
    return torch.tensor(list(first.values()), dtype=torch.int64)


def _teacher_forced(model: TextAdversary, codes: Tensor, ids: Tensor) -> Tensor:
    """Return the likeliest word at each position behind the true words before it, [batch, length]."""
    table = model.embedding_table()[END_ID:]
    predicted = torch.full_like(ids, PAD_ID)
    for rows in torch.split(torch.arange(len(ids)), ROWS):
        vectors = model.position_vectors(codes[rows], ids[rows])
        predicted[rows] = END_ID + (vectors @ table.T).argmax(dim=-1)
    return predicted


def _points(own: float | None, traded: float | None) -> float | None:
    return None if own is None or traded is None else 100 * (own - traded)
