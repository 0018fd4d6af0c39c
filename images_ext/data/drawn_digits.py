"""Digits in the style of MNIST, drawn from strokes of our own, for where MNIST is not at hand."""

from collections.abc import Sequence

import torch
from torch import Tensor

from images_ext.data.images import DIGIT_NAMES, ImageSet

__all__ = ["draw_digits"]

_SIDE = 28
# As in MNIST: the digit's longer side fills 20 pixels, and its centre of mass is the middle of the image.
_BOX = 20.0
_POINTS_BETWEEN = 6
_LEAST_SQUARE = 1e-12  # two points of a curve may coincide

_Stroke = tuple[tuple[float, float], ...]
# Ways to write each digit; a way is one or more strokes, a stroke the points that a pen passes in a smooth curve.
# x to the right from 0 to 1, y down from 0 to 1.4.
_WAYS: dict[int, tuple[tuple[_Stroke, ...], ...]] = {
    0: (
        (
            (
                (0.55, 0.0), (0.2, 0.2), (0.06, 0.7), (0.15, 1.18), (0.45, 1.4), (0.78, 1.2), (0.9, 0.7),
                (0.8, 0.2), (0.5, 0.0),
            ),
        ),
    ),
    1: (
        (((0.52, 0.0), (0.5, 0.7), (0.47, 1.4)),),
        (((0.3, 0.28), (0.42, 0.16), (0.52, 0.0)), ((0.52, 0.0), (0.5, 0.7), (0.5, 1.4))),
    ),
    2: (
        (
            ((0.1, 0.32), (0.27, 0.06), (0.58, 0.0), (0.8, 0.22), (0.74, 0.58), (0.44, 0.98), (0.08, 1.36)),
            ((0.08, 1.36), (0.5, 1.32), (0.96, 1.36)),
        ),
        (
            (
                (0.12, 0.28), (0.32, 0.04), (0.62, 0.02), (0.8, 0.28), (0.66, 0.72), (0.36, 1.18), (0.12, 1.36),
                (0.04, 1.22), (0.2, 1.1), (0.5, 1.28), (0.94, 1.34),
            ),
        ),
    ),
    3: (
        (
            ((0.14, 0.16), (0.42, 0.0), (0.76, 0.14), (0.7, 0.46), (0.36, 0.64)),
            ((0.36, 0.64), (0.74, 0.74), (0.86, 1.06), (0.62, 1.36), (0.28, 1.4), (0.06, 1.22)),
        ),
    ),
    4: (
        (
            ((0.18, 0.0), (0.1, 0.36), (0.1, 0.7)),
            ((0.1, 0.7), (0.45, 0.74), (0.92, 0.64)),
            ((0.8, 0.02), (0.74, 0.7), (0.7, 1.4)),
        ),
        (
            ((0.22, 0.04), (0.12, 0.32), (0.14, 0.6), (0.42, 0.7), (0.76, 0.56)),
            ((0.84, 0.0), (0.76, 0.6), (0.68, 1.4)),
        ),
    ),
    5: (
        (
            ((0.24, 0.04), (0.2, 0.34), (0.16, 0.6)),
            ((0.16, 0.6), (0.5, 0.54), (0.8, 0.78), (0.78, 1.12), (0.48, 1.38), (0.06, 1.3)),
            ((0.24, 0.04), (0.56, 0.05), (0.92, 0.0)),
        ),
    ),
    6: (
        (
            (
                (0.68, 0.0), (0.38, 0.28), (0.16, 0.72), (0.12, 1.12), (0.36, 1.4), (0.7, 1.3), (0.8, 1.02),
                (0.58, 0.82), (0.28, 0.92), (0.14, 1.16),
            ),
        ),
    ),
    7: (
        (
            ((0.06, 0.14), (0.45, 0.1), (0.88, 0.04)),
            ((0.88, 0.04), (0.64, 0.6), (0.46, 1.4)),
        ),
        (
            ((0.08, 0.3), (0.12, 0.1), (0.5, 0.1), (0.9, 0.06)),
            ((0.9, 0.06), (0.68, 0.56), (0.5, 1.4)),
        ),
    ),
    8: (
        (
            (
                (0.76, 0.18), (0.48, 0.0), (0.2, 0.18), (0.32, 0.5), (0.64, 0.8), (0.8, 1.12), (0.5, 1.4),
                (0.16, 1.16), (0.32, 0.82), (0.64, 0.52), (0.76, 0.18),
            ),
        ),
    ),
    9: (
        (
            ((0.8, 0.26), (0.52, 0.02), (0.18, 0.24), (0.2, 0.58), (0.5, 0.68), (0.76, 0.44), (0.8, 0.26)),
            ((0.8, 0.26), (0.78, 0.8), (0.64, 1.4)),
        ),
    ),
}  # fmt: skip


def draw_digits(num_images: int = 100, *, seed: int = 0) -> ImageSet:
    """Draw digits as white strokes on black, each in a hand of its own; 0 to 9 by turns, so that image i is i mod 10.

    Points, slant, turn, width and pressure vary.  No byte of MNIST was used, and figures on these images are no
    figures on MNIST.

    Args:
        num_images: How many.
        seed: Of all that varies; image i depends on it and on i alone.

    Returns:
        Images [num_images, 1, 28, 28], named ``drawn digits``, split ``test``.

    Raises:
        ValueError: If ``num_images`` is below 1.
    """
    if num_images < 1:
        raise ValueError(f"expected at least 1 image, got {num_images}")
    labels = torch.arange(num_images) % len(DIGIT_NAMES)
    generator = torch.Generator().manual_seed(seed)
    images = torch.stack([_draw(int(label), generator) for label in labels])
    return ImageSet(images.unsqueeze(1), labels, DIGIT_NAMES, "drawn digits", "test")


def _draw(digit: int, generator: torch.Generator) -> Tensor:
    ways = _WAYS[digit]
    strokes = ways[int(torch.randint(len(ways), (), generator=generator))]
    curves = _shaped(strokes, generator)
    half_width, softness = _between(0.9, 1.6, generator), _between(0.8, 1.2, generator)
    ink = _ink(curves, half_width=half_width, softness=softness)
    # Drawn again where the centre of mass is in the middle.
    axis = torch.arange(_SIDE).float()
    mass = ink.sum()
    centre = torch.stack([(ink.sum(0) * axis).sum() / mass, (ink.sum(1) * axis).sum() / mass])
    curves = [curve + ((_SIDE - 1) / 2 - centre) for curve in curves]
    ink = _ink(curves, half_width=half_width, softness=softness)
    return (ink * 255).round().to(torch.uint8)


def _shaped(strokes: Sequence[_Stroke], generator: torch.Generator) -> list[Tensor]:
    """Return each stroke as a curve in pixels, [points, 2] of x and y, in a hand drawn at random."""
    shift = {point: 0.03 * torch.randn(2, generator=generator) for stroke in strokes for point in stroke}
    curves = [_smooth(torch.stack([torch.tensor(point) + shift[point] for point in stroke])) for stroke in strokes]
    slant = 0.12 + 0.15 * float(torch.randn((), generator=generator))
    turn = torch.tensor(0.06 * float(torch.randn((), generator=generator)))
    breadth = _between(0.9, 1.25, generator)
    bent = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()]).reshape(2, 2) @ torch.tensor(
        [[breadth, -slant], [0.0, 1.0]]
    )
    curves = [curve @ bent.T for curve in curves]
    points = torch.cat(curves)
    low, high = points.amin(0), points.amax(0)
    # The pen's own width is part of the box.
    scale = (_BOX - 2) / (high - low).amax()
    return [(curve - (low + high) / 2) * scale + (_SIDE - 1) / 2 for curve in curves]


def _smooth(points: Tensor) -> Tensor:
    """Return points of the Catmull-Rom spline through the given ones, [curve points, 2]."""
    before, after = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
    padded = torch.cat([before, points, after])
    t = torch.arange(_POINTS_BETWEEN).div(_POINTS_BETWEEN).reshape(-1, 1, 1)
    p0, p1, p2, p3 = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return torch.cat([curve.movedim(1, 0).flatten(0, 1), points[-1:]])


def _ink(curves: Sequence[Tensor], *, half_width: float, softness: float) -> Tensor:
    """Return ink from 0 to 1, [28, 28]: full within the pen's width of a curve, fading over ``softness`` pixels."""
    axis = torch.arange(_SIDE).float()
    start_x, start_y = torch.cat([curve[:-1] for curve in curves]).unbind(1)
    way_x, way_y = torch.cat([curve.diff(dim=0) for curve in curves]).unbind(1)
    length = (way_x.square() + way_y.square()).clamp(min=_LEAST_SQUARE)
    # [y, x, segments], built from parts that know only x or only y.
    from_x, from_y = axis.reshape(1, -1, 1) - start_x, axis.reshape(-1, 1, 1) - start_y
    along = (from_x * (way_x / length) + from_y * (way_y / length)).clamp(0, 1)
    distance = ((from_x - along * way_x).square() + (from_y - along * way_y).square()).amin(-1).sqrt()
    return ((half_width - distance) / softness + 0.5).clamp(0, 1)


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
