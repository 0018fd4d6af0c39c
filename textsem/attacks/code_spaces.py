"""Spaces of codes in which a search may move: what turns hypotheses into codes, and codes into sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.attacks.proposals import candidates_from_ids, reason_against
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = [
    "AdversaryCodeSpace",
    "AdversaryCodeSpaceConfig",
    "CodeSpace",
    "GeneratorCodeSpace",
    "written_candidates",
]


@runtime_checkable
class CodeSpace(Protocol):
    """Codes of hypotheses, and sentences of codes."""

    latent_dim: int

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or the reason why this hypothesis has no code."""
        ...

    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        """Return codes [batch, latent]; a row depends on its own hypothesis alone."""
        ...

    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        """Return what each of ``codes`` [codes, latent] says, written as a change of the hypothesis.

        None where that is the hypothesis itself, or no sentence.
        """
        ...


@dataclass(frozen=True)
class AdversaryCodeSpaceConfig:
    """Which code of E stands for a hypothesis.

    Args:
        num_particles: M; the code is the mean over so many particles, drawn once a run.  With 1 it is one particle's.
        seed: Draws the particles.
    """

    num_particles: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        if self.num_particles < 1:
            raise ValueError(f"expected num_particles >= 1, got {self.num_particles}")


class AdversaryCodeSpace:
    """Codes of an adversary's E and whole sentences of its decoder; E' is not used.  Implements ``CodeSpace``.

    Args:
        model: A trained adversary, in evaluation mode.
        config: Which code stands for a hypothesis.
    """

    def __init__(self, model: TextAdversary, config: AdversaryCodeSpaceConfig) -> None:
        self.model = model
        self.config = config
        self.latent_dim = model.config.decoder.latent_dim
        generator = torch.Generator().manual_seed(config.seed)
        with torch.no_grad():
            self._theta, _ = model.draw_particles(config.num_particles, generator)
            self._table = model.embedding_table()

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why the model does not take this hypothesis."""
        return reason_against(hypothesis, max_length=self.model.config.max_length)

    @torch.no_grad()
    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        """Return the mean over particles of E's codes, [batch, latent].

        One hypothesis after the other, so that a code is the same to the last bit whatever its batch mates are.
        """
        rows = [self.model.codes(self.model.features(self._ids(text)), self._theta).mean(dim=0) for text in hypotheses]
        return torch.cat(rows)

    @torch.no_grad()
    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        """Return the most likely words of each code as a change of the hypothesis, or None."""
        decoded, ids = self.model.decode_ids(codes), self._ids(hypothesis)[0]
        return written_candidates(hypothesis, ids, decoded, vocabulary=self.model.vocabulary, table=self._table)

    def _ids(self, hypothesis: str) -> Tensor:
        words, model = tokenize(hypothesis).words, self.model
        return encode_sentences([words], vocabulary=model.vocabulary, max_length=model.config.max_length)


def written_candidates(
    hypothesis: str, ids: Tensor, decoded: Tensor, *, vocabulary: Vocabulary, table: Tensor
) -> list[Candidate | None]:
    """Return each decoded row as a change of the hypothesis, None where it is the hypothesis or no sentence.

    Args:
        hypothesis: The original.
        ids: Its ids, [length].
        decoded: Ids, [codes, length].
        vocabulary: Words and ids.
        table: Unit-length word vectors, [vocab, embedding].
    """
    original = tokenize(hypothesis)
    written: dict[tuple[int, ...], Candidate | None] = {}
    for key, row in zip(map(tuple, decoded.tolist()), decoded, strict=True):
        if key not in written:
            found = candidates_from_ids(original, ids, row[None], vocabulary=vocabulary, table=table)
            written[key] = found[0] if found else None
    return [written[key] for key in map(tuple, decoded.tolist())]


class GeneratorCodeSpace:
    """Noise of a generator G that writes codes of another space, reached through an inverter I; a ``CodeSpace``.

        z = I(code of x),   sentence of z = sentence of the code G(z)

    Zhao et al. 2018b search the noise of a GAN, whose samples are codes that real sentences might have.

    Args:
        space: The space that G writes codes of.
        generator: G: noise [batch, noise] to codes [batch, latent of ``space``], in evaluation mode.
        inverter: I: codes to noise, see ``training/inverter.py``.
        noise_dim: Numbers in a row of noise.
    """

    def __init__(
        self,
        space: CodeSpace,
        generator: Callable[[Tensor], Tensor],
        inverter: Callable[[Tensor], Tensor],
        *,
        noise_dim: int,
    ) -> None:
        self.space = space
        self.generator = generator
        self.inverter = inverter
        self.latent_dim = noise_dim

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why the inner space does not take this hypothesis."""
        return self.space.supports(hypothesis)

    @torch.no_grad()
    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        """Return the noise that the inverter gives, row by row, [batch, noise]."""
        return torch.cat([self.inverter(self.space.encode([hypothesis])) for hypothesis in hypotheses])

    @torch.no_grad()
    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        """Return what the generated codes of ``codes`` [codes, noise] say, or None."""
        return self.space.decode(hypothesis, self.generator(codes))
