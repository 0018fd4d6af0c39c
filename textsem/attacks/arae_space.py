"""Codes of an ARAE as a space to search in, and the noise of its generator as the space of Zhao et al. 2018b."""

from collections.abc import Sequence

import torch
from torch import Tensor

from textsem.arae import ARAE
from textsem.attacks.candidates import Candidate
from textsem.attacks.code_spaces import GeneratorCodeSpace, written_candidates
from textsem.attacks.proposals import reason_against
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize

__all__ = ["ARAECodeSpace", "noise_space"]


class ARAECodeSpace:
    """Codes of an ARAE's encoder and whole sentences of its decoder.  Implements ``CodeSpace``.

    Args:
        arae: A trained ARAE, in evaluation mode.
    """

    def __init__(self, arae: ARAE) -> None:
        self.arae = arae
        self.latent_dim = arae.config.decoder.latent_dim
        with torch.no_grad():
            self._table = arae.embedding_table()

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why the model does not take this hypothesis."""
        return reason_against(hypothesis, max_length=self.arae.config.max_length)

    @torch.no_grad()
    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        """Return codes [batch, latent], one hypothesis after the other, so that batch mates change no bit."""
        return torch.cat([self.arae.encode(self._ids(text)) for text in hypotheses])

    @torch.no_grad()
    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        """Return what the decoder writes of each code as a change of the hypothesis, or None."""
        decoded = self.arae.decode_ids(codes)
        ids = self._ids(hypothesis)[0]
        return written_candidates(hypothesis, ids, decoded, vocabulary=self.arae.vocabulary, table=self._table)

    def _ids(self, hypothesis: str) -> Tensor:
        words = tokenize(hypothesis).words
        return encode_sentences([words], vocabulary=self.arae.vocabulary, max_length=self.arae.config.max_length)


def noise_space(arae: ARAE) -> GeneratorCodeSpace:
    """Return the noise of the ARAE's generator, reached through its inverter: what Zhao et al. 2018b search.

    Raises:
        ValueError: If this ARAE has no inverter.
    """
    if arae.inverter is None:
        raise ValueError("expected an ARAE with an inverter, as textsem train arae trains one, got one without")
    noise_dim = arae.config.generator.noise_dim
    return GeneratorCodeSpace(ARAECodeSpace(arae), arae.generator, arae.inverter, noise_dim=noise_dim)
