"""Attacks on points: known answers in a flat world, and what holds of every source."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversary
from images_ext.swiss_roll.attacks import (
    SOURCES,
    AttackedPoints,
    PgdConfig,
    SearchConfig,
    attack_codes,
    attack_pgd,
    draw_codes,
    is_near_bank,
)
from tests.images.swiss_roll.toys import STEP, TINY, FlatAdversary, logits_of_half_space

RIGHT = torch.tensor([1.0, 0.0, 0.0])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(points: Tensor) -> Tensor:
    return logits_of_half_space(points, direction=RIGHT, offset=0.25)


def found(
    config: SearchConfig,
    *,
    source: str = "adversarial",
    points: Tensor | None = None,
    bank: Tensor | None = None,
    seed: int = 0,
) -> AttackedPoints:
    if bank is None:
        bank, config = torch.zeros(2, 3), replace(config, bank_quantile=None)
    given = torch.zeros(1, 3) if points is None else points
    labels = torch.zeros(len(given), dtype=torch.int64)
    model, rng = FlatAdversary(), generator(seed)
    return attack_codes(model, logits, given, labels, bank=bank, source=source, config=config, generator=rng)


def test_the_closest_flip_is_returned_and_queries_count_up_to_it() -> None:
    attack = found(SearchConfig(num_particles=1, scales=(4.0, 1.0, 3.0, 2.0), epsilon=1.0))
    torch.testing.assert_close(attack.points, torch.tensor([[3 * STEP, 0.0, 0.0]]), atol=1e-6, rtol=0)
    assert attack.is_flipped.tolist() == [True]
    assert attack.queries.tolist() == [3]


def test_candidates_outside_the_ball_are_never_asked() -> None:
    attack = found(SearchConfig(num_particles=1, scales=(1.0, 2.0, 3.0, 4.0), epsilon=0.25))
    assert attack.is_flipped.tolist() == [False]
    assert attack.queries.tolist() == [2]
    assert torch.equal(attack.points, torch.zeros(1, 3))


def test_the_budget_ends_the_search() -> None:
    attack = found(SearchConfig(num_particles=1, scales=(1.0, 2.0, 3.0), epsilon=1.0, max_queries=2))
    assert attack.is_flipped.tolist() == [False]
    assert attack.queries.tolist() == [2]


@pytest.mark.parametrize("source", SOURCES)
def test_radius_zero_gives_no_flip_and_asks_nothing(source: str) -> None:
    points = torch.rand(30, 3, generator=generator()) * torch.tensor([0.5, 1.0, 0.0])
    attack = found(SearchConfig(epsilon=0.0), source=source, points=points)
    assert not attack.is_flipped.any()
    assert not attack.queries.any()


@pytest.mark.parametrize("source", SOURCES)
def test_every_flip_is_inside_and_is_what_the_target_said(source: str) -> None:
    points = torch.rand(200, 3, generator=generator()) * torch.tensor([0.25, 1.0, 0.0])
    attack = found(SearchConfig(num_particles=4, epsilon=0.15), source=source, points=points)
    answers = logits(attack.points).argmax(dim=-1)
    assert torch.equal(answers == 1, attack.is_flipped)
    assert float((attack.points - points).norm(dim=-1).max()) < 0.15
    assert source in ("clean", "reconstruction") or bool(attack.is_flipped.any())


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_seed_gives_the_same_attack(source: str) -> None:
    points = torch.rand(50, 3, generator=generator()) * torch.tensor([0.25, 1.0, 0.0])
    config = SearchConfig(num_particles=3)
    one, same = (found(config, source=source, points=points) for _ in range(2))
    assert torch.equal(one.points, same.points)
    assert torch.equal(one.queries, same.queries)


def test_permuting_the_points_permutes_an_attack_without_noise() -> None:
    points = torch.rand(40, 3, generator=generator()) * torch.tensor([0.25, 1.0, 0.0])
    order = torch.randperm(40, generator=generator(1))
    one = found(SearchConfig(num_particles=3), points=points)
    other = found(SearchConfig(num_particles=3), points=points[order])
    assert torch.equal(other.points, one.points[order])
    assert torch.equal(other.queries, one.queries[order])


@pytest.mark.parametrize("source", ["isotropic", "between-particles"])
def test_controls_move_codes_as_far_as_the_adversary(source: str) -> None:
    model, points = PointAdversary(TINY).initialise(generator()), torch.randn(9, 3, generator=generator())
    model.recognition_adv.initialise(model.particle_mlp_adv.initial(generator(3)), generator(3))
    config = SearchConfig(num_particles=3, scales=(1.0, 2.5))
    drawn = {
        name: draw_codes(model, points, source=name, config=config, generator=generator())
        for name in ("adversarial", source)
    }
    z = model.codes(points, *model.draw_particles(3, generator()))[0]
    moved = {name: (codes.reshape(2, 3, *codes.shape[1:]) - z).norm(dim=-1) for name, codes in drawn.items()}
    assert moved["adversarial"].min().item() > 1e-3
    torch.testing.assert_close(moved[source], moved["adversarial"], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(drawn[source], drawn["adversarial"])


def test_samples_of_the_clean_encoder_are_as_many_as_candidates_and_unmoved() -> None:
    model, points = PointAdversary(TINY).initialise(generator()), torch.randn(9, 3, generator=generator())
    config = SearchConfig(num_particles=3, scales=(1.0, 2.5))
    drawn = draw_codes(model, points, source="clean", config=config, generator=generator())
    z = model.codes(points, *model.draw_particles(6, generator()))[0]
    assert torch.equal(drawn, z)
    assert len(draw_codes(model, points, source="reconstruction", config=config, generator=generator())) == 1


def test_codes_are_near_the_bank_within_a_quantile_of_its_own_gaps() -> None:
    bank = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [9.0, 0.0]])  # gaps 1, 1, 2 and 8
    codes = torch.tensor([[[0.0, 1.0], [0.0, -1.5]], [[1.0, 4.0], [9.0, 7.0]]])
    found = {q: is_near_bank(codes, bank, quantile=q).tolist() for q in (0.0, 0.5, 1.0)}
    assert found == {
        0.0: [[True, False], [False, False]],
        0.5: [[True, True], [False, False]],
        1.0: [[True, True], [True, True]],
    }


def test_candidates_away_from_the_bank_are_never_asked() -> None:
    bank = torch.tensor([[-0.04, 0.0, 0.0], [0.0, 0.0, 0.0], [0.30, 0.0, 0.0], [0.34, 0.0, 0.0]])  # gaps of 0.04
    config = SearchConfig(num_particles=1, scales=(1.0, 2.0, 3.0, 4.0), epsilon=1.0, bank_quantile=1.0)
    attack = found(config, bank=bank)
    assert attack.is_flipped.tolist() == [True]
    assert attack.queries.tolist() == [1]
    assert not found(config, bank=bank[:2]).is_flipped.any()


def test_an_unknown_source_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected source in"):
        found(SearchConfig(), source="wish")


@pytest.mark.parametrize(
    "fields",
    [
        {"num_particles": 0},
        {"scales": ()},
        {"max_queries": 0},
        {"epsilon": -1.0},
        {"epsilon": float("nan")},
        {"bank_quantile": 1.5},
    ],
)
def test_wrong_search_settings_are_errors(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected "):
        SearchConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{"epsilon": -0.1}, {"num_steps": 0}, {"relative_step": 0.0}])
def test_wrong_pgd_settings_are_errors(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected "):
        PgdConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("stops_at_flip", [True, False])
def test_pgd_walks_straight_to_a_plane_and_no_farther_than_the_ball(stops_at_flip: bool) -> None:
    config = PgdConfig(epsilon=0.4, num_steps=40, relative_step=0.02, stops_at_flip=stops_at_flip)
    points, labels = torch.tensor([[0.0, 3.0, -2.0], [-0.5, 1.0, 1.0]]), torch.zeros(2, dtype=torch.int64)
    attack = attack_pgd(logits, points, labels, config=config)
    # Steps of 0.008: the 32nd is the first past 0.25; the second point's plane lies outside its ball.
    first = 32 * 0.008 if stops_at_flip else 40 * 0.008
    expected = points + torch.tensor([[first, 0.0, 0.0], [40 * 0.008, 0.0, 0.0]])
    torch.testing.assert_close(attack.points, expected, atol=1e-5, rtol=0)
    assert attack.is_flipped.tolist() == [True, False]
    assert attack.queries.tolist() == [32 if stops_at_flip else 40, 40]


def test_pgd_stays_in_the_ball_however_large_its_steps() -> None:
    points, labels = torch.randn(20, 3, generator=generator()) - 5.0, torch.zeros(20, dtype=torch.int64)
    attack = attack_pgd(logits, points, labels, config=PgdConfig(epsilon=0.3, num_steps=7, relative_step=3.0))
    torch.testing.assert_close((attack.points - points).norm(dim=-1), torch.full((20,), 0.3), atol=1e-5, rtol=0)


def test_pgd_of_radius_zero_returns_the_points() -> None:
    points, labels = torch.randn(20, 3, generator=generator()) * 0.01, torch.zeros(20, dtype=torch.int64)
    attack = attack_pgd(logits, points, labels, config=PgdConfig(epsilon=0.0))
    assert torch.equal(attack.points, points)
    assert not attack.is_flipped.any()


def test_pgd_halts_where_the_gradient_is_zero() -> None:
    """The margin loss is flat once the target is fooled by a nat."""
    config = PgdConfig(epsilon=50.0, num_steps=40, relative_step=0.1, stops_at_flip=False)
    attack = attack_pgd(logits, torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64), config=config)
    torch.testing.assert_close(attack.points, torch.tensor([[5.0, 0.0, 0.0]]))
