"""A small attention model of premise and hypothesis, built for a CPU: windows, soft alignment, comparison, pooling.

After the decomposable attention model (Parikh et al. 2016, arXiv:1606.01933): attend, compare, aggregate.  Differs from
it in that words are read in context (windows of three words, residual) before and after the alignment, that the
comparison also sees difference and product (Chen et al. 2017, ESIM, arXiv:1609.06038), and that mean and maximum are
pooled.  Windows stand where ESIM has LSTMs: they are matrix products and nothing else.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.targets.pooling import WordDropout, masked_max, masked_mean
from textsem.text.constant_shapes import check_width

__all__ = ["AttentionConfig", "AttentionNetwork"]


@dataclass(frozen=True)
class AttentionConfig:
    """Shape the attention model.

    Args:
        embedding_dim: Width of a word vector.
        hidden_dim: Width of a word in context.
        num_layers: Window layers before the alignment.
        classifier_dim: Width of the hidden layer before the logits.
        dropout: Share of word-vector entries and hidden units set to zero in training.
        num_classes: Width of the output.
    """

    embedding_dim: int = 150
    hidden_dim: int = 192
    num_layers: int = 2
    classifier_dim: int = 200
    dropout: float = 0.2
    num_classes: int = 3

    def __post_init__(self) -> None:
        """Check the widths that reach the logits."""
        check_width("hidden_dim", self.hidden_dim)
        check_width("classifier_dim", self.classifier_dim)


class AttentionNetwork(nn.Module):
    """Align the words of premise and hypothesis softly, compare what is aligned, and classify.

        e_ij = F(a_i) . F(b_j) / sqrt(d),   beta_i = sum_j softmax_j(e_ij) b_j,   alpha_j = sum_i softmax_i(e_ij) a_i
        v_i = G([a_i, beta_i, a_i - beta_i, a_i * beta_i]),   logits = H([mean v, max v, mean w, max w])

    with a, b the words of premise and hypothesis in context and w_j made of b_j and alpha_j as v_i of a_i and beta_i.

    Args:
        config: Sizes.
    """

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_dim
        self.dropout = WordDropout(config.dropout)
        self.projection = nn.Linear(config.embedding_dim, width)
        self.context = nn.ModuleList(nn.Linear(3 * width, width) for _ in range(config.num_layers))
        self.attend = nn.Linear(width, width)
        self.compare = nn.Linear(4 * width, width)
        self.compare_context = nn.Linear(3 * width, width)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(4 * width, config.classifier_dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.classifier_dim, config.num_classes),
        )

    def forward(self, premise: Tensor, premise_mask: Tensor, hypothesis: Tensor, hypothesis_mask: Tensor) -> Tensor:
        """Return logits [batch, classes] of word vectors [batch, length, embedding]; masks are True on words."""
        a = self._read(premise, premise_mask)
        b = self._read(hypothesis, hypothesis_mask)
        e = F.gelu(self.attend(self.dropout(a))) @ F.gelu(self.attend(self.dropout(b))).transpose(1, 2)
        e = e / self.config.hidden_dim**0.5
        lowest = torch.finfo(e.dtype).min
        beta = torch.where(hypothesis_mask[:, None, :], e, lowest).softmax(dim=2) @ b
        alpha = torch.where(premise_mask[:, :, None], e, lowest).softmax(dim=1).transpose(1, 2) @ a
        pooled = torch.cat([self._compare(a, beta, premise_mask), self._compare(b, alpha, hypothesis_mask)], dim=-1)
        logits: Tensor = self.classifier(pooled)
        return logits

    def _read(self, words: Tensor, mask: Tensor) -> Tensor:
        """Return the words in context, zero at padding."""
        states = torch.where(mask[..., None], self.projection(self.dropout(words)), 0.0)
        for layer in self.context:
            states = _add_context(states, layer, self.dropout, mask)
        return states

    def _compare(self, own: Tensor, aligned: Tensor, mask: Tensor) -> Tensor:
        """Return mean and maximum of the compared words, [batch, 2 * hidden]."""
        joined = torch.cat([own, aligned, own - aligned, own * aligned], dim=-1)
        compared = torch.where(mask[..., None], F.gelu(self.compare(self.dropout(joined))), 0.0)
        compared = _add_context(compared, self.compare_context, self.dropout, mask)
        return torch.cat([masked_mean(compared, mask), masked_max(compared, mask)], dim=-1)


def _add_context(states: Tensor, layer: nn.Module, dropout: nn.Module, mask: Tensor) -> Tensor:
    """Add to each word what ``layer`` reads in the window of it and its two neighbours; padding stays zero."""
    padded = F.pad(dropout(states), (0, 0, 1, 1))
    window = torch.cat([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]], dim=-1)
    return torch.where(mask[..., None], states + F.gelu(layer(window)), 0.0)
