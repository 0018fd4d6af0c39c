"""Words of a decoder that runs free: position by position, or all positions at once."""

from typing import Protocol

import torch
from torch import Tensor, nn

from textsem.protocols import GenerationConfig
from textsem.text.batches import words_until_end
from textsem.text.similarity import most_similar_words
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

__all__ = ["ROWS", "State", "StepwiseDecoder", "StepwiseModule", "choose_words", "generate_stepwise"]

State = tuple[Tensor, ...]  # of any shapes; the first axis of each is rows

ROWS = 128  # generated at a time: logits over 11,000 words take 44 kB a row


class StepwiseDecoder(Protocol):
    """A decoder that writes one word after the other."""

    latent_dim: int
    length: int

    def begin(self, codes: Tensor) -> State:
        """Return the state before the first word of ``codes`` [rows, latent]."""
        ...

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        """Read the word just written and return the vector of the next position.

        Args:
            state: From ``begin`` or the step before.
            words: Ids, [rows]; the start symbol at first.
            table: Unit-length word vectors, [vocab, embedding].

        Returns:
            Unit-length vectors [rows, embedding], and the next state.
        """
        ...


class StepwiseModule(nn.Module):
    """What all decoders that write word by word share; a subclass has what ``StepwiseDecoder`` asks for."""

    is_autoregressive = True
    latent_dim: int
    length: int

    def begin(self, codes: Tensor) -> State:
        """See ``StepwiseDecoder``."""
        raise NotImplementedError

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        """See ``StepwiseDecoder``."""
        raise NotImplementedError

    def generate(
        self,
        codes: Tensor,
        table: Tensor,
        *,
        scale: float,
        config: GenerationConfig,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return words of a free run, ids [..., length]; see ``Decoder.generate``."""
        return generate_stepwise(self, codes, table, scale=scale, config=config, generator=generator)


@torch.no_grad()
def generate_stepwise(
    decoder: StepwiseDecoder,
    codes: Tensor,
    table: Tensor,
    *,
    scale: float,
    config: GenerationConfig,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Write sentences word by word; arguments and result as those of ``Decoder.generate``.

    Raises:
        ValueError: If ``sampling`` is given no generator.
    """
    _check_generator(config, generator)
    rows = torch.split(codes.reshape(-1, decoder.latent_dim), ROWS)
    if config.strategy == "beam":
        parts = [_beam_search(decoder, part, table, scale=scale, num_beams=config.num_beams) for part in rows]
    else:
        parts = [_one_by_one(decoder, part, table, scale=scale, config=config, generator=generator) for part in rows]
    return torch.cat(parts).reshape(*codes.shape[:-1], decoder.length)


@torch.no_grad()
def choose_words(
    vectors: Tensor, table: Tensor, *, scale: float, config: GenerationConfig, generator: torch.Generator | None = None
) -> Tensor:
    """Choose words for position vectors that do not depend on each other's words.

    ``beam`` takes the greedy words: since no position depends on another, they are the likeliest row of all positions.
    Those behind the end count there; a shorter sentence may be likelier if they do not.

    Args:
        vectors: Unit-length, [batch, length, embedding].
        table: Unit-length word vectors, [vocab, embedding].
        scale: Of the logits.
        config: How words are chosen.
        generator: Of ``sampling``.

    Returns:
        Ids, [batch, length].

    Raises:
        ValueError: If ``sampling`` is given no generator.
    """
    _check_generator(config, generator)
    if config.strategy != "sampling":
        return most_similar_words(table, vectors)
    drawn = [_choose(part, table, scale, config, generator) for part in vectors.unbind(dim=1)]
    return words_until_end(torch.stack(drawn, dim=1))


def _check_generator(config: GenerationConfig, generator: torch.Generator | None) -> None:
    if config.strategy == "sampling" and generator is None:
        raise ValueError("expected a generator for the strategy sampling, got None")


def _one_by_one(
    decoder: StepwiseDecoder,
    codes: Tensor,
    table: Tensor,
    *,
    scale: float,
    config: GenerationConfig,
    generator: torch.Generator | None,
) -> Tensor:
    """Write the greedy or a sampled sentence of each of ``codes`` [rows, latent], [rows, length]."""
    state = decoder.begin(codes)
    words = torch.full((len(codes),), START_ID, device=codes.device)
    ids = torch.full((len(codes), decoder.length), PAD_ID, device=codes.device)
    is_open = torch.ones(len(codes), dtype=torch.bool, device=codes.device)
    for t in range(decoder.length):
        if not bool(is_open.any()):
            break
        vectors, state = decoder.advance(state, words, table)
        words = _choose(vectors, table, scale, config, generator)
        ids[:, t] = words
        is_open &= words != END_ID
    return words_until_end(ids)


def _choose(
    vectors: Tensor, table: Tensor, scale: float, config: GenerationConfig, generator: torch.Generator | None
) -> Tensor:
    """Return the likeliest or a drawn word of each of ``vectors`` [rows, embedding], never pad nor start, [rows]."""
    logits = scale * vectors @ table[END_ID:].T
    if config.strategy != "sampling":
        return END_ID + logits.argmax(dim=-1)
    assert generator is not None  # see _check_generator
    probabilities = (logits / config.temperature).softmax(dim=-1)
    # Drawn where the generator is: torch takes none of another device, and one of the CPU draws the same everywhere.
    chosen = probabilities.to(generator.device).multinomial(1, generator=generator)[:, 0]
    return END_ID + chosen.to(logits.device)


def _beam_search(decoder: StepwiseDecoder, codes: Tensor, table: Tensor, *, scale: float, num_beams: int) -> Tensor:
    """Return the best of ``num_beams`` sentences of each code by summed log probability, end included, [rows, length].

    Longer sentences are not favoured: the length is part of what the code says.
    """
    B, K, L, V = len(codes), num_beams, decoder.length, len(table) - END_ID
    state = decoder.begin(codes.repeat_interleave(K, dim=0))
    words = torch.full((B * K,), START_ID, device=codes.device)
    ids = torch.full((B, K, L), PAD_ID, device=codes.device)
    scores = torch.full((B, K), -torch.inf, device=codes.device)
    scores[:, 0] = 0.0  # all beams are the same at first: one of them goes on
    is_finished = torch.zeros(B, K, dtype=torch.bool, device=codes.device)
    for t in range(L):
        vectors, state = decoder.advance(state, words, table)
        step = (scale * vectors @ table[END_ID:].T).log_softmax(dim=-1).reshape(B, K, V)
        # A finished sentence goes on in one way only, at no cost.
        stays = step.new_full(step.shape[-1:], -torch.inf)
        stays[0] = 0.0
        step = torch.where(is_finished[..., None], stays, step)
        scores, best = (scores[..., None] + step).flatten(1).topk(K, dim=-1)
        beam, word = best // V, END_ID + best % V
        ids = ids.gather(1, beam[..., None].expand(-1, -1, L))
        ids[..., t] = word
        is_finished = is_finished.gather(1, beam) | (word == END_ID)
        chosen = (beam + torch.arange(B, device=codes.device)[:, None] * K).flatten()
        state, words = tuple(part[chosen] for part in state), word.flatten()
        if bool(is_finished.all()):
            break
    return words_until_end(ids[:, 0])
