"""How far adversarial points are from the surface, ours beside PGD's at an equal rate of flips.

A flip counts where the nearest surface point keeps the class of the point that was attacked: elsewhere the target
may well be right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from images_ext.swiss_roll.attacks import AttackedPoints, PgdConfig, attack_pgd
from images_ext.swiss_roll.classifier import to_roll
from images_ext.swiss_roll.surface import nearest_on_surface
from textsem.latent.objective import l2

__all__ = ["BUDGETS", "MeasuredAttack", "measure", "pgd_at_rate", "point_rows", "success_at", "summarise"]

BUDGETS = (1, 5, 20, 100)  # queries a point at which success is told

_HIGHEST_EPSILON = 3.0  # standardised: 30 units, wider than the roll
_BISECTIONS = 14


@dataclass(frozen=True, eq=False)
class MeasuredAttack:
    """An attack with the exact place of each of its points.

    Args:
        attack: What was measured.
        points: In the roll's units, [points, 3].
        surface_distance: To the nearest surface point, [points].
        nearest_labels: That point's class, [points].
        moved: Distance from the attacked point, [points].
        is_success: Flipped, and the nearest surface point keeps the class, [points].
    """

    attack: AttackedPoints
    points: Tensor
    surface_distance: Tensor
    nearest_labels: Tensor
    moved: Tensor
    is_success: Tensor

    @property
    def rate(self) -> float:
        """Successes among the points that were attacked."""
        return self.is_success.double().mean().item()


def measure(attack: AttackedPoints, points: Tensor, labels: Tensor) -> MeasuredAttack:
    """Measure an attack on standardised points [points, 3] of classes ``labels`` [points]."""
    found = to_roll(attack.points)
    nearest = nearest_on_surface(found)
    moved = l2(found - to_roll(points))
    is_success = attack.is_flipped & (nearest.label == labels)
    return MeasuredAttack(attack, found, nearest.distance, nearest.label, moved, is_success)


def pgd_at_rate(
    network: Callable[[Tensor], Tensor], points: Tensor, labels: Tensor, *, rate: float, config: PgdConfig
) -> tuple[PgdConfig, MeasuredAttack]:
    """Find the smallest radius at which PGD succeeds as often as ``rate``, by bisection.

    Returns:
        The settings with that radius and its attack; with the widest radius where none reaches the rate.
    """

    def tried(epsilon: float) -> tuple[PgdConfig, MeasuredAttack]:
        chosen = replace(config, epsilon=epsilon)
        return chosen, measure(attack_pgd(network, points, labels, config=chosen), points, labels)

    low, high = 0.0, 0.01
    best = tried(high)
    while best[1].rate < rate and high < _HIGHEST_EPSILON:
        low, high = high, 1.5 * high
        best = tried(high)
    for _ in range(_BISECTIONS if best[1].rate >= rate else 0):
        middle = (low + high) / 2
        now = tried(middle)
        if now[1].rate >= rate:
            high, best = middle, now
        else:
            low = middle
    return best


def success_at(attacks: Sequence[MeasuredAttack]) -> dict[str, float]:
    """Return the share of all points that several runs' attacks succeed on within each budget of queries."""
    is_success = torch.cat([attack.is_success for attack in attacks])
    queries = torch.cat([attack.attack.queries for attack in attacks])
    return {str(budget): (is_success & (queries <= budget)).double().mean().item() for budget in BUDGETS}


def _spread(values: Tensor) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    values = values.double()
    return {"mean": values.mean().item(), "median": values.quantile(0.5).item(), "p90": values.quantile(0.9).item()}


def summarise(attack: MeasuredAttack) -> dict[str, Any]:
    """Return rates, distances of the successes and queries of one attack, as plain JSON types."""
    chosen = attack.is_success
    return {
        "num_points": len(chosen),
        "num_flips": int(attack.attack.is_flipped.sum()),
        "num_successes": int(chosen.sum()),
        "success_rate": attack.rate,
        "flip_rate": attack.attack.is_flipped.double().mean().item(),
        "surface_distance": _spread(attack.surface_distance[chosen]),
        "surface_distance_of_flips": _spread(attack.surface_distance[attack.attack.is_flipped]),
        "moved": _spread(attack.moved[chosen]),
        "queries": attack.attack.queries.double().mean().item(),
        "success_at": success_at([attack]),
    }


def point_rows(name: str, seed: int, attack: MeasuredAttack, codes: Tensor, labels: Tensor) -> list[dict[str, Any]]:
    """Return one plain dict a point, from which every figure can be had again.

    Args:
        name: Of the attack.
        seed: Of the run.
        attack: Measured.
        codes: What E makes of the attack's points, [points, latent].
        labels: [points].
    """
    return [
        {
            "seed": seed,
            "attack": name,
            "index": i,
            "label": int(labels[i]),
            "nearest_label": int(attack.nearest_labels[i]),
            "is_flipped": bool(attack.attack.is_flipped[i]),
            "is_success": bool(attack.is_success[i]),
            "surface_distance": round(float(attack.surface_distance[i]), 6),
            "moved": round(float(attack.moved[i]), 6),
            "queries": int(attack.attack.queries[i]),
            "point": [round(value, 5) for value in attack.points[i].tolist()],
            "code": [round(value, 5) for value in codes[i].tolist()],
        }
        for i in range(len(labels))
    ]
