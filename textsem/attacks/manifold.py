"""Candidates from the manifold: one forward pass each, no gradient and no search (Sec. 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.attacks.codes import DIRECTIONS, CodeBatch, local_basis, pair_noise
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.similarity import embedding_distance, mean_vector_similarity
from textsem.text.tokenization import TokenizedText, render, tokenize, word_edits
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID

__all__ = ["ManifoldConfig", "ManifoldSource"]


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
        num_neighbours: Codes of the bank that span the basis at a code.
        basis_weight: Length of the noise along the basis, in units of the adversarial move.
    """

    direction: str = "adversarial"
    num_particles: int = 5
    seed: int = 0
    min_scale: float = 0.2
    max_scale: float = 1.0
    num_scales: int = 5
    num_neighbours: int = 16
    basis_weight: float = 1.0


class ManifoldSource:
    """Propose hypotheses by moving codes and decoding them; implements ``CandidateSource``.

    Args:
        model: A trained adversary, in evaluation mode.
        config: How candidates are drawn.

    Raises:
        ValueError: If the direction is not known.
    """

    def __init__(self, model: TextAdversary, config: ManifoldConfig) -> None:
        if config.direction not in DIRECTIONS:
            raise ValueError(f"expected a direction in {sorted(DIRECTIONS)}, got {config.direction!r}")
        self.model = model
        self.config = config
        self.name = config.direction
        generator = torch.Generator().manual_seed(config.seed)
        with torch.no_grad():
            self._theta, self._theta_adv = model.draw_particles(config.num_particles, generator)
            self._bank = model.codes(model.bank_features, self._theta).mean(dim=0)
            self._table = model.embedding_table()

    def supports(self, hypothesis: str) -> str | None:
        """Return None, or why the model does not take this hypothesis."""
        num_words = len(tokenize(hypothesis).words)
        if not num_words:
            return "the hypothesis has no word"
        if num_words > self.model.config.max_length:
            return f"the hypothesis has {num_words} tokens, the model takes {self.model.config.max_length}"
        return None

    @torch.no_grad()
    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        """Return the different sentences among ``num_candidates`` decoded codes of each hypothesis."""
        originals = [tokenize(hypothesis) for hypothesis in hypotheses]
        ids = encode_sentences(
            [o.words for o in originals], vocabulary=self.model.vocabulary, max_length=self.model.config.max_length
        )
        decoded = self.model.decode_ids(self.moved_codes(ids, seeds, num_candidates))
        return [self._candidates(o, row, new) for o, row, new in zip(originals, ids, decoded, strict=True)]

    def moved_codes(self, ids: Tensor, seeds: Sequence[int], num_candidates: int) -> Tensor:
        """Return the codes of all candidates, [batch, candidates, latent].

        z_k = |z| unit(z + s_k |z| d_k),   s_k from the series of scales, d_k of unit length
        """
        features = self.model.features(ids)
        clean = self.model.codes(features, self._theta)
        batch = self._code_batch(clean, self.model.perturb(clean, features, self._theta_adv), seeds, num_candidates)
        z = batch.of_particle(clean)
        radius = z.norm(dim=-1, keepdim=True)
        moved = z + radius * self._scales(num_candidates)[:, None] * DIRECTIONS[self.config.direction](batch)
        return moved * radius / moved.norm(dim=-1, keepdim=True)

    def _code_batch(self, clean: Tensor, adversarial: Tensor, seeds: Sequence[int], num_candidates: int) -> CodeBatch:
        config = self.config
        num_directions = -(-num_candidates // config.num_scales)
        particle, noise = pair_noise(seeds, num_directions, clean.shape[-1], config.num_particles)
        repeat = config.num_scales
        return CodeBatch(
            clean=clean,
            adversarial=adversarial,
            basis=local_basis(clean.mean(dim=0), self._bank, num_neighbours=config.num_neighbours),
            particle=particle.repeat_interleave(repeat, dim=1)[:, :num_candidates],
            noise=noise.repeat_interleave(repeat, dim=1)[:, :num_candidates],
            basis_weight=config.basis_weight,
        )

    def _scales(self, num_candidates: int) -> Tensor:
        config = self.config
        steps = torch.linspace(0, 1, config.num_scales)
        scales = config.min_scale * (config.max_scale / config.min_scale) ** steps
        return scales.repeat(-(-num_candidates // config.num_scales))[:num_candidates]

    def _candidates(self, original: TokenizedText, ids: Tensor, decoded: Tensor) -> list[Candidate]:
        """Turn decoded rows [candidates, length] into the different sentences among them."""
        rows = torch.unique(decoded, dim=0)
        rows = rows[~(rows == ids).all(dim=-1)]
        distances = embedding_distance(self._table, ids, rows).tolist()
        similarities = mean_vector_similarity(self._table, ids, rows).tolist()
        candidates = []
        for row, distance, similarity in zip(rows.tolist(), distances, similarities, strict=True):
            words = self._words(original, row)
            if words is None or not words:
                continue
            edits = word_edits(original.words, words)
            candidates.append(Candidate(render(original, words), tuple(words), distance, edits, similarity))
        return candidates

    def _words(self, original: TokenizedText, row: list[int]) -> list[str] | None:
        """Return the words of a decoded row; an unknown word is the original's own, in order; None if there are more."""
        ids = self.model.vocabulary.ids
        unknown = iter([word for word in original.words if word not in ids])
        words: list[str] = []
        for i in row:
            if i == END_ID or i == PAD_ID:
                break
            word = next(unknown, None) if i == UNKNOWN_ID else self.model.vocabulary.words[i]
            if word is None:
                return None
            words.append(word)
        return words
