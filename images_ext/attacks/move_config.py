"""How codes are moved, and moves themselves."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from textsem.latent.moves import DIRECTIONS

__all__ = ["MoveConfig", "Moves", "Output"]

Output = Literal["decoded", "residual"]


@dataclass(frozen=True)
class MoveConfig:
    """How codes are moved.

    Args:
        direction: Key of ``DIRECTIONS``: ``adversarial`` (E'), or a control.
        num_particles: M.
        seed: Draws the particles, once a run.
        min_reach: How far from x the image of a direction's shortest move is, as a share of the ball's radius.
        max_reach: The same of the longest; the others form a geometric series.  Beyond 1 what is asked is projected.
        own_reach: Of the moves of E' itself, without noise, that are asked before all others: what it was trained to
            do, each of its modes, and a little further the same ways.  Controls have none.
        min_scale: Shortest move where the ball has no radius, as a share of the code's length.
        max_scale: Longest move there.
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
    min_reach: float = 0.6
    max_reach: float = 1.1
    own_reach: tuple[float, ...] = (1.1, 1.35, 1.65)
    min_scale: float = 0.1
    max_scale: float = 1.0
    num_scales: int = 4
    num_neighbours: int = 64
    noise_weights: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)
    mutation: str = "isotropic"
    output: Output = "decoded"

    def __post_init__(self) -> None:
        """Check the ranges; lists, as JSON gives them, become tuples."""
        for name in ("noise_weights", "own_reach"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.direction not in DIRECTIONS:
            raise ValueError(f"expected direction in {sorted(DIRECTIONS)}, got {self.direction!r}")
        if self.mutation not in DIRECTIONS:
            raise ValueError(f"expected mutation in {sorted(DIRECTIONS)}, got {self.mutation!r}")
        for name in ("num_particles", "num_scales", "num_neighbours"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for kind in ("scale", "reach"):
            low, high = getattr(self, f"min_{kind}"), getattr(self, f"max_{kind}")
            if not 0 < low <= high:
                raise ValueError(f"expected 0 < min_{kind} <= max_{kind}, got {low} and {high}")
        if not self.noise_weights or not all(weight >= 0 for weight in self.noise_weights):
            raise ValueError(f"expected noise_weights >= 0, at least one, got {self.noise_weights}")
        if not all(reach > 0 for reach in self.own_reach):
            raise ValueError(f"expected own_reach > 0, got {self.own_reach}")
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
