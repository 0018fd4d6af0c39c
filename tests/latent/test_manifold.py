"""Known answers of reading 21 and of the spread of codes."""

import pytest
import torch

from textsem.latent.manifold import code_spread, latent_noise_level, latent_noise_levels

DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def test_noise_of_a_rank_one_difference_is_the_product_of_its_norms() -> None:
    rows = torch.tensor([1.0, 2.0, 2.0, 4.0], dtype=DOUBLE)
    columns = torch.tensor([3.0, 4.0], dtype=DOUBLE)
    z = torch.eye(4, 2, dtype=DOUBLE).expand(2, 4, 2) * 2
    factors = torch.tensor([0.1, 0.3], dtype=DOUBLE)[:, None, None]
    noise = latent_noise_level(z, z + factors * torch.outer(rows, columns))
    assert noise.absolute == pytest.approx(0.2 * 5 * 5 / 4**0.5)
    assert noise.relative == pytest.approx(0.2 * 5 * 5 / 2)


def test_noise_is_the_largest_singular_value_and_not_the_frobenius_norm() -> None:
    z = torch.eye(4, 2, dtype=DOUBLE)[None]
    difference = torch.zeros(1, 4, 2, dtype=DOUBLE)
    difference[0, 0, 0], difference[0, 1, 1] = 3.0, 2.0
    assert latent_noise_level(z, z + difference).absolute == pytest.approx(3 / 4**0.5)


def test_relative_noise_is_free_of_the_scale_of_codes() -> None:
    z, z_adv = normal(3, 8, 5), normal(3, 8, 5, seed=1)
    once, twice = latent_noise_level(z, z_adv), latent_noise_level(2 * z, 2 * z_adv)
    assert twice.relative == pytest.approx(once.relative)
    assert twice.absolute == pytest.approx(2 * once.absolute)


def test_noise_needs_equal_shapes() -> None:
    with pytest.raises(ValueError, match=r"expected z_adv of shape \[1, 2, 3\], got \[1, 2, 4\]"):
        latent_noise_level(normal(1, 2, 3), normal(1, 2, 4))


def test_spread_is_zero_for_one_opinion_and_about_one_for_unrelated_particles() -> None:
    shared = normal(1, 200, 5)
    assert code_spread(shared.expand(4, 200, 5)) == pytest.approx(0, abs=1e-12)
    assert code_spread(normal(50, 200, 5)) == pytest.approx(1, abs=0.02)


def test_levels_of_a_data_set_are_those_of_its_full_batches() -> None:
    z = normal(2, 150, 4)
    z_adv = z + normal(2, 150, 4, seed=1)
    levels = latent_noise_levels(z, z_adv)
    assert levels == [latent_noise_level(z[:, rows], z_adv[:, rows]) for rows in (slice(0, 64), slice(64, 128))]
    assert latent_noise_levels(z[:, :10], z_adv[:, :10]) == [latent_noise_level(z[:, :10], z_adv[:, :10])]
