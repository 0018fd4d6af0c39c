"""The LSTM sentence encoder of ARAE: the state after the last word."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LSTMEncoder", "LSTMEncoderConfig"]


@dataclass(frozen=True)
class LSTMEncoderConfig:
    """Shape of an ``LSTMEncoder``; the defaults are those of Zhao et al. 2018 (arXiv:1706.04223) for SNLI.

    Args:
        length: Positions of the input, end symbol included.
        embedding_dim: Width of a word vector.
        hidden_dim: Width of the state.
        num_layers: LSTMs, one on top of the other.
        feature_dim: Width of the features; another than ``hidden_dim`` adds a linear layer.
    """

    length: int
    embedding_dim: int = 100
    hidden_dim: int = 300
    num_layers: int = 1
    feature_dim: int = 300


class LSTMEncoder(nn.Module):
    """Read a sentence word by word and give the state after its last word, the end symbol.

    Words come before pads, so that no state that is given has read a pad.

    Args:
        config: Shape of the encoder.
    """

    def __init__(self, config: LSTMEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_dim = config.feature_dim
        self.lstm = nn.LSTM(config.embedding_dim, config.hidden_dim, config.num_layers, batch_first=True)
        is_projected = config.feature_dim != config.hidden_dim
        self.project = nn.Linear(config.hidden_dim, config.feature_dim) if is_projected else None

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Return features.

        Args:
            embedded: Word vectors, [batch, length, embedding].
            mask: True on words and the end symbol, which come before all pads, [batch, length].

        Returns:
            Features, [batch, feature].
        """
        B = len(embedded)
        if not B:  # torch's LSTM takes no empty batch
            return embedded.new_zeros(0, self.feature_dim)
        states, _ = self.lstm(torch.where(mask[..., None], embedded, 0.0))
        last = (mask.sum(dim=1) - 1).clamp(min=0)
        features: Tensor = states[torch.arange(B, device=embedded.device), last]
        return features if self.project is None else self.project(features)
