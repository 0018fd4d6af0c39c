"""The Swiss Roll, its four classes, and the exact distance of any point from it.

    s(t, h) = (t cos t, h, t sin t),   t in [3 pi / 2, 9 pi / 2],   h in [0, 21]

as ``sklearn.datasets.make_swiss_roll`` draws it without noise.  All lengths are in its units.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["HEIGHT", "NUM_CLASSES", "T_MAX", "T_MIN", "NearestPoint", "SwissRoll", "class_of", "nearest_on_surface"]

T_MIN, T_MAX = 1.5 * math.pi, 4.5 * math.pi
HEIGHT = 21.0
NUM_CLASSES = 4  # Sec. 7.1: 1,600 points in 4 classes
# The squared distance to a turn of the spiral has one minimum in a window this short and within a grid step of
# the grid's best point, where Newton's steps start.
_NUM_WINDOWS, _GRID = 12, 64
_NEWTON_STEPS = 8
_ROWS = 4096  # at once: the grid of one row takes 6 kB


@dataclass(frozen=True, eq=False)
class SwissRoll:
    """Points of the roll.

    Args:
        points: On the surface, [points, 3], float32.
        t: Place along the spiral, [points]; the class follows from it.
        labels: Class numbers, [points].
    """

    points: Tensor
    t: Tensor
    labels: Tensor

    @classmethod
    def draw(cls, num_points: int = 1600, *, seed: int) -> "SwissRoll":
        """Draw points with scikit-learn, uniform in t and in height."""
        from sklearn.datasets import make_swiss_roll

        points, t = make_swiss_roll(num_points, noise=0.0, random_state=seed)
        place = torch.from_numpy(t)
        return cls(torch.from_numpy(points).float(), place.float(), class_of(place))


@dataclass(frozen=True, eq=False)
class NearestPoint:
    """The surface point nearest to each of some points.

    Args:
        distance: [points], float64, in the roll's units.
        t: Its place along the spiral, [points].
        label: Its class, [points].
    """

    distance: Tensor
    t: Tensor
    label: Tensor


def class_of(t: Tensor) -> Tensor:
    """Return the class at place ``t`` of the spiral, [...]: quarters of the range of t, so that classes are as large.

    Raises:
        ValueError: If a place lies outside the roll.
    """
    share = (t - T_MIN) / (T_MAX - T_MIN)
    if not bool(((share >= -1e-6) & (share <= 1 + 1e-6)).all()):
        raise ValueError(f"expected t from {T_MIN:.4f} to {T_MAX:.4f}, got {float(t.min())} to {float(t.max())}")
    return (share * NUM_CLASSES).long().clamp(0, NUM_CLASSES - 1)


def nearest_on_surface(points: Tensor) -> NearestPoint:
    """Find the nearest surface point exactly, up to float64.

    Height and spiral part: distance^2 = (outside of [0, 21])^2 + min_t |t e^(it) - p|^2, where p is the point in the
    plane of the spiral, at radius r and angle a, and

        f(t) = t^2 - 2 t r cos(t - a) + r^2,   f'(t) / 2 = t - r cos(t - a) + t r sin(t - a).

    f may have a minimum on every turn, and at both ends: each short window of t brings its own, by Newton's steps
    from the best point of a grid, kept inside the window; the smallest wins.

    Args:
        points: [points, 3].

    Raises:
        ValueError: If the shape is another, or a number is not finite.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"expected points of shape [points, 3], got {list(points.shape)}")
    if not bool(points.isfinite().all()):
        raise ValueError("expected finite points, got nan or infinity")
    parts = torch.split(points.detach().double(), _ROWS)
    t, squared = (torch.cat(part) for part in zip(*(_nearest_in_plane(rows) for rows in parts), strict=True))
    y = points.detach().double()[:, 1]
    outside = (-y).clamp_min(0) + (y - HEIGHT).clamp_min(0)
    return NearestPoint((squared + outside.square()).sqrt(), t, class_of(t))


def _nearest_in_plane(points: Tensor) -> tuple[Tensor, Tensor]:
    """Return t and the squared distance in the plane of the spiral, both [points]."""
    x, _, z = points.unbind(dim=1)
    r, a = torch.hypot(x, z)[:, None], torch.atan2(z, x)[:, None]
    edges = torch.linspace(T_MIN, T_MAX, _NUM_WINDOWS + 1, dtype=torch.float64)
    low, high = edges[:-1], edges[1:]
    grid = low[:, None] + (high - low)[:, None] * torch.linspace(0, 1, _GRID, dtype=torch.float64)
    squared = _squared(grid[None], r[:, :, None], a[:, :, None])
    t = grid[torch.arange(_NUM_WINDOWS), squared.argmin(dim=2)]
    for _ in range(_NEWTON_STEPS):
        slope = t - r * torch.cos(t - a) + t * r * torch.sin(t - a)
        curvature = 1 + 2 * r * torch.sin(t - a) + t * r * torch.cos(t - a)
        step = torch.where(curvature > 0, slope / torch.where(curvature > 0, curvature, 1.0), 0.0)
        t = (t - step).clamp(low, high)
    best, window = _squared(t, r, a).clamp_min(0).min(dim=1)
    return t.gather(1, window[:, None]).squeeze(1), best


def _squared(t: Tensor, r: Tensor, a: Tensor) -> Tensor:
    # (t - r)^2 + 2 t r (1 - cos): no cancellation where the point is on the spiral.
    return (t - r).square() + 4 * t * r * torch.sin((t - a) / 2).square()
