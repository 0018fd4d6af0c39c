"""From moved codes to sentences by the edits that the codes together call for.

Every draw of Eq. 3 (a particle, noise, a scale) decodes to word probabilities at each position.  Their mean is what the
mixture says; edits of the original are taken from it in the order of

    score = c log p(edit) / p(no edit) + l log LM(x') / LM(x) + m (cos(x', x) - 1)

with the trigram of the corpus and the distilled sentence encoder as priors: the transpose CNN picks each word by
itself, the trigram hears how it sounds beside its neighbours, and the meaning table what the sentence loses.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.text.batches import sentence_lengths
from textsem.text.half_products import half_product, to_halves
from textsem.text.meaning import MeaningTable
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import END_ID, PAD_ID

__all__ = ["EditConfig", "EditProposer"]

EMPTY = PAD_ID  # a place in which no word stands
MIN_PROBABILITY = 1e-6  # of a word at a place; below it, one is as good as another
# No word vector stands for "no word here" or "one word more": what these cost beside a substitution.
DELETION_LOG_ODDS = -3.0
INSERTION_LOG_ODDS = -1.0


@dataclass(frozen=True)
class EditConfig:
    """Which edits are considered, and how they are weighed.

    Args:
        num_codes: Codes that are decoded for a hypothesis; together they are the mixture.
        sharpness: tau in p(word | position) = softmax(tau cos(v, e_word)).
        num_substitutes: Words considered for each position.
        num_insertions: Words considered for each gap between positions.
        num_combined: Single edits, best first, of which pairs are formed.
        code_weight: c, of the log odds that the mixture gives the edit.
        fluency_weight: l, of the trigram's log probability; a gain counts up to one nat.
        meaning_weight: m, of the cosine.
        pair_penalty: What a second edit costs.
        trigram_penalty: What each trigram costs that the corpus does not have, beyond as many as the original
            has.
        max_new_trigrams: Most of them.
        max_new_bigrams: Most bigrams of that kind: they are where sentences break.
        min_similarity: Smallest cosine of the meaning table that a candidate may have.
        max_perplexity_ratio: Largest ratio of trigram perplexities, new to old.
    """

    num_codes: int = 64
    sharpness: float = 12.0
    num_substitutes: int = 12
    num_insertions: int = 12
    num_combined: int = 24
    code_weight: float = 0.5
    fluency_weight: float = 0.7
    meaning_weight: float = 15.0
    pair_penalty: float = 1.0
    trigram_penalty: float = 1.0
    max_new_trigrams: int = 1
    max_new_bigrams: int = 0
    min_similarity: float = 0.78
    max_perplexity_ratio: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_codes", "num_substitutes"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("sharpness", "max_perplexity_ratio"):
            if getattr(self, name) <= 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class _Edits:
    """Single edits of one hypothesis of n words, laid out as gap 0, word 0, gap 1, word 1, ..., gap n.

    Args:
        places: Which of the 2 n + 1 places changes, [edits].
        words: What stands there afterwards, ``EMPTY`` for a deletion, [edits].
        log_odds: Of the edit under the mixture, [edits].
    """

    places: Tensor
    words: Tensor
    log_odds: Tensor


class EditProposer:
    """Propose sentences that differ from a hypothesis by one or two edits.

    Args:
        table: Unit-length word vectors, [vocab, embedding].
        is_word: Which ids are words that an edit may bring or take, [vocab]; special words and punctuation are not.
        config: What is considered.
        meaning: Similarity in meaning.
        language_model: Trigram; None for one to which all sentences are alike.
    """

    def __init__(
        self,
        table: Tensor,
        is_word: Tensor,
        config: EditConfig,
        *,
        meaning: MeaningTable,
        language_model: TrigramLanguageModel | None,
    ) -> None:
        self.config, self.meaning, self.language_model = config, meaning, language_model
        self._is_word = is_word
        self._words = is_word.nonzero()[:, 0]
        # bfloat16's 8 bits are finer than a rank needs.
        self._table, self._table_half = table, to_halves(table[self._words].T).contiguous()

    def propose(self, vectors: Tensor, ids: Tensor, num_candidates: int) -> Tensor:
        """Return the best candidates, best first: different sentences, none of them the original.

        Args:
            vectors: Position vectors of the moved codes, [codes, length, embedding].
            ids: The original, [length].
            num_candidates: Most rows returned.

        Returns:
            Ids, pads after the end, [candidates, length].
        """
        n = int(sentence_lengths(ids))
        single = self._single_edits(vectors, ids, n)
        rows = _apply(ids, n, single.places[:, None], single.words[:, None])
        scores, is_allowed = self._weigh(rows, ids, single.log_odds)
        order = torch.where(is_allowed, scores, -torch.inf).argsort(descending=True, stable=True)
        order = order[: int(is_allowed.sum())]
        pairs, pair_odds = self._pairs(single, order, ids, n)
        pair_scores, is_pair_allowed = self._weigh(pairs, ids, pair_odds)
        rows = torch.cat([rows[order], pairs[is_pair_allowed]])
        scores = torch.cat([scores[order], pair_scores[is_pair_allowed] - self.config.pair_penalty])
        # Other edits may lead to the same words, as a deletion beside an insertion does, or back to the original's.
        ranked = dict.fromkeys(map(tuple, rows[scores.argsort(descending=True, stable=True)].tolist()))
        ranked.pop(tuple(ids.tolist()), None)
        return ids.new_tensor(list(ranked)[:num_candidates]).reshape(-1, len(ids))

    def _single_edits(self, vectors: Tensor, ids: Tensor, n: int) -> _Edits:
        """Return substitutions at each word, deletions of it, and insertions at each gap."""
        config, own = self.config, ids[:n]
        mixture, p_stay, presence = self._mixture(vectors[:, :n], own)
        is_own = self._words[None] == own[:, None]
        top = torch.where(is_own, -1.0, mixture).topk(min(config.num_substitutes, mixture.shape[1]), dim=-1)
        changed = torch.arange(n)[self._is_word[own]]
        log_stay = p_stay.clamp(MIN_PROBABILITY, 1.0).log()
        places = [(2 * changed + 1).repeat_interleave(top.indices.shape[1]), 2 * changed + 1]
        words = [self._words[top.indices[changed]].flatten(), torch.full((len(changed),), EMPTY)]
        log_top = top.values.clamp(min=MIN_PROBABILITY).log()
        odds = [(log_top - log_stay[:, None])[changed].flatten(), -log_stay[changed] + DELETION_LOG_ODDS]

        new = torch.where(is_own.any(dim=0), 0.0, presence).topk(min(config.num_insertions, len(presence)))
        last = n if self._is_word[own[-1]] else n - 1
        gaps = torch.arange(1, last + 1)  # not before the first word, whose capital would stay behind
        places.append((2 * gaps).repeat_interleave(len(new.indices)))
        words.append(self._words[new.indices].repeat(len(gaps)))
        odds.append((new.values.clamp(min=MIN_PROBABILITY).log() + INSERTION_LOG_ODDS).repeat(len(gaps)))
        return _Edits(torch.cat(places), torch.cat(words), torch.cat(odds))

    def _mixture(self, vectors: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the codes say together: Eq. 3's mixture, its probability of no change, and words in no place.

        Args:
            vectors: Position vectors, [codes, words of the original, embedding].
            own: The original's words, [words of the original].

        Returns:
            Mean over codes of p(word | position), [words of the original, words]; of p(the original's word | position),
            [words of the original]; and of the highest p(word) of all positions, [words].
        """
        C, n, _ = vectors.shape
        mixture, stay = torch.empty(n, len(self._words)), torch.empty(n)
        highest = torch.zeros(C, len(self._words))
        own_weights = ((vectors * self._table[own]).sum(dim=-1) * self.config.sharpness).exp()
        halves = to_halves(vectors)
        for i in range(n):  # one position fits the processor's cache, where all of them would go through memory
            p = half_product(halves[:, i], self._table_half).mul_(self.config.sharpness).exp_()
            # The original's own word may be none that edits bring (punctuation, unknown): it takes part all the same.
            total = p.sum(dim=1) + torch.where(self._is_word[own[i]], 0.0, own_weights[:, i])
            p.div_(total[:, None])
            mixture[i], stay[i] = p.mean(dim=0), (own_weights[:, i] / total).mean()
            torch.maximum(highest, p, out=highest)
        return mixture, stay, highest.mean(dim=0)

    def _pairs(self, single: _Edits, order: Tensor, ids: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Return the rows of pairs of the best single edits at different places, and their log odds."""
        best = order[: self.config.num_combined]
        first, second = torch.triu_indices(len(best), len(best), offset=1)
        first, second = best[first], best[second]
        is_apart = single.places[first] != single.places[second]
        first, second = first[is_apart], second[is_apart]
        places = torch.stack([single.places[first], single.places[second]], dim=1)
        words = torch.stack([single.words[first], single.words[second]], dim=1)
        return _apply(ids, n, places, words), single.log_odds[first] + single.log_odds[second]

    def _weigh(self, rows: Tensor, ids: Tensor, log_odds: Tensor) -> tuple[Tensor, Tensor]:
        """Return the score of each row, and whether it fits, is close enough in meaning and fluent enough."""
        config = self.config
        lengths = sentence_lengths(rows)
        similarity = self.meaning.similarity(ids, rows)
        is_allowed = (lengths > 0) & (lengths < len(ids)) & (similarity >= config.min_similarity)
        scores = config.code_weight * log_odds + config.meaning_weight * (similarity - 1.0)
        if self.language_model is None or not len(rows):
            return scores, is_allowed
        own_length = sentence_lengths(ids)[None]
        own = self.language_model.log_probs(ids[None], own_length).sum() / (own_length + 1)
        mean = self.language_model.log_probs(rows, lengths).sum(dim=1) / (lengths + 1)
        own_unseen = self.language_model.num_unseen(ids[None], own_length)
        bigrams, trigrams = (self.language_model.num_unseen(rows, lengths) - own_unseen).clamp(min=0).unbind(dim=1)
        scores = scores + config.fluency_weight * ((mean - own) * (lengths + 1)).clamp(max=1.0)
        scores = scores - config.trigram_penalty * trigrams
        is_allowed &= ((own - mean).exp() <= config.max_perplexity_ratio) & (bigrams <= config.max_new_bigrams)
        return scores, is_allowed & (trigrams <= config.max_new_trigrams)


def _apply(ids: Tensor, n: int, places: Tensor, words: Tensor) -> Tensor:
    """Return the hypothesis of n words ``ids`` [length] with some of its 2 n + 1 places set to other words.

    Args:
        ids: The original.
        n: Its number of words.
        places: [rows, edits].
        words: ``EMPTY`` takes the word away, [rows, edits].

    Returns:
        [rows, length]; a sentence that does not fit keeps its first words and has no end symbol.
    """
    L = len(ids)
    laid_out = torch.full((2 * n + 1,), EMPTY)
    laid_out[1::2] = ids[:n]
    rows = laid_out.repeat(len(places), 1).scatter(1, places, words)
    end = torch.full((len(rows), 1), END_ID)
    rows = torch.cat([rows, end, torch.full((len(rows), L), PAD_ID)], dim=1)
    packed = rows.gather(1, (rows == EMPTY).byte().argsort(dim=1, stable=True))
    return packed[:, :L]
