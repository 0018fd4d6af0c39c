"""Shells around a code: how codes are drawn in one, and which shell comes after which.

Zhao et al. 2018b, "Generating natural adversarial examples", searches for the flip that is closest to the code of the
input, by two algorithms: the iterative stochastic search and the hybrid shrinking search.  Radii are shares of the
code's own length, here and everywhere.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["HybridShrinkingSearch", "IterativeStochasticSearch", "Shell", "ShellSearch", "Shells", "draw_in_shell"]

# A last shell thinner than this share of a step is a rounding error of the division.
MIN_SHARE = 1e-6


@dataclass(frozen=True)
class Shell:
    """Codes whose distance from the middle is above ``inner`` and at most ``outer``."""

    inner: float
    outer: float


# Yields shells; is sent the radius of the closest flip in each one, None where there was none.
Shells = Generator[Shell, float | None, None]


class ShellSearch(Protocol):
    """An order of shells."""

    @property
    def num_draws(self) -> int:
        """N, codes drawn in each shell."""
        ...

    def shells(self) -> Shells:
        """Begin a search."""
        ...


@dataclass(frozen=True)
class IterativeStochasticSearch:
    """Shells of growing radius, up to the first in which anything flips.

    Zhao et al. 2018b, iterative stochastic search; theirs has no largest radius.

    Args:
        step: Delta r, thickness of a shell.
        num_draws: N, codes drawn in each shell.
        max_radius: Where the search gives up.
    """

    step: float = 0.1
    num_draws: int = 20
    max_radius: float = 2.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.step, self.num_draws, "max_radius", self.max_radius)

    def shells(self) -> Shells:
        """Begin a search."""
        for k in range(math.ceil(self.max_radius / self.step - MIN_SHARE)):
            closest = yield Shell(k * self.step, min((k + 1) * self.step, self.max_radius))
            if closest is not None:
                return


@dataclass(frozen=True)
class HybridShrinkingSearch:
    """From a wide interval to a thin one, then inward in thin shells.

    First the interval (l, r], (0, ``upper_bound``] at the start: where nothing flips, l moves half way to r; where the
    closest flip is at d, the interval becomes (d / 2, d]; until it is thinner than a step.  Then the shell of one step
    below d (or r, where nothing has flipped yet): after a flip it moves inward by a step, and ``num_inward`` draws of
    it in a row without a flip end the search.

    Zhao et al. 2018b, hybrid shrinking search, in the form of their released code.

    Args:
        step: Delta r, thickness of the last interval and of each shell inward.
        num_draws: N, codes drawn each time.
        upper_bound: Largest radius.
        num_inward: How often the inward walk draws in a shell before it gives up.
    """

    step: float = 0.1
    num_draws: int = 20
    upper_bound: float = 2.0
    num_inward: int = 5

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.step, self.num_draws, "upper_bound", self.upper_bound)
        if self.num_inward < 0:
            raise ValueError(f"expected num_inward >= 0, got {self.num_inward}")

    def shells(self) -> Shells:
        """Begin a search."""
        inner, outer = 0.0, self.upper_bound
        while outer - inner >= self.step:
            closest = yield Shell(inner, outer)
            if closest is None:
                inner = (inner + outer) / 2
            else:
                inner, outer = closest / 2, closest
        num_failures = 0
        while num_failures < self.num_inward and outer > MIN_SHARE * self.step:
            inner = max(0.0, outer - self.step)
            if (yield Shell(inner, outer)) is None:
                num_failures += 1
            else:
                outer, num_failures = inner, 0


def draw_in_shell(code: Tensor, shell: Shell, *, num_draws: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw codes in a shell, closest first.

        z_k = z + r_k |z| n_k / |n_k|,   n_k standard normal,   r_k uniform between ``inner`` and ``outer``

    Args:
        code: z, [latent].
        shell: Where to draw.
        num_draws: N.
        generator: Source of randomness.

    Returns:
        The codes, [draws, latent], and their radii r_k, float64, rising, [draws].
    """
    # One minus a number below 1 is above 0: a radius may be the outer one and never the inner one.
    share = 1 - torch.rand(num_draws, dtype=torch.float64, generator=generator)
    radii = (shell.inner + (shell.outer - shell.inner) * share).sort().values
    directions = torch.nn.functional.normalize(torch.randn(num_draws, len(code), generator=generator), dim=-1)
    codes: Tensor = code + code.norm() * radii[:, None].to(code.dtype) * directions
    return codes, radii


def _check(step: float, num_draws: int, name: str, radius: float) -> None:
    if not 0 < step < math.inf:
        raise ValueError(f"expected step > 0, got {step}")
    if num_draws < 1:
        raise ValueError(f"expected num_draws >= 1, got {num_draws}")
    if not step <= radius < math.inf:
        raise ValueError(f"expected {name} of at least a step ({step}), got {radius}")
