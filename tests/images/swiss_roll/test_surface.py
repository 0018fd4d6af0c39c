"""Closed forms of the distance from the Swiss Roll, and its classes."""

import math

import pytest
import torch
from torch import Tensor

from images_ext.swiss_roll.surface import HEIGHT, NUM_CLASSES, T_MAX, T_MIN, SwissRoll, class_of, nearest_on_surface

# Away from the ends, so that the foot of a short normal lies on the surface.
INNER = torch.linspace(T_MIN + 0.3, T_MAX - 0.3, 101, dtype=torch.float64)


def on_surface(t: Tensor, height: float = 7.0) -> Tensor:
    return torch.stack([t * t.cos(), torch.full_like(t, height), t * t.sin()], dim=1)


def tangent(t: Tensor) -> Tensor:
    slope = torch.stack([t.cos() - t * t.sin(), torch.zeros_like(t), t.sin() + t * t.cos()], dim=1)
    length: Tensor = slope.norm(dim=1, keepdim=True)
    return slope / length


def normal(t: Tensor) -> Tensor:
    x, y, z = tangent(t).unbind(dim=1)
    return torch.stack([z, y, -x], dim=1)


def test_points_on_the_surface_are_at_distance_zero_from_themselves() -> None:
    t = torch.linspace(T_MIN, T_MAX, 301, dtype=torch.float64)
    found = nearest_on_surface(on_surface(t))
    torch.testing.assert_close(found.distance, torch.zeros_like(t), atol=1e-7, rtol=0)
    torch.testing.assert_close(found.t, t, atol=1e-7, rtol=0)
    assert torch.equal(found.label, class_of(t))


# Half the gap between turns is about 3.1, and the spiral's radius of curvature at least 4.3.
@pytest.mark.parametrize("length", [1e-3, 0.5, 2.5])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_step_along_the_normal_is_the_distance(length: float, side: int) -> None:
    found = nearest_on_surface(on_surface(INNER) + side * length * normal(INNER))
    torch.testing.assert_close(found.distance, torch.full_like(INNER, length), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.t, INNER, atol=1e-6, rtol=0)


def test_height_outside_the_roll_adds_to_the_square() -> None:
    aside = on_surface(INNER) + 0.3 * normal(INNER)
    for height in (-0.4, HEIGHT + 0.4):
        points = aside.clone()
        points[:, 1] = height
        torch.testing.assert_close(nearest_on_surface(points).distance, torch.full_like(INNER, 0.5))


def test_height_inside_the_roll_changes_nothing() -> None:
    low, high = (nearest_on_surface(on_surface(INNER, height) + 0.2 * normal(INNER)) for height in (0.0, HEIGHT))
    torch.testing.assert_close(low.distance, high.distance)


def test_beyond_an_end_the_edge_is_nearest() -> None:
    t = torch.tensor([T_MIN, T_MAX], dtype=torch.float64)
    outward = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    found = nearest_on_surface(on_surface(t) + 0.7 * outward * tangent(t))
    torch.testing.assert_close(found.distance, torch.full_like(t, 0.7))
    torch.testing.assert_close(found.t, t)
    assert found.label.tolist() == [0, NUM_CLASSES - 1]


def test_the_axis_is_nearest_to_the_inner_edge() -> None:
    found = nearest_on_surface(torch.tensor([[0.0, 3.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(found.distance, torch.tensor([T_MIN], dtype=torch.float64))


def test_distance_agrees_with_a_search_over_a_fine_grid() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(200, 3, dtype=torch.float64, generator=generator) * torch.tensor([36.0, 30.0, 36.0])
    points -= torch.tensor([18.0, 4.0, 18.0])
    t = torch.linspace(T_MIN, T_MAX, 20_001, dtype=torch.float64)
    spiral = torch.stack([t * t.cos(), t * t.sin()], dim=1)
    in_plane = torch.cdist(points[:, [0, 2]], spiral).amin(dim=1)
    beside = (points[:, 1] - points[:, 1].clamp(0, HEIGHT)).abs()
    found = nearest_on_surface(points)
    expected = torch.hypot(in_plane, beside)
    # A grid is never nearer, and at a spacing of h by at most h / 2 farther.
    assert bool((found.distance <= expected + 1e-9).all())
    torch.testing.assert_close(found.distance, expected, atol=1e-3, rtol=0)


def test_float32_points_are_measured_in_float64() -> None:
    found = nearest_on_surface(on_surface(INNER).float())
    assert found.distance.dtype == torch.float64
    assert found.distance.max().item() < 1e-5


@pytest.mark.parametrize("points", [torch.zeros(3), torch.zeros(2, 2)])
def test_another_shape_is_an_error(points: Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected points of shape \[points, 3\], got"):
        nearest_on_surface(points)


def test_a_point_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected finite points, got nan or infinity"):
        nearest_on_surface(torch.tensor([[0.0, math.nan, 0.0]]))


def test_classes_are_quarters_of_the_spiral() -> None:
    share = torch.tensor([0.0, 0.24, 0.26, 0.49, 0.51, 0.74, 0.76, 1.0], dtype=torch.float64)
    assert class_of(T_MIN + share * (T_MAX - T_MIN)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_place_outside_the_roll_has_no_class() -> None:
    with pytest.raises(ValueError, match="expected t from"):
        class_of(torch.tensor([T_MIN - 0.1]))


def test_drawn_points_lie_on_the_surface_and_follow_the_seed() -> None:
    roll, again, other = (SwissRoll.draw(400, seed=seed) for seed in (0, 0, 1))
    found = nearest_on_surface(roll.points)
    assert found.distance.max().item() < 1e-5
    torch.testing.assert_close(found.t.float(), roll.t, atol=1e-5, rtol=0)
    assert torch.equal(roll.points, again.points)
    assert not torch.equal(roll.points, other.points)
    assert roll.labels.bincount().tolist() == pytest.approx([100] * NUM_CLASSES, abs=40)
