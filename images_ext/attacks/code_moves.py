"""Moves of one image's code: E' and the controls of METHOD section 6, and moves around those that did best."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.model import ImageAdversary
from textsem.latent.moves import DIRECTIONS, CodeBatch, local_neighbours, move_codes, pair_noise, unit

__all__ = ["CodeMoves", "ImageMoves", "MoveConfig", "Moves", "Output", "decode_codes"]

Output = Literal["decoded", "residual"]
DECODED_ROWS = 64  # codes that go through the decoder together: more fill the memory and are no faster
HIGHEST_SEED = 2**63


@dataclass(frozen=True)
class MoveConfig:
    """How codes are moved.

    Args:
        direction: Key of ``DIRECTIONS``: ``adversarial`` (E'), or a control.
        num_particles: M.
        seed: Draws the particles, once a run.
        min_scale: Shortest move, as a share of the code's length.
        max_scale: Longest move; scales form a geometric series from short to long.
        num_scales: Moves tried along each direction.
        num_neighbours: Nearest codes of the bank towards which noise leads; fewer where bank or codes are smaller.
        noise_weights: Lengths of the noise that is added to the adversarial move, in units of that move; directions
            take them in turn.
        mutation: Key of ``DIRECTIONS``: the noise by which later candidates differ from those that did well, for every
            source the same.  Under E' its own noise would draw all of them back to the one way that it knows.
        output: ``decoded``: x' = dec(z'), the paper's.  ``residual``: x' = x + dec(z') - dec(z), which keeps of x what
            the decoder cannot draw.
    """

    direction: str = "adversarial"
    num_particles: int = 5
    seed: int = 0
    min_scale: float = 0.1
    max_scale: float = 1.0
    num_scales: int = 4
    num_neighbours: int = 64
    noise_weights: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    mutation: str = "isotropic"
    output: Output = "decoded"

    def __post_init__(self) -> None:
        """Check the ranges; a list of weights, as JSON gives it, becomes a tuple."""
        object.__setattr__(self, "noise_weights", tuple(self.noise_weights))
        if self.direction not in DIRECTIONS:
            raise ValueError(f"expected direction in {sorted(DIRECTIONS)}, got {self.direction!r}")
        if self.mutation not in DIRECTIONS:
            raise ValueError(f"expected mutation in {sorted(DIRECTIONS)}, got {self.mutation!r}")
        for name in ("num_particles", "num_scales", "num_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not 0 < self.min_scale <= self.max_scale:
            raise ValueError(f"expected 0 < min_scale <= max_scale, got {self.min_scale} and {self.max_scale}")
        if not self.noise_weights or not all(weight >= 0 for weight in self.noise_weights):
            raise ValueError(f"expected noise_weights >= 0, at least one, got {self.noise_weights}")
        if self.output not in ("decoded", "residual"):
            raise ValueError(f"expected output decoded or residual, got {self.output!r}")


@dataclass(frozen=True)
class Moves:
    """Some moves of one code.

    Args:
        particle: Whose clean code is moved, [moves].
        direction: Of unit length or zero, [moves, latent].
        scale: How far, as a share of the code's length, [moves].
    """

    particle: Tensor
    direction: Tensor
    scale: Tensor

    def __len__(self) -> int:
        """Return the number of moves."""
        return len(self.scale)

    def pick(self, places: Tensor) -> "Moves":
        """Return the moves at ``places`` [picked]."""
        return Moves(self.particle[places], self.direction[places], self.scale[places])

    def join(self, other: "Moves") -> "Moves":
        """Return these moves and then the other ones."""
        return Moves(
            torch.cat([self.particle, other.particle]),
            torch.cat([self.direction, other.direction]),
            torch.cat([self.scale, other.scale]),
        )


class ImageMoves:
    """The moves of one image; what it draws is a function of image, label and seed.

    Args:
        model: A trained adversary.
        config: How codes are moved.
        clean: Z, [particles, 1, latent].
        adversarial: Z', [particles, 1, latent].
        neighbours: Ways to the neighbours in the bank, [1, neighbours, latent].
        original: x as pixels, [channels, height, width].
        seed: Of the image.
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
        seed: int,
    ) -> None:
        self._model, self._config, self._seed = model, config, seed
        self._clean, self._adversarial, self._neighbours = clean, adversarial, neighbours
        self._num_drawn = 0
        with torch.no_grad():
            self.reconstructions = decode_codes(self._model, clean[:, 0])
        self._residual = (original - self.reconstructions) if config.output == "residual" else None

    @property
    def stays(self) -> bool:
        """Whether the direction leaves codes where they are, so that particles alone tell candidates apart."""
        return self._config.direction == "reconstruction"

    def first(self, num_moves: int) -> Moves:
        """Draw moves from scratch: directions in turn, each at every scale.

        Args:
            num_moves: How many; for the reconstruction one of each particle, however many are asked for.
        """
        config, M = self._config, len(self._clean)
        if self.stays:
            nothing = torch.zeros(M, self._clean.shape[-1])
            return Moves(torch.arange(M), nothing, torch.full((M,), config.min_scale))
        num_directions = -(-num_moves // config.num_scales)
        particle, noise = self._noise(num_directions)
        weights = torch.tensor(config.noise_weights)[torch.arange(num_directions) % len(config.noise_weights)]
        direction = self._directions(config.direction, particle, noise, weights)
        steps = torch.linspace(0, 1, config.num_scales)
        scales = config.min_scale * (config.max_scale / config.min_scale) ** steps
        return Moves(
            particle.repeat_interleave(config.num_scales)[:num_moves],
            direction.repeat_interleave(config.num_scales, dim=0)[:num_moves],
            scales.repeat(num_directions)[:num_moves],
        )

    def around(self, parents: Moves, num_moves: int, *, spread: float, scale_spread: float) -> Moves:
        """Draw moves around ``parents``, taken in turn: along their direction, with noise.

            d = unit(d_parent + spread n),   s = s_parent exp(scale_spread e)

        n is a fresh direction of ``MoveConfig.mutation``, so that what a search inherits from its source is where it
        began.

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


def decode_codes(model: ImageAdversary, codes: Tensor) -> Tensor:
    """Decode one image's codes [rows, latent] to pixels [rows, channels, height, width], differentiable.

    Never those of several images: how many rows go through a convolution together decides its last bits.
    """
    return torch.cat([model.decode(part) for part in torch.split(codes, DECODED_ROWS)])


class CodeMoves:
    """Give every image its moves.

    Args:
        model: A trained adversary, in evaluation mode.
        config: How codes are moved.
    """

    def __init__(self, model: ImageAdversary, config: MoveConfig) -> None:
        self.model, self.config = model, config
        generator = torch.Generator().manual_seed(config.seed)
        with torch.no_grad():
            self._theta, self._theta_adv = model.draw_particles(config.num_particles, generator)
            self._bank = model.codes(model.bank_features, self._theta).mean(dim=0)

    @torch.no_grad()
    def of(self, image: Tensor, label: int, seed: int) -> ImageMoves:
        """Return the moves of one image.

        Args:
            image: Bytes, [channels, height, width].
            label: Class number.
            seed: Of the image.

        Raises:
            ValueError: If the image has another shape than the model's, or its code is not finite.
        """
        if tuple(image.shape) != self.model.config.image_shape:
            raise ValueError(f"expected an image of shape {self.model.config.image_shape}, got {tuple(image.shape)}")
        original = to_pixels(image)
        features = self.model.features(original[None])
        clean = self.model.codes(features, self._theta)
        adversarial = self.model.perturb(clean, features, self._theta_adv, torch.tensor([label]))
        if not bool(torch.isfinite(clean).all() and torch.isfinite(adversarial).all()):
            raise ValueError("expected finite codes, got nan or inf")
        K = min(self.config.num_neighbours, clean.shape[-1], len(self._bank))
        return ImageMoves(
            self.model,
            self.config,
            clean=clean,
            adversarial=adversarial,
            neighbours=local_neighbours(clean.mean(dim=0), self._bank, num_neighbours=K),
            original=original,
            seed=seed,
        )

    @torch.no_grad()
    def clean_codes(self, image: Tensor) -> Tensor:
        """Return Z [particles, latent] of one image, bytes [channels, height, width]."""
        return self.model.codes(self.model.features(to_pixels(image)[None]), self._theta)[:, 0]

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the decoder's images of the first particle's clean codes, bytes; one image after the other."""
        rows = [decode_codes(self.model, self.clean_codes(image)[:1])[0] for image in images]
        return to_bytes(torch.stack(rows)) if rows else images
