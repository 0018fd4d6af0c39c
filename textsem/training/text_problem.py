"""Algorithm 2 on sentences: what lies between word ids and the losses of Eq. 6."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from textsem.latent.objective import l2
from textsem.latent.sharing import WHOLE_BATCH, BatchShare
from textsem.model import TextAdversary
from textsem.text.batches import drop_words, words_until_end
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

__all__ = ["CandidateWords", "DecodedText", "TextBatch", "TextProblem", "all_words", "sample_words"]

NUM_CHOICES = 8  # words a position that the adversarial gradient weighs against each other
RELAXATION_TEMPERATURE = 4.0  # logits of first and second word lie some 8 nats apart: 2 nats then, in reach

AdversarialTerm = Callable[["DecodedText", "TextBatch", "TextProblem"], Tensor]


@dataclass(frozen=True)
class CandidateWords:
    """The words among which the decoder chooses in one batch.

    Args:
        ids: Sorted word ids, [choices].
        position: Place of each word id in ``ids``, -1 where it is absent, [vocab].
        correction: Added to the logits: minus the log of the probability that a sampled word is drawn, so that the
            softmax estimates the one over all words (importance sampling), [choices]; 0 for the batch's own words.
    """

    ids: Tensor
    position: Tensor
    correction: Tensor

    def to(self, device: torch.device) -> "CandidateWords":
        """Return the same words on ``device``."""
        return CandidateWords(self.ids.to(device), self.position.to(device), self.correction.to(device))


@dataclass(frozen=True)
class TextBatch:
    """Hypotheses as ids, and what the adversarial term needs beside them.

    Args:
        ids: Words, end, pads, [batch, length].
        premises: One a row; empty while no adversarial term is wanted.
        labels: y, [batch]; empty likewise.
    """

    ids: Tensor
    premises: Sequence[str] = ()
    labels: Tensor | None = None

    def own(self, share: BatchShare) -> "TextBatch":
        """Return this process's rows."""
        rows = share.own_rows(torch.arange(len(self.ids))).tolist()
        premises = [self.premises[i] for i in rows] if self.premises else ()
        return TextBatch(self.ids[rows], premises, None if self.labels is None else self.labels[rows])


class DecodedText:
    """Outputs of the decoder.

    Args:
        codes: [..., batch, latent].
        vectors: Unit-length position vectors, [..., batch, length, embedding]; of a decoder that writes word by word
            None until somebody asks for them along a batch's words (``TextProblem.vectors``).
    """

    def __init__(self, codes: Tensor, vectors: Tensor | None = None) -> None:
        self.codes = codes
        self.known_vectors = vectors

    @property
    def vectors(self) -> Tensor:
        """Return the position vectors.

        Raises:
            ValueError: If they have not been computed.
        """
        if self.known_vectors is None:
            raise ValueError("expected position vectors, which no one has asked TextProblem.vectors for")
        return self.known_vectors


def all_words(vocab_size: int) -> CandidateWords:
    """Let the decoder choose among all words but pad and start: the exact softmax."""
    ids = torch.tensor([i for i in range(vocab_size) if i not in (PAD_ID, START_ID)])
    return _candidates(ids, torch.zeros(len(ids)), vocab_size)


def sample_words(ids: Tensor, frequencies: Tensor, *, num_negatives: int, generator: torch.Generator) -> CandidateWords:
    """Let the decoder choose among the batch's own words and ``num_negatives`` draws from ``frequencies``.

        rank_i = e_i / p_i,   e_i ~ Exp(1),   drawn: rank_i < T, the (n + 1)-th smallest,   pi_i = 1 - exp(-p_i T)

    Drawing the smallest ranks is drawing without replacement.  Given T, pi_i is the probability that word i is drawn,
    so that the sum over drawn words of exp(logit_i) / pi_i estimates the softmax's denominator without bias (Cohen &
    Kaplan 2007, "Summarizing data using bottom-k sketches"); n p_i, the expected draws with replacement, would not.
    The loss, its log, stays a little too small on average (Jensen).

    Args:
        ids: The batch, [batch, length].
        frequencies: Probability of each word to be drawn, [vocab]; 0 for pad and start.
        num_negatives: Draws without replacement, n; where there are not more words, all are taken.
        generator: Draws the words.
    """
    own = torch.unique(ids)
    own = own[(own != PAD_ID) & (own != START_ID)]
    ranks = torch.empty_like(frequencies).exponential_(generator=generator) / frequencies
    ranks[frequencies == 0] = torch.inf
    threshold = torch.inf
    if num_negatives < len(ranks):
        threshold = float(ranks.kthvalue(num_negatives + 1).values)
    drawn = (ranks < threshold).nonzero().flatten()
    chosen = torch.unique(torch.cat([own, drawn]))
    is_drawn = -torch.expm1(-frequencies[chosen] * threshold)
    correction = torch.where(torch.isin(chosen, own), 0.0, -is_drawn.log())
    return _candidates(chosen, correction, len(frequencies))


def _candidates(ids: Tensor, correction: Tensor, vocab_size: int) -> CandidateWords:
    position = torch.full((vocab_size,), -1)
    position[ids] = torch.arange(len(ids))
    return CandidateWords(ids, position, correction)


class TextProblem:
    """The ``Problem`` of Algorithm 2 for a ``TextAdversary`` and one batch's candidate words.

    Args:
        model: Its encoder, embeddings and decoder are trained.
        words: What the decoder chooses from: ``all_words`` is exact, ``sample_words`` an estimate.
        adversarial_term: The second term of Eq. 6, from surrogate, target or estimate; None where it is not wanted.
        train_embeddings: Whether the embedding table learns with the decoder.
        precision: ``bfloat16`` runs encoder and decoder in mixed precision, ``float32`` does not.
        word_dropout: Share of the words before a position that its decoder does not see (Bowman et al. 2016, Sec.
            3.1).
        generator: Draws which.
        share: The rows of a batch that this process works on.
    """

    def __init__(
        self,
        model: TextAdversary,
        words: CandidateWords,
        adversarial_term: AdversarialTerm | None = None,
        *,
        train_embeddings: bool = True,
        precision: Literal["float32", "bfloat16"] = "float32",
        word_dropout: float = 0.0,
        generator: torch.Generator | None = None,
        share: BatchShare = WHOLE_BATCH,
    ) -> None:
        if not 0 <= word_dropout < 1:
            raise ValueError(f"expected word_dropout from 0 to below 1, got {word_dropout}")
        if word_dropout and generator is None:
            raise ValueError(f"expected a generator for word_dropout {word_dropout}, got None")
        self.model = model
        self.words = words
        self.adversarial_term = adversarial_term
        self.train_embeddings = train_embeddings
        self.is_mixed = precision == "bfloat16"
        self.word_dropout = word_dropout
        self.generator = generator
        self.share = share

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return encoder parameters as "extractor"; decoder, logit scale and embeddings as "decoder"."""
        decoder = [*self.model.decoder.parameters(), self.model.log_scale]
        if self.train_embeddings:
            decoder.append(self.model.embedding)
        # What is frozen, such as a pretrained language model, is nobody's to train.
        decoder = [parameter for parameter in decoder if parameter.requires_grad]
        groups = {"extractor": list(self.model.encoder.parameters()), "decoder": decoder}
        if self.model.config.perturbation_condition == "label":
            groups["condition"] = [self.model.label_shift]
        return groups

    def condition(self, inputs: Tensor, batch: TextBatch) -> Tensor:
        """Return what E' reads: ``inputs`` [..., batch, in], shifted by the label where E' is conditioned on it."""
        return self.model.condition(inputs, batch.labels)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.model.embedding.device.type, torch.bfloat16, enabled=self.is_mixed)

    def features(self, batch: TextBatch) -> Tensor:
        """Return features [batch, feature] of the clean hypotheses."""
        with self._autocast():
            return self.model.features(batch.ids).float()

    def decode(self, codes: Tensor) -> DecodedText:
        """Return outputs of codes [..., batch, latent]; their vectors too where these depend on the code alone."""
        outputs = DecodedText(codes)
        if not self.model.decoder.is_autoregressive:
            self.vectors(outputs, torch.full((self.model.length,), PAD_ID))  # which are not read
        return outputs

    def vectors(self, outputs: DecodedText, ids: Tensor) -> Tensor:
        """Return position vectors [..., batch, length, embedding] of outputs along ``ids`` [batch, length].

        They are computed once: a problem has one batch.
        """
        if outputs.known_vectors is None:
            if self.model.decoder.is_autoregressive and self.generator is not None and self.word_dropout:
                # Drawn for the whole batch, as one process would.
                whole = self.share.all_rows(ids, self.share.num_rows(len(ids)))
                whole = drop_words(whole, rate=self.word_dropout, generator=self.generator)
                ids = self.share.own_rows(whole)
            with self._autocast():
                outputs.known_vectors = self.model.position_vectors(outputs.codes, ids).float()
        return outputs.known_vectors

    def logits(self, vectors: Tensor) -> Tensor:
        """Return logits [..., choices] of position vectors [..., embedding], sampling corrected."""
        return self.model.word_logits(vectors, self.words.ids) + self.words.correction

    def reencode(self, outputs: DecodedText) -> Tensor:
        """Re-embed the most likely words and return their features [..., batch, feature] (Algorithm 1, line 5)."""
        with self._autocast():
            features = self.model.features(self.hard_words(outputs).flatten(0, -2)).float()
        return features.reshape(*outputs.codes.shape[:-1], -1)

    def hard_words(self, outputs: DecodedText) -> Tensor:
        """Return the words of free running, the most likely ones, pads after the end symbol, [..., batch, length]."""
        if outputs.known_vectors is None or self.model.decoder.is_autoregressive:
            with self._autocast():
                return self.model.decode_ids(outputs.codes)
        with torch.no_grad(), self._autocast():
            # As float32: in bfloat16 torch takes several times as long to find a maximum on a processor.
            choice = self.model.word_logits(outputs.vectors, self.words.ids).float().argmax(dim=-1)
        return words_until_end(self.words.ids[choice])

    def reconstruction(self, outputs: DecodedText, batch: TextBatch) -> Tensor:
        """Return the cross-entropy of words and end symbol, nats a token, the mean over each sentence, [..., batch]."""
        mask, vectors = batch.ids != PAD_ID, self.vectors(outputs, batch.ids)
        logits = self.logits(vectors[..., mask, :])
        target = self.words.position[batch.ids[mask]].expand(logits.shape[:-1])
        losses = nn.functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
        losses = losses.reshape(logits.shape[:-1])
        per_token = vectors.new_zeros(vectors.shape[:-1])
        per_token[..., mask] = losses
        return per_token.sum(dim=-1) / mask.sum(dim=-1)

    def distance(self, outputs: DecodedText, batch: TextBatch) -> Tensor:
        """Return the L2 distance of expected embeddings to those of x, [..., batch] (reading 20).

        A decoder that writes word by word is asked what it would put in each place of x, the words of x before it.
        """
        mask, vectors = batch.ids != PAD_ID, self.vectors(outputs, batch.ids)
        probabilities = self.logits(vectors[..., mask, :]).softmax(dim=-1)
        expected = probabilities @ self.model.embedding_table(self.words.ids)
        difference = vectors.new_zeros(vectors.shape)
        difference[..., mask, :] = expected - self.model.embed(batch.ids)[mask]
        return l2(difference.flatten(start_dim=-2))

    def straight_through_words(self, outputs: DecodedText, batch: TextBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the most likely words with a gradient: word ids, weights [batch, length, choices], mask.

        Where no word stands, ids are pads and weights 0.

        Forward, the first choice has weight 1 and the others 0, since hard words are what the target will read;
        backward, the weights have the gradient of a softmax at ``RELAXATION_TEMPERATURE`` (straight-through estimate,
        Bengio et al. 2013): at temperature 1 a decoder that is sure of its words would pass next to none.
        """
        mask, vectors = (batch.ids != PAD_ID) & (batch.ids != END_ID), self.vectors(outputs, batch.ids)
        # Without the sampling correction, as in hard_words: it would lift rare words above the one that is decoded.
        best, choice = self.model.word_logits(vectors[..., mask, :], self.words.ids).topk(NUM_CHOICES, dim=-1)
        soft = (best / RELAXATION_TEMPERATURE).softmax(dim=-1)
        hard = torch.zeros_like(soft)
        hard[..., 0] = 1.0
        shape = (*vectors.shape[:-1], NUM_CHOICES)
        ids, weights = choice.new_full(shape, PAD_ID), soft.new_zeros(shape)
        ids[..., mask, :] = self.words.ids[choice]
        weights[..., mask, :] = hard + soft - soft.detach()
        return ids, weights, mask

    def adversarial(self, outputs: DecodedText, batch: TextBatch) -> Tensor:
        """Return the second term of Eq. 6, [batch]; lower = more fooled.

        Raises:
            ValueError: If the problem was made without an adversarial term.
        """
        if self.adversarial_term is None:
            raise ValueError("expected an adversarial term for the adversarial phase, got None")
        return self.adversarial_term(outputs, batch, self)
