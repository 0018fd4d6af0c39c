"""Moves of codes: unit directions, equal lengths, the tangent space, nothing shared between pairs."""

from dataclasses import replace

import pytest
import torch

from tests.builders import LATENT, TINY_SENTENCES, build_tiny_adversary
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.latent.moves import (
    DIRECTIONS,
    ISOTROPIC_SHARE,
    CodeBatch,
    local_neighbours,
    move_as_far,
    move_codes,
    pair_noise,
    unit,
)
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize

M, B, C, K, D = 3, 4, 10, 5, 12
MOVING = sorted(set(DIRECTIONS) - {"reconstruction"})


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def code_batch(noise_weight: float = 1.0) -> CodeBatch:
    clean = normal(M, B, D)
    particle, noise = pair_noise(range(B), C, D, M)
    neighbours = local_neighbours(clean.mean(dim=0), normal(30, D, seed=2), num_neighbours=K)
    return CodeBatch(
        clean, clean + 0.3 * normal(M, B, D, seed=1), neighbours, particle, noise, torch.full((C,), noise_weight)
    )


def outside(vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the norm of what of ``vectors`` [..., latent] lies outside the span of ``rows`` [rows, latent]."""
    solution = torch.linalg.lstsq(rows.mT.double(), vectors.double().mT).solution
    distances: torch.Tensor = (vectors.double() - (rows.mT.double() @ solution).mT).norm(dim=-1)
    return distances


@pytest.mark.parametrize("name", MOVING)
def test_directions_have_unit_length(name: str) -> None:
    torch.testing.assert_close(DIRECTIONS[name](code_batch()).norm(dim=-1), torch.ones(B, C))


@pytest.mark.parametrize("name", MOVING)
def test_candidates_of_a_pair_go_different_ways(name: str) -> None:
    directions = DIRECTIONS[name](code_batch())
    assert (directions @ directions.mT).mean(dim=(1, 2)).max() < 0.9


def test_reconstruction_is_no_direction() -> None:
    assert not DIRECTIONS["reconstruction"](code_batch()).any()


def test_each_candidate_takes_its_own_particle() -> None:
    batch = code_batch()
    picked = batch.of_particle(batch.clean)
    for b in range(B):
        for c in range(C):
            assert torch.equal(picked[b, c], batch.clean[batch.particle[b, c], b])


def test_adversarial_direction_without_noise_is_the_move_of_its_particle() -> None:
    batch = code_batch(noise_weight=0.0)
    move = batch.of_particle(batch.adversarial - batch.clean)
    torch.testing.assert_close(DIRECTIONS["adversarial"](batch), move / move.norm(dim=-1, keepdim=True))


def test_adversarial_noise_favours_the_ways_to_neighbours_that_lead_where_e_prime_does() -> None:
    batch = code_batch(noise_weight=1e6)  # the move itself does not show beside so much noise
    move = unit(batch.of_particle(batch.adversarial - batch.clean))
    without = unit(DIRECTIONS["cone"](batch) + ISOTROPIC_SHARE * DIRECTIONS["isotropic"](batch))
    agreement = (DIRECTIONS["adversarial"](batch) * move).sum(dim=-1)
    assert agreement.mean() > (without * move).sum(dim=-1).mean() + 0.05


def test_adversarial_noise_is_as_long_as_its_weight_says() -> None:
    move = unit(code_batch().of_particle(code_batch().adversarial - code_batch().clean))
    noise = DIRECTIONS["adversarial"](code_batch(noise_weight=1e6))
    torch.testing.assert_close(
        DIRECTIONS["adversarial"](code_batch(noise_weight=0.7)), unit(move + 0.7 * noise), atol=1e-4, rtol=0
    )


def test_clean_directions_stay_between_the_particles() -> None:
    batch = code_batch()
    directions = DIRECTIONS["clean"](batch)
    for b in range(B):
        assert outside(directions[b], batch.clean[1:, b] - batch.clean[:1, b]).max() < 1e-5


def test_single_particle_has_no_clean_direction() -> None:
    clean = normal(1, B, D)
    particle, noise = pair_noise(range(B), C, D, 1)
    batch = CodeBatch(clean, clean + 1, torch.zeros(B, K, D), particle, noise, torch.ones(1))
    assert not DIRECTIONS["clean"](batch).any()


def test_isotropic_directions_prefer_none() -> None:
    clean = normal(1, 1, D)
    particle, noise = pair_noise([0], 20_000, D, 1)
    directions = DIRECTIONS["isotropic"](CodeBatch(clean, clean, torch.zeros(1, K, D), particle, noise, torch.ones(1)))[
        0
    ]
    covariance = directions.T @ directions / len(directions)
    torch.testing.assert_close(covariance, torch.eye(D) / D, atol=0.005, rtol=0)
    assert directions.mean(dim=0).norm() < 0.03


def test_neighbours_are_the_ways_to_the_nearest_codes_of_the_bank_nearest_first() -> None:
    codes, bank = normal(B, D), normal(30, D, seed=2)
    ways = local_neighbours(codes, bank, num_neighbours=K)
    for b in range(B):
        order = (bank - codes[b]).norm(dim=-1).argsort()[:K]
        torch.testing.assert_close(ways[b], bank[order] - codes[b])


def test_a_code_is_no_neighbour_of_itself() -> None:
    codes = normal(1, D)
    others = normal(9, D, seed=1)
    with_itself = local_neighbours(codes, torch.cat([codes * (1 + 1e-6), others]), num_neighbours=4)
    torch.testing.assert_close(with_itself, local_neighbours(codes, others, num_neighbours=4))


def test_cone_directions_are_non_negative_mixtures_of_the_ways_to_the_neighbours() -> None:
    batch = code_batch()
    directions = DIRECTIONS["cone"](batch)
    for b in range(B):
        weights = torch.linalg.lstsq(batch.neighbours[b].mT.double(), directions[b].mT.double()).solution
        assert (weights > 0).all()
        assert outside(directions[b], batch.neighbours[b]).max() < 1e-4


def test_basis_directions_have_both_signs_within_the_span_of_the_neighbours() -> None:
    batch = code_batch()
    directions = DIRECTIONS["basis"](batch)
    for b in range(B):
        assert outside(directions[b], batch.neighbours[b]).max() < 1e-4
        weights = torch.linalg.lstsq(batch.neighbours[b].mT.double(), directions[b].mT.double()).solution
        assert (weights < 0).any()


def test_noise_of_a_pair_depends_on_its_seed_alone() -> None:
    particles, noise = pair_noise([7, 2**63 - 1, 7], C, D, M)
    alone = pair_noise([2**63 - 1], C, D, M)
    assert torch.equal(noise[1], alone[1][0])
    assert torch.equal(particles[1], alone[0][0])
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise[0], noise[1])
    assert set(particles.flatten().tolist()) == set(range(M))


@pytest.mark.parametrize("name", MOVING)
def test_move_of_every_source_is_as_long_as_its_scale_says(name: str) -> None:
    """From the tangent at z back to the sphere: |z' - z|^2 = 2 |z|^2 (1 - 1 / sqrt(1 + s^2))."""
    batch, scales = code_batch(), torch.linspace(0.1, 2.0, C)
    z = batch.of_particle(batch.clean)
    moved = move_codes(z, DIRECTIONS[name](batch), scales)
    torch.testing.assert_close(moved.norm(dim=-1), z.norm(dim=-1))
    expected = z.norm(dim=-1) * (2 * (1 - (1 + scales**2) ** -0.5)).sqrt()
    torch.testing.assert_close((moved - z).norm(dim=-1), expected, atol=1e-5, rtol=1e-4)


def test_move_without_direction_leaves_the_code() -> None:
    z = normal(B, C, D)
    torch.testing.assert_close(move_codes(z, torch.zeros_like(z), torch.ones(C)), z)
    torch.testing.assert_close(move_codes(z, z, torch.ones(C)), z)


def test_move_stays_in_the_plane_of_code_and_direction() -> None:
    z, directions = normal(1, D), normal(1, D, seed=1)
    moved = move_codes(z, directions, torch.tensor([0.8]))
    assert outside(moved, torch.cat([z, directions])).item() < 1e-5
    assert ((moved - z) * directions).sum() > 0


def sentence_ids(model: TextAdversary) -> torch.Tensor:
    rows = [tokenize(text).words for text in TINY_SENTENCES]
    return encode_sentences(rows, vocabulary=model.vocabulary, max_length=model.config.max_length)


@pytest.mark.parametrize("name", sorted(DIRECTIONS))
def test_codes_of_a_pair_do_not_depend_on_its_batch(name: str, tiny_adversary: TextAdversary) -> None:
    source = ManifoldSource(tiny_adversary, ManifoldConfig(name, num_particles=M, num_neighbours=4))
    ids, seeds = sentence_ids(tiny_adversary), [3, 1, 4, 1]
    with torch.no_grad():
        together = source.moved_codes(ids, torch.zeros(len(ids), dtype=torch.int64), seeds, C)
        alone = torch.cat(
            [
                source.moved_codes(ids[i : i + 1], torch.zeros(1, dtype=torch.int64), seeds[i : i + 1], C)
                for i in range(4)
            ]
        )
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=0)


def test_all_sources_but_the_reconstruction_move_codes_equally_far(tiny_adversary: TextAdversary) -> None:
    ids, seeds = sentence_ids(tiny_adversary), [3, 1, 4, 1]
    lengths = {}
    config = ManifoldConfig(num_particles=M, num_neighbours=4, min_scale=0.2, max_scale=1.0, num_scales=2)
    still = ManifoldSource(tiny_adversary, replace(config, direction="reconstruction"))
    for name in DIRECTIONS:
        source = ManifoldSource(tiny_adversary, replace(config, direction=name))
        with torch.no_grad():
            moves = source.moved_codes(ids, torch.zeros(len(ids), dtype=torch.int64), seeds, C) - still.moved_codes(
                ids, torch.zeros(len(ids), dtype=torch.int64), seeds, C
            )
        lengths[name] = moves.norm(dim=-1)
    assert lengths.pop("reconstruction").max() == 0
    expected = LATENT**0.5 * (2 * (1 - (1 + torch.tensor([0.2, 1.0] * 5) ** 2) ** -0.5)).sqrt()
    for length in lengths.values():
        torch.testing.assert_close(length, expected.expand(4, C), atol=1e-4, rtol=1e-4)


def test_particles_are_drawn_anew_for_each_direction_and_kept_along_its_scales() -> None:
    model = build_tiny_adversary()
    source = ManifoldSource(model, ManifoldConfig("reconstruction", num_particles=M, num_scales=5))
    with torch.no_grad():
        codes = source.moved_codes(sentence_ids(model)[:1], torch.zeros(1, dtype=torch.int64), [0], 60)[0]
    groups = codes.reshape(12, 5, LATENT)
    assert torch.equal(groups, groups[:, :1].expand_as(groups))
    assert len(torch.unique(groups[:, 0], dim=0)) == M


@pytest.mark.parametrize("is_spherical", [True, False])
def test_noise_leads_as_far_as_the_move_it_is_compared_with(is_spherical: bool) -> None:
    z, z_adv, noise = (normal(50, D, seed=seed).double() for seed in range(3))
    if is_spherical:
        z, z_adv = 3 * unit(z), 3 * unit(z_adv)
    moved = move_as_far(z, z_adv, noise, is_spherical=is_spherical)
    torch.testing.assert_close((moved - z).norm(dim=1), (z_adv - z).norm(dim=1))
    if is_spherical:
        torch.testing.assert_close(moved.norm(dim=1), z.norm(dim=1))
    else:
        torch.testing.assert_close(unit(moved - z), unit(noise))
    torch.testing.assert_close(moved, move_as_far(z, z_adv, 7 * noise, is_spherical=is_spherical))
