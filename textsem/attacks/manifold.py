"""Candidates from the manifold: one forward pass each, no gradient and no search (Sec. 5)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.attacks.decoding import decode_few_edits
from textsem.attacks.proposals import candidates_from_ids, reason_against
from textsem.attacks.word_edits import EditConfig, EditProposer
from textsem.latent.moves import DIRECTIONS, CodeBatch, local_neighbours, move_codes, pair_noise
from textsem.model import TextAdversary
from textsem.protocols import GenerationConfig
from textsem.text.batches import encode_sentences
from textsem.text.meaning import MeaningTable
from textsem.text.similarity import word_mask
from textsem.text.tokenization import tokenize

__all__ = ["ManifoldConfig", "ManifoldSource"]

# Codes that are not moved differ by their particle alone: so many draws a particle meet nearly all of them.
RECONSTRUCTIONS = 4


@dataclass(frozen=True)
class ManifoldConfig:
    """How candidates are drawn.

    Args:
        direction: Key of ``DIRECTIONS``: ``adversarial`` (E'), or a control.
        num_particles: M.
        seed: Draws the particles, once a run.
        min_scale: Shortest move, as a share of the code's length.
        max_scale: Longest move; scales form a geometric series from short to long.
        num_scales: Moves tried along each direction.
        max_edits: Most words that a candidate of the original's length replaces; candidates take 1 to this in turn.
        num_neighbours: Nearest codes of the bank towards which noise leads; fewer where bank or codes are smaller.
        noise_weights: Lengths of the noise that is added to the adversarial move, in units of that move; directions
            take them in turn.  Little noise keeps to what E' learnt, much of it brings more different sentences.
        decoding: ``mixture``: the codes together propose edits of the original (`EditProposer`); ``single``: each code
            is one candidate (`decode_few_edits`); ``free``: each code is the sentence that the decoder writes by
            itself, as the clean reconstruction always is.
        generation: How a decoder that runs ``free`` chooses words.
        edits: Of ``mixture``: how many codes, which edits, how they are weighed.
    """

    direction: str = "adversarial"
    num_particles: int = 5
    seed: int = 0
    min_scale: float = 0.7
    max_scale: float = 1.4
    num_scales: int = 3
    max_edits: int = 3
    num_neighbours: int = 64
    noise_weights: tuple[float, ...] = (1.5, 3.0, 6.0, 12.0)
    decoding: Literal["mixture", "single", "free"] = "mixture"
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    edits: EditConfig = field(default_factory=EditConfig)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.direction not in DIRECTIONS:
            raise ValueError(f"expected direction in {sorted(DIRECTIONS)}, got {self.direction!r}")
        for name in ("num_particles", "num_scales", "max_edits", "num_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not 0 < self.min_scale <= self.max_scale:
            raise ValueError(f"expected 0 < min_scale <= max_scale, got {self.min_scale} and {self.max_scale}")
        if self.decoding not in ("mixture", "single", "free"):
            raise ValueError(f"expected decoding mixture, single or free, got {self.decoding!r}")
        if not self.noise_weights or not all(weight >= 0 for weight in self.noise_weights):
            raise ValueError(f"expected noise_weights >= 0, at least one, got {self.noise_weights}")


class ManifoldSource:
    """Propose hypotheses by moving codes and decoding them; implements ``CandidateSource``.

    Args:
        model: A trained adversary, in evaluation mode.
        config: How candidates are drawn.
    """

    def __init__(self, model: TextAdversary, config: ManifoldConfig) -> None:
        self.model = model
        self.config = config
        self.name = config.direction
        generator = torch.Generator().manual_seed(config.seed)
        with torch.no_grad():
            self._theta, self._theta_adv = model.draw_particles(config.num_particles, generator)
            self._bank = model.codes(model.bank_features, self._theta).mean(dim=0)
            self._table = model.embedding_table()
        self._proposer = EditProposer(
            self._table,
            word_mask(model.vocabulary),
            config.edits,
            meaning=model.meaning or MeaningTable(self._table),
            language_model=model.language_model,
        )

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why the model does not take this hypothesis."""
        return reason_against(hypothesis, max_length=self.model.config.max_length)

    @torch.no_grad()
    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        """Return the different sentences among ``num_candidates`` decoded codes of each hypothesis.

        One hypothesis after the other: what it gets is the same to the last bit whatever its batch mates are, and a
        batch of logits over the whole vocabulary would fill the memory.
        """
        return [
            self._propose_one(text, label, seed, num_candidates)
            for text, label, seed in zip(hypotheses, labels, seeds, strict=True)
        ]

    def _propose_one(self, hypothesis: str, label: int, seed: int, num_candidates: int) -> list[Candidate]:
        model, original = self.model, tokenize(hypothesis)
        ids = encode_sentences([original.words], vocabulary=model.vocabulary, max_length=model.config.max_length)
        if self.config.direction == "reconstruction":
            num_candidates = min(num_candidates, RECONSTRUCTIONS * self.config.num_particles)
        is_mixture = self.config.decoding == "mixture" and self.config.direction != "reconstruction"
        num_codes = self.config.edits.num_codes if is_mixture else num_candidates
        codes = self.moved_codes(ids, torch.tensor([label]), [seed], num_codes)[0]
        if is_mixture:
            decoded = self._proposer.propose(model.position_vectors(codes, ids), ids[0], num_candidates)
        else:
            decoded = self.decode(codes, ids[0], seed)
        return candidates_from_ids(original, ids[0], decoded, vocabulary=model.vocabulary, table=self._table)

    def moved_codes(self, ids: Tensor, labels: Tensor, seeds: Sequence[int], num_candidates: int) -> Tensor:
        """Return the moved codes [batch, candidates, latent] of ``ids`` [batch, length] with ``labels`` [batch]."""
        features = self.model.features(ids)
        clean = self.model.codes(features, self._theta)
        adversarial = self.model.perturb(clean, features, self._theta_adv, labels)
        batch = self._code_batch(clean, adversarial, seeds, num_candidates)
        directions = DIRECTIONS[self.config.direction](batch)
        return move_codes(batch.of_particle(clean), directions, self._scales(num_candidates))

    def decode(self, codes: Tensor, ids: Tensor, seed: int = 0) -> Tensor:
        """Return the words, ids [candidates, length], of one hypothesis' moved codes [candidates, latent].

        Args:
            codes: From ``moved_codes``.
            ids: The hypothesis, [length].
            seed: Of words that are drawn.
        """
        if self.config.direction == "reconstruction":
            return self.model.decode_ids(codes)
        if self.config.decoding == "free":
            generator = torch.Generator().manual_seed(seed)
            return self.model.decode_ids(codes, config=self.config.generation, generator=generator)
        vectors = self.model.position_vectors(codes, ids[None])
        return decode_few_edits(self._table, vectors, ids, self._max_edits(len(codes)))

    def _code_batch(self, clean: Tensor, adversarial: Tensor, seeds: Sequence[int], num_candidates: int) -> CodeBatch:
        config, (M, _, d) = self.config, clean.shape
        K = min(config.num_neighbours, d, len(self._bank))
        # One particle and one noise for all scales along a direction.
        particle, noise = pair_noise(seeds, -(-num_candidates // config.num_scales), max(d, M), M)
        return CodeBatch(
            clean=clean,
            adversarial=adversarial,
            neighbours=local_neighbours(clean.mean(dim=0), self._bank, num_neighbours=K),
            particle=particle.repeat_interleave(config.num_scales, dim=1)[:, :num_candidates],
            noise=noise.repeat_interleave(config.num_scales, dim=1)[:, :num_candidates],
            noise_weight=self._weights(num_candidates),
        )

    def _weights(self, num_candidates: int) -> Tensor:
        """Return the weight of each candidate's noise, one for all scales along a direction, [candidates]."""
        weights = torch.tensor(self.config.noise_weights)
        return weights[torch.arange(num_candidates) // self.config.num_scales % len(weights)]

    def _max_edits(self, num_candidates: int) -> Tensor:
        """Return how many words each candidate may replace, 1, 2, 3 in turn and each at each scale, [candidates]."""
        number = torch.arange(num_candidates)
        return 1 + (number + number // self.config.num_scales) % self.config.max_edits

    def _scales(self, num_candidates: int) -> Tensor:
        """Return the geometric series of scales, over and over, [candidates]."""
        config = self.config
        steps = torch.linspace(0, 1, config.num_scales)
        scales = config.min_scale * (config.max_scale / config.min_scale) ** steps
        return scales.repeat(-(-num_candidates // config.num_scales))[:num_candidates]
