"""The controls of METHOD section 6, and the one place where a source of candidates is made from its name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate, CandidateSource
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.attacks.proposals import candidates_from_ids, reason_against
from textsem.latent.moves import DIRECTIONS
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.similarity import nearest_neighbours, word_mask
from textsem.text.tokenization import tokenize

__all__ = ["NeighbourSwapConfig", "NeighbourSwapSource", "make_source"]


@dataclass(frozen=True)
class NeighbourSwapConfig:
    """How words are swapped.

    Args:
        max_swaps: Most words swapped in a candidate; each candidate draws its own number, uniform from 1.
        num_neighbours: K, a word is swapped with one of its K nearest neighbours, each as likely.
    """

    max_swaps: int = 3
    num_neighbours: int = 10

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_swaps", "num_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")


class NeighbourSwapSource:
    """Swap random words with neighbours in the adversary's embedding table; implements ``CandidateSource``.

    The control without a manifold: it knows which words are alike and nothing about sentences.  Words that the
    adversary does not know stay as they are, as does punctuation.

    Args:
        model: The adversary; only its vocabulary, embedding table and longest sentence are used.
        config: How words are swapped.

    Raises:
        ValueError: If the vocabulary has too few words for so many neighbours.
    """

    name = "neighbours"

    def __init__(self, model: TextAdversary, config: NeighbourSwapConfig) -> None:
        self.config = config
        self._vocabulary = model.vocabulary
        self._max_length = model.config.max_length
        self._table = model.embedding_table().detach()
        self._is_word = word_mask(model.vocabulary)
        num_words = int(self._is_word.sum())
        if num_words <= config.num_neighbours:
            raise ValueError(f"expected more than {config.num_neighbours} words in the vocabulary, got {num_words}")

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why this hypothesis is not taken: the same as from the adversary, for a fair comparison."""
        return reason_against(hypothesis, max_length=self._max_length)

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        """Return the different sentences among ``num_candidates`` rows of random swaps of each hypothesis."""
        return [self._propose_one(text, seed, num_candidates) for text, seed in zip(hypotheses, seeds, strict=True)]

    def _propose_one(self, hypothesis: str, seed: int, num_candidates: int) -> list[Candidate]:
        original = tokenize(hypothesis)
        ids = encode_sentences([original.words], vocabulary=self._vocabulary, max_length=self._max_length)[0]
        swapped = self._swap(ids, num_candidates, torch.Generator().manual_seed(seed))
        return candidates_from_ids(original, ids, swapped, vocabulary=self._vocabulary, table=self._table)

    def _swap(self, ids: Tensor, num_candidates: int, generator: torch.Generator) -> Tensor:
        """Return ids with random words swapped, [candidates, length]; no row where there is no word to swap."""
        places = self._is_word[ids].nonzero()[:, 0]
        C, P = num_candidates, len(places)
        if not P:
            return ids.new_empty(0, len(ids))
        neighbours = nearest_neighbours(
            self._table, ids[places], is_allowed=self._is_word, num_neighbours=self.config.num_neighbours
        )
        num_swaps = torch.randint(1, min(self.config.max_swaps, P) + 1, (C, 1), generator=generator)
        # The first num_swaps places of a random order.
        rank = torch.rand(C, P, generator=generator).argsort(dim=1).argsort(dim=1)
        choice = torch.randint(self.config.num_neighbours, (C, P), generator=generator)
        new_words = neighbours[torch.arange(P), choice]
        swapped = ids.repeat(C, 1)
        swapped[:, places] = torch.where(rank < num_swaps, new_words, ids[places])
        return swapped


def make_source(name: str, model: TextAdversary, config: ManifoldConfig) -> CandidateSource:
    """Return the source of candidates of this name.

    Args:
        name: ``adversarial`` (E'), ``basis``, or a control: ``clean``, ``isotropic``, ``neighbours``,
            ``reconstruction``.
        model: A trained adversary.
        config: How codes are moved; its direction gives way to ``name``.  Word swaps do not read it.

    Raises:
        ValueError: If there is no such source.
    """
    if name == NeighbourSwapSource.name:
        return NeighbourSwapSource(model, NeighbourSwapConfig())
    if name not in DIRECTIONS:
        raise ValueError(f"expected a source in {sorted([*DIRECTIONS, NeighbourSwapSource.name])}, got {name!r}")
    return ManifoldSource(model, replace(config, direction=name))
