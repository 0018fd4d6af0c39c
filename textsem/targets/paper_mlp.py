"""The paper's SNLI classifier (Table 10): 200 -> [100, 100, 100] -> 3, premise code and hypothesis code of 100 each.

The paper does not say how a sentence becomes its code of 100.  Here: one linear layer over the mean and the maximum of
the word vectors, the same for premise and hypothesis; the plainest thing that reads every word.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from textsem.targets.pooling import WordDropout, masked_max, masked_mean
from textsem.text.constant_shapes import check_width

__all__ = ["PaperMLP", "PaperMLPConfig"]


@dataclass(frozen=True)
class PaperMLPConfig:
    """Shape the paper's classifier.

    Args:
        embedding_dim: Width of a word vector.
        code_dim: Width of a sentence code.
        hidden_dims: Widths of the hidden layers.
        dropout: Share of word-vector entries and hidden units set to zero in training.
        num_classes: Width of the output.
    """

    embedding_dim: int = 100
    code_dim: int = 100
    hidden_dims: tuple[int, ...] = (100, 100, 100)
    dropout: float = 0.1
    num_classes: int = 3

    def __post_init__(self) -> None:
        """Check the widths that reach the logits."""
        check_width("code_dim", self.code_dim)
        for width in self.hidden_dims:
            check_width("each of hidden_dims", width)


class PaperMLP(nn.Module):
    """Classify a pair from two sentence codes.

        code(s) = W [mean_i s_i, max_i s_i] + b,    logits = MLP([code(premise), code(hypothesis)])

    Args:
        config: Sizes; Table 10 by default.
    """

    def __init__(self, config: PaperMLPConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = WordDropout(config.dropout)
        self.code = nn.Linear(2 * config.embedding_dim, config.code_dim)
        layers: list[nn.Module] = []
        width = 2 * config.code_dim
        for hidden_dim in config.hidden_dims:
            layers += [nn.Linear(width, hidden_dim), nn.ReLU(), nn.Dropout(config.dropout)]
            width = hidden_dim
        self.classifier = nn.Sequential(*layers, nn.Linear(width, config.num_classes))

    def forward(self, premise: Tensor, premise_mask: Tensor, hypothesis: Tensor, hypothesis_mask: Tensor) -> Tensor:
        """Return logits [batch, classes] of word vectors [batch, length, embedding]; masks are True on words."""
        codes = torch.cat([self._encode(premise, premise_mask), self._encode(hypothesis, hypothesis_mask)], dim=-1)
        logits: Tensor = self.classifier(codes)
        return logits

    def _encode(self, words: Tensor, mask: Tensor) -> Tensor:
        words = self.dropout(words)
        code: Tensor = self.code(torch.cat([masked_mean(words, mask), masked_max(words, mask)], dim=-1))
        return code
