"""What is watched while an ARAE trains: reconstruction, forward and reverse perplexity, samples."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from textsem.arae import ARAE
from textsem.text.batches import sentence_lengths
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import PAD_ID, UNKNOWN_ID, Vocabulary

__all__ = ["Watch", "corpus_perplexity", "fit_trigram", "make_watch", "reconstruction_shares"]

ENCODED_ROWS = 256
NUM_SHOWN = 5  # samples in a line of metrics


def fit_trigram(ids: Tensor, vocabulary: Vocabulary) -> TrigramLanguageModel:
    """Fit a trigram on sentences given as ids [sentences, length]; the same smoothing whatever they are.

    Raises:
        ValueError: If no sentence has a word.
    """
    return TrigramLanguageModel.fit((vocabulary.decode(row) for row in ids.tolist()), vocabulary=vocabulary)


def corpus_perplexity(language_model: TrigramLanguageModel, ids: Tensor) -> float:
    """Return exp of the mean negative log probability over all words and end symbols of ids [sentences, length]."""
    lengths = sentence_lengths(ids)
    nats = -language_model.log_probs(ids, lengths).sum()
    return float((nats / (lengths + 1).sum()).exp())


@torch.no_grad()
def reconstruction_shares(model: ARAE, ids: Tensor) -> dict[str, float]:
    """Return how much of the sentences [batch, length] comes back from their codes.

    Returns:
        ``tokens_free``: correct positions over all (words and end symbol; an unknown word is never correct), the
        decoder reading its own words; ``tokens_forced``: the same, the decoder reading the sentence's words;
        ``sentences_exact``: sentences whose every token is correct, free running.
    """
    codes = torch.cat([model.encode(part) for part in torch.split(ids, ENCODED_ROWS)])
    is_token = ids != PAD_ID
    free = (model.decode_ids(codes) == ids) & is_token & (ids != UNKNOWN_ID)
    forced = torch.cat(
        [
            model.word_logits(model.position_vectors(c, part)).argmax(dim=-1) == part
            for c, part in zip(torch.split(codes, ENCODED_ROWS), torch.split(ids, ENCODED_ROWS), strict=True)
        ]
    )
    forced &= is_token & (ids != UNKNOWN_ID)
    total = int(is_token.sum())
    return {
        "tokens_free": int(free.sum()) / total,
        "tokens_forced": int(forced.sum()) / total,
        "sentences_exact": float((free | ~is_token).all(dim=1).float().mean()),
    }


@dataclass(frozen=True)
class Watch:
    """Fixed sentences and judges, so that all watches of a run can be compared.

    Args:
        watched: Held-out sentences that are reconstructed, [sentences, length].
        held_out: Held-out sentences that reverse perplexity is measured on, [sentences, length].
        judge: Trigram of training sentences; forward perplexity is the samples' under it.
        real: Training sentences that the judge has not seen, as many as samples.
        seed: Of the noise, the same at every watch.
    """

    watched: Tensor
    held_out: Tensor
    judge: TrigramLanguageModel
    real: Tensor
    seed: int

    def perplexities(self, samples: Tensor) -> dict[str, float]:
        """Return forward and reverse perplexity of samples [samples, length].

        Forward: of the samples under the trigram of training sentences: are they well formed?  Reverse: of held-out
        sentences under a trigram of the samples: do they cover the language?  (Zhao et al. 2018, Sec. 5.)  Samples
        without a single word teach nothing: the reverse perplexity is then that of a uniform choice.
        """
        vocabulary = self.judge.vocabulary
        if not bool((sentence_lengths(samples) > 0).any()):
            reverse = float(vocabulary.size - 2)
        else:
            reverse = corpus_perplexity(fit_trigram(samples, vocabulary), self.held_out)
        return {"forward_perplexity": corpus_perplexity(self.judge, samples), "reverse_perplexity": reverse}

    @torch.no_grad()
    def measure(self, model: ARAE) -> dict[str, Any]:
        """Return one line of metrics."""
        samples = self.samples(model)
        shown = [" ".join(model.vocabulary.decode(row)) for row in samples[:NUM_SHOWN].tolist()]
        distinct = len(torch.unique(samples, dim=0)) / len(samples)
        shares = reconstruction_shares(model, self.watched.to(model.embedding.device))
        return {**shares, **self.perplexities(samples), "distinct_samples": distinct, "samples": shown}

    def samples(self, model: ARAE) -> Tensor:
        """Return as many greedy samples as there are real sentences, [samples, length], always of the same noise."""
        return model.sample(len(self.real), torch.Generator().manual_seed(self.seed)).cpu()

    def references(self) -> dict[str, float]:
        """Return both perplexities of real sentences in the place of samples."""
        return self.perplexities(self.real)


def make_watch(
    ids: Tensor,
    held_out: Tensor,
    *,
    vocabulary: Vocabulary,
    num_watched: int,
    num_samples: int,
    seed: int,
) -> Watch:
    """Choose sentences and fit the judge.

    Args:
        ids: Training sentences, [sentences, length].
        held_out: Held-out sentences, different ones, [sentences, length].
        vocabulary: Words and ids.
        num_watched: Held-out sentences to reconstruct; fewer if there are fewer.
        num_samples: Samples a watch; at most half as many as training sentences, so that the judge has the rest.
        seed: Of the choice, and of the noise.
    """
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(ids), generator=random)
    num_real = max(min(num_samples, len(ids) // 2), 1)
    judge = fit_trigram(ids[order[num_real:]] if len(ids) > 1 else ids, vocabulary)
    watched = held_out[torch.randperm(len(held_out), generator=random)[:num_watched]]
    return Watch(watched, held_out, judge, ids[order[:num_real]], seed)
