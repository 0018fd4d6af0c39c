"""Moves of one image's code: E' and the controls of METHOD section 6, and moves around those that did best."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball
from images_ext.attacks.move_config import MoveConfig, Moves
from images_ext.attacks.reach import GRID, scales_that_reach
from images_ext.model import ImageAdversary
from textsem.latent.moves import DIRECTIONS, CodeBatch, move_codes, pair_noise, unit
from textsem.latent.objective import NORMS

__all__ = ["ImageMoves", "decode_codes"]

DECODED_ROWS = 64  # codes that go through the decoder together: more fill the memory and are no faster
HIGHEST_SEED = 2**63


class ImageMoves:
    """The moves of one image; what it draws is a function of image, label and seed.

    Args:
        model: A trained adversary.
        config: How codes are moved.
        clean: Z, [particles, 1, latent].
        adversarial: Z', [particles, 1, latent].  Of an E' with several modes: those of its likeliest mode, then those
            of the next, and ``clean`` as often.
        neighbours: Ways to the neighbours in the bank, [1, neighbours, latent].
        original: x as pixels, [channels, height, width].
        ways: Gives Z' - Z, as ``adversarial`` and ``clean``, of other images [images, ...] with this label, bytes.
        seed: Of the image.
        num_modes: How many modes of E' there are.
    """

    def __init__(
        self,
        model: ImageAdversary,
        config: MoveConfig,
        *,
        clean: Tensor,
        adversarial: Tensor,
        neighbours: Tensor,
        original: Tensor,
        ways: Callable[[Tensor], Tensor],
        seed: int,
        num_modes: int = 1,
    ) -> None:
        self._model, self._config, self._ways, self._seed = model, config, ways, seed
        self._clean, self._adversarial, self._neighbours = clean, adversarial, neighbours
        self._original, self._num_modes, self._num_drawn = original, num_modes, 0
        with torch.no_grad():
            # Modes share E's particles: each is decoded once.
            self.reconstructions = decode_codes(self._model, clean[: len(clean) // num_modes, 0]).repeat(
                num_modes, 1, 1, 1
            )
        self._residual = (original - self.reconstructions) if config.output == "residual" else None

    @property
    def stays(self) -> bool:
        """Whether the direction leaves codes where they are, so that particles alone tell candidates apart."""
        return self._config.direction == "reconstruction"

    @torch.no_grad()
    def first(self, num_moves: int, ball: Ball | None = None) -> Moves:
        """Draw moves from scratch: directions in turn, each at every scale.

        Args:
            num_moves: How many; for the reconstruction one of each particle, however many are asked for.
            ball: Whose radius the moves are to reach, each direction at its own scales; None, or one without a
                radius, for the same share of the code's length everywhere.
        """
        config, M = self._config, len(self._clean)
        if self.stays:
            nothing = torch.zeros(M, self._clean.shape[-1])
            return Moves(torch.arange(M), nothing, torch.full((M,), config.min_scale))
        num_directions = -(-num_moves // config.num_scales)
        particle, noise = self._noise(num_directions)
        weights = torch.tensor(config.noise_weights)[torch.arange(num_directions) % len(config.noise_weights)]
        direction = self._directions(config.direction, particle, noise, weights)
        if ball is None or not _has_radius(ball):
            scales = _series(config.min_scale, config.max_scale, config.num_scales).repeat(num_directions, 1)
        else:
            wanted = ball.epsilon * _series(config.min_reach, config.max_reach, config.num_scales)
            scales = scales_that_reach(self._distances(particle, direction, ball), wanted)
        return Moves(
            particle.repeat_interleave(config.num_scales)[:num_moves],
            direction.repeat_interleave(config.num_scales, dim=0)[:num_moves],
            scales.flatten()[:num_moves],
        )

    @torch.no_grad()
    def own(self, ball: Ball) -> Moves | None:
        """Return the moves of E' itself, of each ``own_reach`` one a mode, likeliest first; None of a control.

        Args:
            ball: Whose radius they are to reach; one without a radius has none.
        """
        reaches, K = torch.tensor(self._config.own_reach), self._num_modes
        if not (self.is_adversarial and len(reaches) and _has_radius(ball)):
            return None
        M, num_moves = len(self._clean) // K, len(reaches) * K
        particle = torch.arange(K).repeat(len(reaches)) * M + torch.arange(num_moves) % M
        direction = unit(self._adversarial - self._clean)[particle, 0]
        wanted = ball.epsilon * reaches.repeat_interleave(K)
        scales = scales_that_reach(self._distances(particle, direction, ball), wanted)
        return Moves(particle, direction, scales.diagonal())

    def _distances(self, particle: Tensor, direction: Tensor, ball: Ball) -> Tensor:
        """Return how far from x each direction leads at the scales of the grid, [directions, grid]."""
        K = len(GRID)
        scales = torch.tensor(GRID).repeat(len(particle))
        moves = Moves(particle.repeat_interleave(K), direction.repeat_interleave(K, dim=0), scales)
        difference = self.pixels(moves, self.codes(moves)) - self._original
        return NORMS[ball.norm](difference.flatten(1)).reshape(-1, K)

    def around(self, parents: Moves, num_moves: int, *, spread: float, scale_spread: float) -> Moves:
        """Draw moves around ``parents``, taken in turn: along their direction, with noise.

            d = unit(d_parent + spread n),   s = s_parent exp(scale_spread e)

        n is a fresh direction of ``MoveConfig.mutation``, so that what a search inherits from its source are the
        parents: where it began and, of E', where ``led_on`` leads.

        Args:
            parents: Moves that did well, best first.
            num_moves: How many to draw.
            spread: Length of the noise in units of the parent's direction.
            scale_spread: Standard deviation of the log of the scale.
        """
        _, noise = self._noise(num_moves)
        parent = parents.pick(torch.arange(num_moves) % len(parents))
        weights = torch.full((num_moves,), max(self._config.noise_weights))
        fresh = self._directions(self._config.mutation, parent.particle, noise, weights)
        stretch = (scale_spread * noise[:, -1]).exp()
        return Moves(parent.particle, unit(parent.direction + spread * fresh), parent.scale * stretch)

    @property
    def is_adversarial(self) -> bool:
        """Whether E' leads the way, so that it can be asked again on the way."""
        return self._config.direction == "adversarial"

    @torch.no_grad()
    def led_on(self, parents: Moves, codes: Tensor, images: Tensor, *, step: float) -> Moves:
        """Move on from candidates as E' would from them: GBSM and Eq. 6 are iterative, and so is what learnt from them.

            z'' = z' + step s |z'| unit(E'(x') - E(x'))

        Args:
            parents: Moves that did well.
            codes: z', where they led, [moves, latent].
            images: x', what was asked, bytes [moves, channels, height, width].
            step: How far, in units of a parent's scale.
        """
        way = unit(self._ways(images)[parents.particle, torch.arange(len(parents))])
        lengths = codes.norm(dim=-1, keepdim=True) * parents.scale[:, None]
        return replace(parents, direction=self.directions_to(parents.particle, codes + step * lengths * way))

    def codes(self, moves: Moves) -> Tensor:
        """Return the moved codes, [moves, latent]."""
        return move_codes(self._clean[moves.particle, 0], moves.direction, moves.scale)

    def directions_to(self, particle: Tensor, codes: Tensor) -> Tensor:
        """Return the unit directions [moves, latent] from the clean codes of ``particle`` [moves] to ``codes``."""
        return unit(codes - self._clean[particle, 0])

    def pixels(self, moves: Moves, codes: Tensor) -> Tensor:
        """Return candidates [moves, channels, height, width] of ``codes``, not yet rounded; differentiable."""
        decoded = decode_codes(self._model, codes)
        return decoded if self._residual is None else (decoded + self._residual[moves.particle]).clamp(0, 1)

    def _noise(self, num_moves: int) -> tuple[Tensor, Tensor]:
        """Draw particles [moves] and noise [moves, numbers + 1], new ones at every call."""
        (M, _, d), seed = self._clean.shape, (self._seed + self._num_drawn) % HIGHEST_SEED
        self._num_drawn += 1
        particle, noise = pair_noise([seed], num_moves, max(d, M) + 1, M)
        return particle[0], noise[0]

    def _directions(self, name: str, particle: Tensor, noise: Tensor, weights: Tensor) -> Tensor:
        batch = CodeBatch(
            clean=self._clean,
            adversarial=self._adversarial,
            neighbours=self._neighbours,
            particle=particle[None],
            noise=noise[None, :, :-1],
            noise_weight=weights,
        )
        return DIRECTIONS[name](batch)[0]


def _has_radius(ball: Ball) -> bool:
    return 0 < ball.epsilon < math.inf


def _series(low: float, high: float, num: int) -> Tensor:
    """Return a geometric series, [num]."""
    return low * (high / low) ** torch.linspace(0, 1, num)


def decode_codes(model: ImageAdversary, codes: Tensor) -> Tensor:
    """Decode one image's codes [rows, latent] to pixels [rows, channels, height, width], differentiable.

    Never those of several images: how many rows go through a convolution together decides its last bits.
    """
    return torch.cat([model.decode(part) for part in torch.split(codes, DECODED_ROWS)])
