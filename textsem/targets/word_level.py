"""A word-level target: a vocabulary, its word vectors, and a network that reads the vectors of two sentences."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.text.constant_shapes import constant_shape_batches, num_rows_to_fill
from textsem.text.labels import LABEL_NAMES
from textsem.text.tokenization import first_words
from textsem.text.vocabulary import PAD_ID, UNKNOWN_ID, Vocabulary

__all__ = ["WordLevelTarget", "pad_ids"]

MAX_WORDS = 256  # three times the longest sentence of SNLI
_EMBEDDING_STD = 0.3
_FIRST_WORD_ID = UNKNOWN_ID  # pad, start and end never stand in a sentence: their vectors stay zero


class WordLevelTarget(nn.Module):
    """Classify pairs of sentences from word vectors; implements ``Target`` and ``GradientTarget``.

    A row's probabilities do not depend on its batch mates (see ``textsem.text.constant_shapes``).  A sentence without
    any token is read as one unknown word, and of a long one the first 256 tokens are read: the alignment of two
    sentences costs the product of their lengths.

    Args:
        network: Maps ``(premise, premise_mask, hypothesis, hypothesis_mask)``, vectors [batch, length, embedding] and
            masks [batch, length], to logits [batch, classes] in the order of ``LABEL_NAMES``.
        vocabulary: The words that have a vector of their own.
        embedding_dim: Width of a word vector.
        batch_size: Most rows in one forward pass of ``predict``.
    """

    def __init__(self, network: nn.Module, vocabulary: Vocabulary, *, embedding_dim: int, batch_size: int = 64) -> None:
        super().__init__()
        self.network = network
        self.vocabulary = vocabulary
        self.batch_size = batch_size
        self.label_names: tuple[str, ...] = LABEL_NAMES
        self.embedding = nn.Embedding(vocabulary.size, embedding_dim, padding_idx=PAD_ID)
        nn.init.normal_(self.embedding.weight, std=_EMBEDDING_STD)
        with torch.no_grad():
            self.embedding.weight[:_FIRST_WORD_ID] = 0.0
        self._callers_words: tuple[str, ...] | None = None
        self._callers_rows: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the word ids of each sentence, at least one and at most 256 a sentence."""
        words = (first_words(sentence, MAX_WORDS) for sentence in sentences)
        return [self.vocabulary.encode(known) or [UNKNOWN_ID] for known in words]

    def forward(self, premise_ids: Tensor, hypothesis_ids: Tensor) -> Tensor:
        """Return logits [batch, classes] of padded word ids [batch, length] each."""
        premise, hypothesis = self.embedding(premise_ids), self.embedding(hypothesis_ids)
        logits: Tensor = self.network(premise, premise_ids != PAD_ID, hypothesis, hypothesis_ids != PAD_ID)
        return logits

    @torch.no_grad()
    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes], float32 on the CPU, in the order of ``label_names``.

        Raises:
            ValueError: If the numbers of premises and hypotheses differ.
        """
        if len(premises) != len(hypotheses):
            raise ValueError(f"expected as many premises as hypotheses, got {len(premises)} and {len(hypotheses)}")
        pairs = list(zip(self.encode(premises), self.encode(hypotheses), strict=True))
        lengths = [(len(premise), len(hypothesis)) for premise, hypothesis in pairs]
        probabilities = torch.empty(len(pairs), len(self.label_names))
        was_training = self.training
        self.eval()
        for rows, (premise_width, hypothesis_width) in constant_shape_batches(lengths, self.batch_size):
            filled = rows + rows[-1:] * num_rows_to_fill(len(rows), self.batch_size, self.device.type)
            premise_ids = pad_ids([pairs[row][0] for row in filled], premise_width).to(self.device)
            hypothesis_ids = pad_ids([pairs[row][1] for row in filled], hypothesis_width).to(self.device)
            logits = self(premise_ids, hypothesis_ids)[: len(rows)]
            probabilities[rows] = logits.softmax(dim=-1).float().cpu()
        self.train(was_training)
        return probabilities

    def logits_from_soft_words(
        self, premises: Sequence[str], word_ids: Tensor, weights: Tensor, mask: Tensor, words: Sequence[str]
    ) -> Tensor:
        """Return logits [batch, classes] of hypotheses whose word vectors are mixtures, differentiable in ``weights``.

            vector_i = sum_k weights_ik E[word_ids_ik]

        A word that this target's vocabulary lacks counts with the vector of unknown words; pad, start, end with zero.

        Args:
            premises: One premise a row.
            word_ids: Indices into ``words``, [batch, length, choices].
            weights: Probability of each choice, [batch, length, choices]; rows need not sum to one.
            mask: True where a word stands, [batch, length].
            words: The surface word behind each index (lower case).

        Raises:
            ValueError: If the shapes do not fit each other.
        """
        if word_ids.shape != weights.shape or word_ids.dim() != 3:
            shapes = f"{list(word_ids.shape)} and {list(weights.shape)}"
            raise ValueError(f"expected word_ids and weights of one shape [batch, length, choices], got {shapes}")
        B, L, _ = word_ids.shape
        if list(mask.shape) != [B, L] or len(premises) != B:
            raise ValueError(
                f"expected {B} premises and a mask of [{B}, {L}], got {len(premises)} and {list(mask.shape)}"
            )
        rows = self._own_rows(words)[word_ids.to(self.device)].flatten(0, 1)
        weights = weights.to(self.device, self.embedding.weight.dtype).flatten(0, 1)
        # One fused sum: [batch, length, choices, embedding] with the whole vocabulary as choices would fill the memory.
        mixed = F.embedding_bag(rows, self.embedding.weight, per_sample_weights=weights, mode="sum").reshape(B, L, -1)
        encoded = self.encode(premises)
        premise_ids = pad_ids(encoded, max(map(len, encoded))).to(self.device)
        premise = self.embedding(premise_ids)
        logits: Tensor = self.network(premise, premise_ids != PAD_ID, mixed, mask.to(self.device))
        return logits

    def _own_rows(self, words: Sequence[str]) -> Tensor:
        """Return this vocabulary's id of each of the caller's words; remembered until other words come."""
        words = tuple(words)
        if self._callers_rows is None or words != self._callers_words:
            self._callers_words = words
            self._callers_rows = torch.tensor(self.vocabulary.encode(words))
        self._callers_rows = self._callers_rows.to(self.device)
        return self._callers_rows


def pad_ids(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    """Return ids [batch, width], padded at the end."""
    return torch.tensor([[*row, *[PAD_ID] * (width - len(row))] for row in rows])
