"""The language model decoder: a small causal transformer that is told the code at every position."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.decoders.generation import State, StepwiseModule
from textsem.text.vocabulary import START_ID

__all__ = ["LanguageModelDecoder", "LanguageModelDecoderConfig"]


@dataclass(frozen=True)
class LanguageModelDecoderConfig:
    """Shape of a ``LanguageModelDecoder``.

    Args:
        latent_dim: Width of a code.
        length: Positions of the output, end symbol included.
        embedding_dim: Width of a word vector.
        hidden_dim: Width of a position between the layers.
        num_layers: Transformer layers, at least 1.
        num_heads: Attention heads of each; they share ``hidden_dim`` evenly.
        feedforward_dim: Width inside a layer's feed-forward network.
    """

    latent_dim: int
    length: int
    embedding_dim: int = 100
    hidden_dim: int = 256
    num_layers: int = 2
    num_heads: int = 4
    feedforward_dim: int = 512

    def __post_init__(self) -> None:
        """Check that there is a layer, and that the heads fit."""
        if self.num_layers < 1:
            raise ValueError(f"expected num_layers >= 1, got {self.num_layers}")
        if self.num_heads < 1 or self.hidden_dim % self.num_heads:
            raise ValueError(f"expected num_heads that divide hidden_dim, {self.hidden_dim}, got {self.num_heads}")


class LanguageModelDecoder(StepwiseModule):
    """Predict each word from the code and the words before it (METHOD section 4, decoder (ii)).

        h_t = S_t z + b_t + V w_{t-1},   u_t = normalize(O norm(transformer(h_1 .. h_t)))

    w_{t-1} is the vector of the word before, of length sqrt(embedding), at first that of the start symbol.  Each
    position has its own map S_t of the code, as in the transpose CNN, so that the code can say a word before attention
    has learned anything; the bias b_t of that map is also what tells the positions apart.  Layers normalise their
    input (pre-norm) and have no dropout.  The paper does not say what its language model is.

    Args:
        config: Shape of the decoder.
    """

    def __init__(self, config: LanguageModelDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.length = config.length
        self.spread = nn.Linear(config.latent_dim, config.length * config.hidden_dim)
        self.read = nn.Linear(config.embedding_dim, config.hidden_dim, bias=False)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.hidden_dim)
        self.out = nn.Linear(config.hidden_dim, config.embedding_dim)

    def forward(self, codes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding], of all positions at once; see ``Decoder``."""
        start = ids.new_full((*ids.shape[:-1], 1), START_ID)
        words = self._read(torch.cat([start, ids[..., :-1]], dim=-1), table)
        inputs = self._spread(codes) + words
        hidden = inputs.reshape(-1, self.length, self.config.hidden_dim)
        nothing = hidden[:, :0]
        for layer in self.layers:
            hidden, _, _ = layer(hidden, nothing, nothing)
        return self._vectors(hidden, codes).reshape(*inputs.shape[:-1], self.config.embedding_dim)

    def begin(self, codes: Tensor) -> State:
        """Return the state before the first word of ``codes`` [rows, latent].

        What the code says to each position [rows, length, hidden], and the keys and the values of the positions so far,
        both [rows, layers, positions, hidden].
        """
        spread = self._spread(codes).to(codes.dtype)
        nothing = spread.new_zeros(len(codes), self.config.num_layers, 0, self.config.hidden_dim)
        return spread, nothing, nothing

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        """Read the word just written, give the vector of the next position; see ``StepwiseDecoder``."""
        spread, keys, values = state
        hidden = (spread[:, keys.shape[2]] + self._read(words, table))[:, None]
        all_keys, all_values = [], []
        for i, layer in enumerate(self.layers):
            hidden, layer_keys, layer_values = layer(hidden, keys[:, i], values[:, i])
            all_keys.append(layer_keys)
            all_values.append(layer_values)
        state = spread, torch.stack(all_keys, dim=1), torch.stack(all_values, dim=1)
        return self._vectors(hidden, spread)[:, 0], state

    def _spread(self, codes: Tensor) -> Tensor:
        """Return what the code [..., latent] says to each position, [..., length, hidden]."""
        spread: Tensor = self.spread(codes).unflatten(-1, (self.length, self.config.hidden_dim))
        return spread

    def _read(self, words: Tensor, table: Tensor) -> Tensor:
        """Return what words [...] say to the position behind them, [..., hidden]."""
        # Coordinates of size 1, as those of a code on its sphere: else words would be learned far later than the code.
        read: Tensor = self.read(math.sqrt(self.config.embedding_dim) * F.embedding(words, table))
        return read

    def _vectors(self, hidden: Tensor, like: Tensor) -> Tensor:
        """Return unit-length vectors [..., embedding] of ``hidden`` [..., hidden], of the precision of ``like``."""
        return F.normalize(self.out(self.norm(hidden)).to(like.dtype), dim=-1)


class _Layer(nn.Module):
    """Causal self-attention and a feed-forward network, each on normalised input and added to it."""

    def __init__(self, config: LanguageModelDecoderConfig) -> None:
        super().__init__()
        H = config.hidden_dim
        self.num_heads = config.num_heads
        self.attention_norm = nn.LayerNorm(H)
        self.attention_in = nn.Linear(H, 3 * H)
        self.attention_out = nn.Linear(H, H)
        self.feedforward_norm = nn.LayerNorm(H)
        self.feedforward_in = nn.Linear(H, config.feedforward_dim)
        self.feedforward_out = nn.Linear(config.feedforward_dim, H)

    def forward(self, hidden: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run new positions behind those whose keys and values are given.

        Args:
            hidden: The new positions, [rows, positions, hidden].
            keys: [rows, before, hidden].
            values: The same shape.

        Returns:
            The new positions' outputs, and keys and values of all positions, [rows, before + positions, hidden].
        """
        queries, new_keys, new_values = self.attention_in(self.attention_norm(hidden)).chunk(3, dim=-1)
        keys, values = torch.cat([keys.to(new_keys), new_keys], 1), torch.cat([values.to(new_values), new_values], 1)
        hidden = hidden + self.attention_out(_attend(queries, keys, values, self.num_heads))
        inner = F.gelu(self.feedforward_in(self.feedforward_norm(hidden)))
        return hidden + self.feedforward_out(inner), keys, values


def _attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    """Let each of the last positions look at itself and those before it, [rows, positions, hidden].

    Written out: torch's scaled_dot_product_attention takes five times as long in bfloat16 at such lengths (38 ms
    against 8 ms for 128 rows of 17 positions and 4 heads, forward and backward, one thread).

    Args:
        queries: [rows, positions, hidden].
        keys: [rows, before + positions, hidden].
        values: The same shape.
        num_heads: Attention heads; each has its slice of hidden.
    """
    head_dim = queries.shape[-1] // num_heads
    q, k, v = (part.reshape(*part.shape[:2], num_heads, head_dim).transpose(1, 2) for part in (queries, keys, values))
    weights = q @ k.transpose(-1, -2) / math.sqrt(head_dim)
    positions, all_positions = weights.shape[-2:]
    sees = torch.ones(positions, all_positions, dtype=torch.bool, device=queries.device)
    weights = weights.masked_fill(~sees.tril(all_positions - positions), -torch.inf).softmax(dim=-1)
    return (weights.to(v.dtype) @ v).transpose(1, 2).flatten(-2)
