"""Attacks on the points of the roll: moved codes (ours and its controls) and PGD in space."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversary
from textsem.latent.moves import unit
from textsem.latent.objective import gate, l2, margin_loss

__all__ = [
    "SOURCES",
    "AttackedPoints",
    "PgdConfig",
    "SearchConfig",
    "attack_codes",
    "attack_pgd",
    "draw_codes",
    "is_near_bank",
]

_SMALLEST_LENGTH = 1e-12  # below it a move has no direction, and a ball of radius 0 would divide 0 by 0


@dataclass(frozen=True, eq=False)
class AttackedPoints:
    """What an attack returns for each point.

    Args:
        points: Standardised, [points, 3]: the first that fooled the target, else the attacked point (moved codes) or
            the last iterate (PGD).
        is_flipped: Whether the target, right before, gives another class now, [points].
        queries: Rows the target was sent for each, [points].
    """

    points: Tensor
    is_flipped: Tensor
    queries: Tensor


@dataclass(frozen=True)
class SearchConfig:
    """Candidates of a point.

    Args:
        num_particles: Pairs of particles that are drawn.
        scales: Multiples of the move z' - z.
        epsilon: Radius of the ball (l2, standardised units) that candidates must lie in, strictly.
        max_queries: Budget a point.
        bank_quantile: A candidate is dropped, before anything is asked, where its code is farther from all codes of
            the training points than this quantile of their own distances to the nearest other one: there the decoder
            has learned no surface.  None: none is dropped.
    """

    num_particles: int = 20
    scales: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    epsilon: float = 0.3
    max_queries: int = 100
    bank_quantile: float | None = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.num_particles < 1 or not self.scales or self.max_queries < 1:
            given = f"{self.num_particles}, {self.scales} and {self.max_queries}"
            raise ValueError(f"expected at least one particle, scale and query, got {given}")
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ValueError(f"expected epsilon of at least 0, got {self.epsilon}")
        if self.bank_quantile is not None and not 0 <= self.bank_quantile <= 1:
            raise ValueError(f"expected bank_quantile from 0 to 1 or None, got {self.bank_quantile}")


def _perturbed(z: Tensor, z_adv: Tensor, generator: torch.Generator) -> Tensor:
    return z_adv - z


def _isotropic(z: Tensor, z_adv: Tensor, generator: torch.Generator) -> Tensor:
    return unit(torch.randn(z.shape, generator=generator)) * l2(z_adv - z)[..., None]


def _towards_others(z: Tensor, z_adv: Tensor, generator: torch.Generator) -> Tensor:
    return unit(z.roll(1, dims=0) - z) * l2(z_adv - z)[..., None]


# Ways to move a code, all as far as E' moves it: E' itself, noise, and the way from one particle of E to another.
_MOVES: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "adversarial": _perturbed,
    "isotropic": _isotropic,
    "between-particles": _towards_others,
}
# As many samples of E as the others have candidates, with no move at all; and one sample, the clean reconstruction.
SOURCES = (*_MOVES, "clean", "reconstruction")


def draw_codes(
    model: PointAdversary, points: Tensor, *, source: str, config: SearchConfig, generator: torch.Generator
) -> Tensor:
    """Draw the codes of a source's candidates, [candidates, points, latent].

    Raises:
        ValueError: If the source is unknown.
    """
    if source not in SOURCES:
        raise ValueError(f"expected source in {list(SOURCES)}, got {source!r}")
    if source not in _MOVES:
        count = 1 if source == "reconstruction" else config.num_particles * len(config.scales)
        return model.codes(points, *model.draw_particles(count, generator))[0]
    z, z_adv = model.codes(points, *model.draw_particles(config.num_particles, generator))
    move = _MOVES[source](z, z_adv, generator)
    return (z + torch.tensor(config.scales)[:, None, None, None] * move).flatten(0, 1)


def is_near_bank(codes: Tensor, bank: Tensor, *, quantile: float) -> Tensor:
    """Tell which codes lie as near to the bank as its own codes to each other, [candidates, points].

    Args:
        codes: [candidates, points, latent].
        bank: Codes of training points, [bank, latent]; at least two.
        quantile: Of the bank's distances to the nearest other code, in [0, 1].
    """
    others = torch.cdist(bank, bank).fill_diagonal_(torch.inf)
    reach = others.amin(dim=1).quantile(quantile)
    # One candidate at a time: all distances at once would fill the memory.
    return torch.stack([torch.cdist(rows, bank).amin(dim=1) for rows in codes]) <= reach


@torch.no_grad()
def attack_codes(
    model: PointAdversary,
    predict: Callable[[Tensor], Tensor],
    points: Tensor,
    labels: Tensor,
    *,
    bank: Tensor,
    source: str,
    config: SearchConfig,
    generator: torch.Generator,
) -> AttackedPoints:
    """Ask about moved codes, closest reconstruction first, until the target errs; no gradient, no optimisation.

    Args:
        model: Gives codes and their points.
        predict: The target, standardised points [rows, 3] to probabilities.
        points: That the target has right, standardised, [points, 3].
        labels: [points].
        bank: Training points, standardised, [bank, 3].
        source: One of ``SOURCES``.
        config: Candidates and budget.
        generator: Draws particles and noise.
    """
    codes = draw_codes(model, points, source=source, config=config, generator=generator)
    candidates = model.decode(codes).transpose(0, 1)
    distance = l2(candidates - points[:, None])
    if config.bank_quantile is not None:
        bank_codes = model.codes(bank, *model.draw_particles(1, generator))[0][0]
        is_near = is_near_bank(codes, bank_codes, quantile=config.bank_quantile)
        distance = distance.where(is_near.T, torch.inf)  # last in the order, and in no ball
    order = distance.argsort(dim=1, stable=True)[:, : config.max_queries]
    ranked = candidates.gather(1, order[:, :, None].expand(-1, -1, 3))
    is_inside = gate(distance.gather(1, order), epsilon=config.epsilon)
    # All ranked candidates are answered at once here; a query counts only up to the first flip.
    answers = predict(ranked.flatten(0, 1)).argmax(dim=-1).reshape(order.shape)
    is_flip = is_inside & (answers != labels[:, None])
    is_flipped = is_flip.any(dim=1)
    first = is_flip.to(torch.uint8).argmax(dim=1)
    queries = torch.where(is_flipped, first + 1, is_inside.sum(dim=1))
    chosen = torch.where(is_flipped[:, None], ranked[torch.arange(len(points)), first], points)
    return AttackedPoints(chosen, is_flipped, queries)


@dataclass(frozen=True)
class PgdConfig:
    """Projected gradient descent (Madry et al. 2018) in the l2 ball.

    Args:
        epsilon: Radius, standardised units.
        num_steps: Steps; the paper's 40.
        relative_step: Length of a step as a share of epsilon.
        stops_at_flip: Keep the first iterate that fools the target: as near as PGD comes; else the last one.
    """

    epsilon: float = 0.3
    num_steps: int = 40
    relative_step: float = 2.5 / 40
    stops_at_flip: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ValueError(f"expected epsilon of at least 0, got {self.epsilon}")
        if self.num_steps < 1 or not self.relative_step > 0:
            given = f"{self.num_steps} and {self.relative_step}"
            raise ValueError(f"expected num_steps of at least 1 and relative_step above 0, got {given}")


def attack_pgd(
    network: Callable[[Tensor], Tensor], points: Tensor, labels: Tensor, *, config: PgdConfig
) -> AttackedPoints:
    """Climb the margin of the wrong classes by the target's own gradient, from the point itself.

    Args:
        network: Standardised points [rows, 3] to logits, differentiable.
        points: That the target has right, [points, 3].
        labels: [points].
        config: Ball and steps.
    """
    current = points.clone()
    is_flipped = torch.zeros(len(points), dtype=torch.bool)
    queries = torch.zeros(len(points), dtype=torch.int64)
    for _ in range(config.num_steps):
        variable = current.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(margin_loss(network(variable), labels).sum(), variable)
        moved = current - config.relative_step * config.epsilon * unit(gradient)
        away = moved - points
        length = l2(away)[:, None].clamp_min(_SMALLEST_LENGTH)
        moved = points + away * (config.epsilon / length).clamp_max(1.0)
        is_done = is_flipped if config.stops_at_flip else torch.zeros_like(is_flipped)
        current = torch.where(is_done[:, None], current, moved)
        queries += (~is_done).long()
        with torch.no_grad():
            is_flipped = network(current).argmax(dim=-1) != labels
    return AttackedPoints(current, is_flipped, queries)
