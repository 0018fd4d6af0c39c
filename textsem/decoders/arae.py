"""The decoder of ARAE: an LSTM that reads the code at every position."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.decoders.generation import State, StepwiseModule
from textsem.text.vocabulary import START_ID

__all__ = ["ARAEDecoder", "ARAEDecoderConfig"]


@dataclass(frozen=True)
class ARAEDecoderConfig:
    """Shape of an ``ARAEDecoder``; the sizes by default are those of Zhao et al. 2018 (arXiv:1706.04223) for SNLI.

    Args:
        latent_dim: Width of a code as it comes in.
        length: Positions of the output, end symbol included.
        embedding_dim: Width of a word vector.
        hidden_dim: Width of the LSTM's state.
        code_dim: Width of a code on the sphere; another than ``latent_dim`` adds a linear layer before the sphere.
        code_input: What the LSTM reads of the code: ``constant``, as published, the same code at every position;
            ``positional``, a linear view of the code for each position, which learns several times as fast.
        view_dim: Width of such a view; ``constant`` does not read it.
    """

    latent_dim: int
    length: int
    embedding_dim: int = 100
    hidden_dim: int = 300
    code_dim: int = 300
    code_input: Literal["constant", "positional"] = "positional"
    view_dim: int = 128

    def __post_init__(self) -> None:
        """Check the choice and the sizes."""
        if self.code_input not in ("constant", "positional"):
            raise ValueError(f"expected code_input constant or positional, got {self.code_input!r}")
        sizes = (self.latent_dim, self.length, self.embedding_dim, self.hidden_dim, self.code_dim, self.view_dim)
        if min(sizes) < 1:
            raise ValueError(f"expected sizes >= 1, got {self}")


class ARAEDecoder(StepwiseModule):
    """Write a sentence word by word from a code on the unit sphere.

        h_t = LSTM([word_{t-1}; view_t(c)], h_{t-1}),   h_0 = c,   vector_t = W h_t / |W h_t|

    Zhao et al. 2018, Sec. 5; their released decoder reads [word; c].  Differs from it in that words are chosen by
    cosine with the embedding table (tied output), as by all decoders here.

    Args:
        config: Shape of the decoder.
    """

    def __init__(self, config: ARAEDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.length = config.length
        C, H = config.code_dim, config.hidden_dim
        is_positional = config.code_input == "positional"
        self.lift = nn.Linear(config.latent_dim, C) if config.latent_dim != C else None
        self.start = nn.Linear(C, H) if C != H else None
        self.view = nn.Linear(C, config.length * config.view_dim) if is_positional else None
        self.lstm = nn.LSTM(config.embedding_dim + (config.view_dim if is_positional else C), H, batch_first=True)
        self.out = nn.Linear(H, config.embedding_dim)

    def sphere(self, codes: Tensor) -> Tensor:
        """Return unit-length codes [..., code] of ``codes`` [..., latent]."""
        return F.normalize(codes if self.lift is None else self.lift(codes), dim=-1)

    def forward(self, codes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding], each of which has seen the words before it.

        All positions in one call of the LSTM.  Arguments as for ``Decoder.__call__``.
        """
        lead, L = codes.shape[:-1], self.length
        rows = codes.reshape(-1, self.latent_dim)
        if not len(rows):  # torch's LSTM takes no empty batch
            return codes.new_zeros(*lead, L, self.config.embedding_dim)
        words = ids.expand(*lead, L).reshape(-1, L)
        before = torch.cat([torch.full_like(words[:, :1], START_ID), words[:, :-1]], dim=1)
        views, hidden, cell = self._first(rows)
        inputs = torch.cat([F.embedding(before, table).to(views.dtype), views], dim=-1)
        states, _ = self.lstm(inputs, (hidden[None], cell[None]))
        return F.normalize(self.out(states), dim=-1).reshape(*lead, L, -1)

    def _first(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return views [rows, length, view], first hidden state and first cell [rows, hidden] of codes."""
        codes = self.sphere(rows)
        if self.view is None:
            views = codes[:, None].expand(-1, self.length, -1)
        else:
            views = self.view(codes).unflatten(-1, (self.length, self.config.view_dim))
        hidden = codes if self.start is None else self.start(codes)
        return views, hidden.to(views.dtype), torch.zeros_like(hidden, dtype=views.dtype)

    def begin(self, codes: Tensor) -> State:
        """Return the state before the first word: views of the code, hidden state, cell, position."""
        views, hidden, cell = self._first(codes)
        return views, hidden, cell, torch.zeros(len(codes), dtype=torch.int64, device=codes.device)

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        """Read one word a row, give the vectors of the next position; see ``StepwiseDecoder.advance``."""
        views, hidden, cell, position = state
        if not len(words):
            return hidden.new_zeros(0, self.config.embedding_dim), state
        view = views[torch.arange(len(words), device=words.device), position]
        inputs = torch.cat([F.embedding(words, table).to(view.dtype), view], dim=-1)
        out, (hidden, cell) = self.lstm(inputs[:, None], (hidden[None], cell[None]))
        return F.normalize(self.out(out[:, 0]), dim=-1), (views, hidden[0], cell[0], position + 1)
