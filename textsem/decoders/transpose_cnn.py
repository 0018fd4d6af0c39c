"""The transpose CNN decoder of Table 10: three layers, kernel 5, stride 1 for text."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.decoders.generation import ROWS, choose_words
from textsem.protocols import GenerationConfig

__all__ = ["TransposeCNNDecoder", "TransposeCNNDecoderConfig"]


@dataclass(frozen=True)
class TransposeCNNDecoderConfig:
    """Shape of a ``TransposeCNNDecoder``.

    Args:
        latent_dim: Width of a code.
        length: Positions of the output, end symbol included.
        embedding_dim: Width of a word vector.
        channels: Filters of each layer (64 in Table 10).
        num_layers: Transposed convolutions (3 in Table 10).
        kernel_size: Positions that a filter writes to, odd (5 in Table 10).
        has_norm: Normalise the channels before each layer and add each layer to its input; False is the plain stack.
    """

    latent_dim: int
    length: int
    embedding_dim: int = 100
    channels: int = 128
    num_layers: int = 3
    kernel_size: int = 5
    has_norm: bool = True


class _TransposedConvolution(nn.ConvTranspose1d):
    """Keeps the length, and adds its bias apart: together, in bfloat16 on a processor, torch takes thrice as long."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return [batch, channels, length] for an input of that shape."""
        out = F.conv_transpose1d(input, self.weight, padding=self.kernel_size[0] // 2)
        return out if self.bias is None else out + self.bias.to(out.dtype)[:, None]


class TransposeCNNDecoder(nn.Module):
    """Spread a code over all positions, refine them by transposed convolutions, give one unit vector a position.

    Table 10, decoder (i); METHOD reading "words by similarity to the embedding table": the caller compares the vectors
    with the table.

    Args:
        config: Shape of the decoder.
    """

    is_autoregressive = False

    def __init__(self, config: TransposeCNNDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.length = config.length
        C = config.channels
        self.spread = nn.Linear(config.latent_dim, C * config.length)
        self.layers = nn.ModuleList(
            _TransposedConvolution(C, C, config.kernel_size, padding=config.kernel_size // 2)
            for _ in range(config.num_layers)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(1, C) for _ in range(config.num_layers if config.has_norm else 0))
        self.out = nn.Linear(C, config.embedding_dim)

    def forward(self, codes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding] for ``codes`` [..., latent]; reads no word."""
        return self.vectors(codes)

    def vectors(self, codes: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding] for ``codes`` [..., latent]."""
        lead = codes.shape[:-1]
        hidden = self.spread(codes.reshape(-1, self.latent_dim)).unflatten(-1, (self.config.channels, self.length))
        hidden = nn.functional.gelu(hidden)
        for i, layer in enumerate(self.layers):
            inner = self.norms[i](hidden) if self.config.has_norm else hidden
            out = nn.functional.gelu(layer(inner))
            hidden = hidden + out if self.config.has_norm else out
        vectors = nn.functional.normalize(self.out(hidden.transpose(-1, -2)), dim=-1)
        return vectors.reshape(*lead, self.length, self.config.embedding_dim)

    def generate(
        self,
        codes: Tensor,
        table: Tensor,
        *,
        scale: float,
        config: GenerationConfig,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the words of each position by itself, ids [..., length]; see ``Decoder.generate``."""
        parts = [
            choose_words(self.vectors(rows), table, scale=scale, config=config, generator=generator)
            for rows in torch.split(codes.reshape(-1, self.latent_dim), ROWS)
        ]
        return torch.cat(parts).reshape(*codes.shape[:-1], self.length)
