"""The CNN sentence encoder of Table 10: convolutions over a ``length x embedding`` matrix, then dense layers."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["CNNEncoder", "CNNEncoderConfig"]


@dataclass(frozen=True)
class CNNEncoderConfig:
    """Shape of a ``CNNEncoder``.

    Args:
        length: Positions of the input, end symbol included.
        embedding_dim: Width of a word vector.
        channels: Filters of each convolution.
        num_layers: Convolutions; those after the first are residual.
        kernel_size: Positions that a filter sees, odd.
        hidden: Widths of the dense layers after the convolutions ([40, 40] in Table 10).
        feature_dim: Width of the features.
    """

    length: int
    embedding_dim: int = 100
    channels: int = 128
    num_layers: int = 3
    kernel_size: int = 5
    hidden: tuple[int, ...] = ()
    feature_dim: int = 300


class CNNEncoder(nn.Module):
    """Read a sentence at once: convolutions over positions, all positions flattened, dense layers.

    Table 10 (feature extractor, SNLI: input 10 x 100, hidden [40, 40], output 100).  Positions are not pooled: a code
    that the sentence has to come back from must know the order of its words.  GELU follows every layer but the last.

    Args:
        config: Shape of the encoder.
    """

    def __init__(self, config: CNNEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_dim = config.feature_dim
        widths = [config.embedding_dim] + [config.channels] * config.num_layers
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, config.kernel_size, padding=config.kernel_size // 2) for a, b in pairwise(widths)
        )
        dims = [config.channels * config.length, *config.hidden, config.feature_dim]
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Return features.

        Args:
            embedded: Word vectors, [batch, length, embedding].
            mask: True on words and the end symbol, [batch, length]; other positions are read as zeros.

        Returns:
            Features, [batch, feature].
        """
        hidden = torch.where(mask[..., None], embedded, 0.0).transpose(-1, -2)
        for i, convolution in enumerate(self.convolutions):
            out = nn.functional.gelu(convolution(hidden))
            hidden = hidden + out if i else out
        features: Tensor = hidden.flatten(start_dim=-2)
        for i, layer in enumerate(self.dense):
            features = layer(nn.functional.gelu(features) if i else features)
        return features
