"""The pre-trained decoder: any causal or sequence-to-sequence model of transformers, told the code by a prefix."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.decoders.generation import State, StepwiseModule
from textsem.decoders.pretrained_loading import load_language_model
from textsem.decoders.pretrained_model import (
    Family,
    build_language_model,
    check_positions,
    fill_in_shared,
    leave_out_shared,
    prefix_neighbours,
    widths,
)
from textsem.decoders.pretrained_words import lay_out_pieces, word_pieces
from textsem.latent.initialisation import draw_layers, materialise
from textsem.text.vocabulary import START_ID

__all__ = ["PretrainedDecoder", "PretrainedDecoderConfig"]


@dataclass(frozen=True)
class PretrainedDecoderConfig:
    """Shape of a ``PretrainedDecoder``: enough to build it without its tokenizer, its folder or the hub.

    Args:
        latent_dim: Width of a code.
        length: Positions of the output, end symbol included.
        embedding_dim: Width of a word vector.
        family: ``causal``: the prefix stands before the words; ``seq2seq``: the encoder reads the prefix, the decoder
            the words.
        model_config: The model's own configuration in plain JSON types, ``model_type`` included.
        vocab_size: Words of this package's vocabulary, the four special ones included.
        num_prefix: Input vectors that the code is turned into.
        max_pieces: Subwords of a word that are read; the rest of a longer word is cut off.
        is_frozen: The language model stays as it is and prefix and output layer learn; otherwise all of it learns.
    """

    latent_dim: int
    length: int
    embedding_dim: int = 100
    _: KW_ONLY
    family: Family
    model_config: dict[str, Any]
    vocab_size: int
    num_prefix: int = 4
    max_pieces: int = 4
    is_frozen: bool = True

    def __post_init__(self) -> None:
        """Check the choice and the ranges."""
        if self.family not in ("causal", "seq2seq"):
            raise ValueError(f"expected family causal or seq2seq, got {self.family!r}")
        if self.num_prefix < 1 or self.max_pieces < 1:
            raise ValueError(
                f"expected num_prefix and max_pieces of at least 1, got {self.num_prefix} and {self.max_pieces}"
            )


class PretrainedDecoder(StepwiseModule):
    """Predict each word's vector with a pre-trained language model that reads the code as a prefix of its input.

        causal:   h = model(P z, e(s), e(w_0), .., e(w_{t-1}))
        seq2seq:  h = decoder(s, w_0, .., w_{t-1}; encoder(P z))
        u_t = normalize(O norm(h at the last subword of w_{t-1}))

    s is the model's start token, e its own embedding of a word's subwords ("pieces"), P a linear map of the code to
    ``num_prefix`` input vectors.  Li & Liang 2021 (arXiv:2101.00190) learn free keys and values in front of every
    layer, one set a task; here only the input has a prefix, and each code its own.  Words stay those of this package's
    vocabulary: their pieces are computed once, from the tokenizer, and saved with the weights, and the vectors u_t are
    compared with the word table as those of any decoder.  So one word is one choice, however many pieces it has.

    The constructor gives the language model random weights, ``from_language_model`` its own.  Its dropout never acts.

    Args:
        config: Shape of the decoder.

    Raises:
        ValueError: If transformers knows no such model, or the model has too few positions.
    """

    pieces: Tensor

    def __init__(self, config: PretrainedDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = config.latent_dim
        self.length = config.length
        self.language_model = build_language_model(config.model_config)
        self.language_model.requires_grad_(not config.is_frozen)
        check_positions(
            self.language_model,
            config.family,
            num_prefix=config.num_prefix,
            num_tokens=1 + (config.length - 1) * config.max_pieces,
        )
        input_dim, hidden_dim = widths(self.language_model, config.family)
        self.prefix = nn.Linear(config.latent_dim, config.num_prefix * input_dim)
        self.norm = nn.LayerNorm(hidden_dim)
        self.out = nn.Linear(hidden_dim, config.embedding_dim)
        self.register_buffer("pieces", torch.zeros(config.vocab_size, config.max_pieces, dtype=torch.long))
        self.register_state_dict_post_hook(leave_out_shared)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(fill_in_shared)  # type: ignore[no-untyped-call]

    @classmethod
    def from_language_model(
        cls,
        name_or_folder: str,
        vocabulary_words: Sequence[str],
        *,
        latent_dim: int,
        length: int,
        embedding_dim: int = 100,
        num_prefix: int = 4,
        max_pieces: int = 4,
        is_frozen: bool = True,
        generator: torch.Generator,
        revision: str | None = None,
        token: str | None = None,
        local_files_only: bool = False,
    ) -> "PretrainedDecoder":
        """Put a language model behind codes: its weights as they are, prefix and output layer drawn.

        Args:
            name_or_folder: A folder, or a hub id: first from the local cache, then from the hub if it answers at once.
            vocabulary_words: ``Vocabulary.words``: the four special symbols, then the words.
            latent_dim: Width of a code.
            length: Positions of the output, end symbol included.
            embedding_dim: Width of a word vector.
            num_prefix: Input vectors that the code is turned into.
            max_pieces: Most subwords of a word.
            is_frozen: See ``PretrainedDecoderConfig``.
            generator: Of the new layers.
            revision: Of the hub's repository.
            token: Of the hub, for repositories that ask for one.
            local_files_only: Never ask the hub.

        Raises:
            ValueError: If there is no causal or sequence-to-sequence model with safetensors weights, or no tokenizer
                with pad and end token that belongs to it and can write the words.
        """
        source = load_language_model(name_or_folder, revision=revision, token=token, local_files_only=local_files_only)
        pieces = word_pieces(source.tokenizer, vocabulary_words, max_pieces=max_pieces, start_id=source.start_id)
        config = PretrainedDecoderConfig(
            latent_dim,
            length,
            embedding_dim,
            family=source.family,
            model_config=source.model_config,
            vocab_size=len(vocabulary_words),
            num_prefix=num_prefix,
            max_pieces=max_pieces,
            is_frozen=is_frozen,
        )
        with torch.device("meta"):
            decoder = cls(config)
        materialise(decoder)
        with torch.no_grad():
            decoder.language_model.load_state_dict(source.model.state_dict(), strict=True)
            decoder.pieces.copy_(pieces)
            for layer in decoder._new_layers():
                draw_layers(layer, generator)
            # As large as the model's own inputs: codes have coordinates of size 1, drawn weights 1 / sqrt(3 latent).
            size = 3**0.5 * prefix_neighbours(decoder.language_model, config.family)(pieces[pieces >= 0]).std()
            decoder.prefix.weight.mul_(size)
            decoder.prefix.bias.mul_(size)
        return decoder.eval()

    def forward(self, codes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
        """Return unit-length vectors [..., length, embedding], of all positions at once; see ``Decoder``."""
        lead: torch.Size = torch.broadcast_shapes(codes.shape[:-1], ids.shape[:-1])  # type: ignore[no-untyped-call]
        before = torch.cat([torch.full_like(ids[..., :1], START_ID), ids[..., :-1]], dim=-1)
        rows = codes.expand(*lead, -1).reshape(-1, self.latent_dim)
        vectors = self._vectors(rows, before.expand(*lead, -1).reshape(-1, self.length))
        return vectors.reshape(*lead, self.length, self.config.embedding_dim)

    def begin(self, codes: Tensor) -> State:
        """Return the state before the first word: the codes [rows, latent], and the words read, [rows, 0]."""
        return codes, codes.new_zeros(len(codes), 0, dtype=torch.long)

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        """Read the word just written, give the vector of the next position; see ``StepwiseDecoder``.

        All words so far are run again: rows have different numbers of pieces, and not every family can keep keys and
        values with gaps between them.  A sentence of n words takes n forward passes.
        """
        codes, read = state
        read = torch.cat([read, words[:, None]], dim=1)
        return self._vectors(codes, read)[:, -1], (codes, read)

    def train(self, mode: bool = True) -> "PretrainedDecoder":
        """Set the mode of the new layers; the language model stays in evaluation mode, without dropout."""
        super().train(mode)
        self.language_model.eval()
        return self

    def new_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the weights that no one has trained before: those of prefix and output layer."""
        for layer in self._new_layers():
            yield from layer.parameters()

    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the weights of the language model, shared ones once."""
        yield from self.language_model.parameters()

    def _new_layers(self) -> tuple[nn.Module, ...]:
        return self.prefix, self.norm, self.out

    def _vectors(self, codes: Tensor, words: Tensor) -> Tensor:
        """Return the unit-length vector of the position after each word, [rows, words, embedding].

        Args:
            codes: [rows, latent].
            words: Words read, the start symbol first, [rows, words].
        """
        if not len(codes):
            return codes.new_zeros(*words.shape, self.config.embedding_dim)
        tokens, mask, last = lay_out_pieces(self.pieces[words])
        prefix = self.prefix(codes).unflatten(-1, (self.config.num_prefix, -1))
        prefix_mask = mask.new_ones(len(codes), self.config.num_prefix)
        if self.config.family == "seq2seq":
            hidden = self.language_model(
                inputs_embeds=prefix,
                attention_mask=prefix_mask,
                decoder_input_ids=tokens,
                decoder_attention_mask=mask,
                use_cache=False,
            ).last_hidden_state
        else:
            embedded = self.language_model.get_input_embeddings()(tokens)
            hidden = self.language_model(
                inputs_embeds=torch.cat([prefix.to(embedded.dtype), embedded], dim=1),
                attention_mask=torch.cat([prefix_mask, mask], dim=1),
                use_cache=False,
            ).last_hidden_state[:, self.config.num_prefix :]
        hidden = hidden.gather(1, last[..., None].expand(-1, -1, hidden.shape[-1]))
        return F.normalize(self.out(self.norm(hidden)).to(codes.dtype), dim=-1)
