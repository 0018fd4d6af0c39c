"""What counts as a success, and PGD at an equal rate."""

import json

import pytest
import torch
from torch import Tensor

from images_ext.swiss_roll.attacks import AttackedPoints, PgdConfig
from images_ext.swiss_roll.classifier import UNIT, standardise, to_roll
from images_ext.swiss_roll.measurement import MeasuredAttack, measure, pgd_at_rate, point_rows, success_at, summarise
from images_ext.swiss_roll.surface import T_MIN, class_of
from tests.images.swiss_roll.toys import logits_of_half_space

UP = torch.tensor([0.0, 1.0, 0.0])


def roll_points(heights: Tensor, *, t: float = T_MIN + 1.0) -> Tensor:
    """Return points of class 0 at some heights, in the roll's units."""
    place = torch.full_like(heights, t)
    return torch.stack([place * place.cos(), heights, place * place.sin()], dim=1)


def attacked(points: Tensor, is_flipped: list[bool], queries: list[int]) -> AttackedPoints:
    return AttackedPoints(standardise(points), torch.tensor(is_flipped), torch.tensor(queries))


def three() -> MeasuredAttack:
    """A flip on the surface, a flip that went over to another class, and no flip."""
    points = torch.cat([roll_points(torch.tensor([4.0])), roll_points(torch.tensor([4.0]), t=9.0)]).double()
    points = torch.cat([points, points[:1]])
    start = standardise(roll_points(torch.tensor([1.0, 1.0, 1.0])).double())
    return measure(attacked(points, [True, True, False], [3, 1, 100]), start, torch.zeros(3, dtype=torch.int64))


def test_standardising_and_back_changes_nothing_and_keeps_angles() -> None:
    points = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 10
    torch.testing.assert_close(to_roll(standardise(points)), points)
    torch.testing.assert_close(
        torch.cdist(standardise(points), standardise(points)) * UNIT, torch.cdist(points, points)
    )


def test_a_flip_counts_where_the_nearest_surface_point_keeps_its_class() -> None:
    found = three()
    assert found.is_success.tolist() == [True, False, False]
    assert found.nearest_labels.tolist() == [0, int(class_of(torch.tensor([9.0]))), 0]
    assert found.rate == pytest.approx(1 / 3)
    torch.testing.assert_close(found.surface_distance, torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.moved[0].item(), 3.0)


def test_the_summary_counts_flips_and_successes_apart() -> None:
    found = summarise(three())
    assert (found["num_points"], found["num_flips"], found["num_successes"]) == (3, 2, 1)
    assert found["moved"]["median"] == pytest.approx(3.0)
    assert found["success_at"] == {
        "1": 0.0,
        "5": pytest.approx(1 / 3),
        "20": pytest.approx(1 / 3),
        "100": pytest.approx(1 / 3),
    }


def test_no_success_has_no_distance() -> None:
    point = roll_points(torch.tensor([1.0]))
    found = summarise(measure(attacked(point, [False], [0]), standardise(point), torch.zeros(1, dtype=torch.int64)))
    assert found["surface_distance"] is None
    json.dumps(found, allow_nan=False)


def test_budgets_are_over_the_points_of_all_runs() -> None:
    assert success_at([three(), three()])["5"] == pytest.approx(1 / 3)


def height_logits(inputs: Tensor) -> Tensor:
    """Wrong above height 15: a target that errs on the surface itself."""
    return logits_of_half_space(inputs, direction=UP, offset=(15.0 - 10.5) / UNIT)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_pgd_at_an_equal_rate_has_the_radius_that_reaches_so_many_points(share: float) -> None:
    gaps = torch.linspace(0.5, 9.5, 10)  # heights that are missing to the edge of what the target has right
    points, labels = standardise(roll_points(15.0 - gaps)), torch.zeros(10, dtype=torch.int64)
    config, found = pgd_at_rate(
        height_logits, points, labels, rate=share, config=PgdConfig(num_steps=10, relative_step=0.25)
    )
    reached = gaps[round(share * 10) - 1].item() / UNIT
    # 14 halvings of an interval at most half as wide as the radius.
    assert config.epsilon == pytest.approx(reached, rel=1e-3)
    assert found.rate == pytest.approx(share)
    assert found.surface_distance.max().item() < 1e-5


def test_a_rate_that_pgd_never_reaches_ends_the_search() -> None:
    points, labels = standardise(roll_points(torch.tensor([1.0]))), torch.zeros(1, dtype=torch.int64)
    _, found = pgd_at_rate(lambda x: height_logits(x) * 0, points, labels, rate=0.5, config=PgdConfig(num_steps=2))
    assert found.rate == 0


def test_rows_have_what_every_figure_needs() -> None:
    rows = point_rows("pgd", 7, three(), torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))
    assert [row["is_success"] for row in rows] == [True, False, False]
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert rows[0]["seed"] == 7
    assert rows[0]["code"] == [0.0, 0.0]
    assert rows[0]["moved"] == pytest.approx(3.0)
    json.dumps(rows, allow_nan=False)
