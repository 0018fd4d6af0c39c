from dataclasses import replace

import pytest
import torch
from torch import Tensor

from textsem.evaluation.code_moves import CodeMove, code_moves, measure_move, share_outside_span
from textsem.evaluation.codes import mean_noise_level
from textsem.latent.gram_schmidt import orthonormal_rows, residual_outside_span
from textsem.latent.moves import DIRECTIONS, CodeBatch, move_codes
from textsem.runs.two_samples import marginal_overlap

B, K, LATENT, M = 70, 5, 8, 3


def spherical(*shape: int, seed: int) -> Tensor:
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    scaled: Tensor = 3.0 * rows / rows.norm(dim=-1, keepdim=True)
    return scaled


@pytest.fixture
def batch() -> CodeBatch:
    generator = torch.Generator().manual_seed(9)
    return CodeBatch(
        clean=spherical(M, B, LATENT, seed=0),
        adversarial=spherical(M, B, LATENT, seed=1),
        neighbours=torch.randn(B, K, LATENT, generator=generator),
        particle=torch.randint(M, (B, 1), generator=generator),
        noise=torch.randn(B, 1, LATENT, generator=generator),
        noise_weight=torch.ones(1),
    )


def test_vector_in_the_span_has_no_share_outside_and_an_orthogonal_one_all() -> None:
    neighbours = torch.zeros(3, 2, 4)
    neighbours[:, 0, 0] = 5.0
    neighbours[:, 1, :2] = torch.tensor([1.0, 2.0])
    vectors = torch.tensor([[3.0, -7.0, 0.0, 0.0], [0.0, 0.0, 0.5, 2.0], [0.0, 3.0, 4.0, 0.0]])
    found = share_outside_span(vectors, orthonormal_rows(neighbours))
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 16 / 25]))


def test_share_agrees_with_the_residual_of_gbsm(batch: CodeBatch) -> None:
    basis = orthonormal_rows(batch.neighbours)
    vectors = (batch.adversarial - batch.clean)[0]
    residual = residual_outside_span(vectors[:, None], basis)
    torch.testing.assert_close(share_outside_span(vectors, basis), residual.square())


def test_random_direction_has_one_minus_k_over_d_on_average() -> None:
    generator = torch.Generator().manual_seed(3)
    basis = orthonormal_rows(torch.randn(4000, K, LATENT, generator=generator))
    found = share_outside_span(torch.randn(4000, LATENT, generator=generator), basis)
    assert abs(float(found.mean()) - (1 - K / LATENT)) < 4 * float(found.std()) / 4000**0.5


@pytest.mark.parametrize("is_spherical", [True, False])
def test_isotropic_noise_is_as_long_as_the_move_of_the_second_encoder(batch: CodeBatch, is_spherical: bool) -> None:
    moves = code_moves(batch, is_spherical=is_spherical)
    lengths = {name: (move.after - move.before).norm(dim=-1) for name, move in moves.items()}
    torch.testing.assert_close(lengths["isotropic"], lengths["adversarial"], rtol=1e-4, atol=1e-5)
    radii = moves["isotropic"].after.norm(dim=-1)
    assert torch.allclose(radii, torch.full((B,), 3.0), atol=1e-5) == is_spherical
    cosines = torch.cosine_similarity(
        moves["isotropic"].after - moves["isotropic"].before, moves["adversarial"].after - moves["adversarial"].before
    )
    assert float(cosines.min()) < 0.9


def test_moves_are_those_of_each_sentence_own_particle(batch: CodeBatch) -> None:
    moves = code_moves(batch, is_spherical=True)
    for i in range(B):
        m = int(batch.particle[i, 0])
        for move in moves.values():
            torch.testing.assert_close(move.before[i], batch.clean[m, i])
        torch.testing.assert_close(moves["adversarial"].after[i], batch.adversarial[m, i])
        torch.testing.assert_close(moves["clean"].after[i], batch.clean[(m + 1) % M, i])


def test_candidates_take_weights_and_scales_of_the_attack_in_turn(batch: CodeBatch) -> None:
    found = code_moves(batch, is_spherical=True)["candidates"]
    # Scales 0.7, 0.99, 1.4; three to each of the weights 1.5, 3, 6, 12.
    for i, weight, scale in ((0, 1.5, 0.7), (4, 3.0, 0.98995), (8, 6.0, 1.4), (11, 12.0, 1.4), (12, 1.5, 0.7)):
        direction = DIRECTIONS["adversarial"](replace(batch, noise_weight=torch.tensor([weight])))[i, 0]
        expected = move_codes(found.before[i], direction, torch.tensor(scale))
        torch.testing.assert_close(found.after[i], expected, rtol=1e-4, atol=1e-4)


def test_single_particle_has_no_other_one(batch: CodeBatch) -> None:
    alone = replace(batch, clean=batch.clean[:1], adversarial=batch.adversarial[:1], particle=batch.particle * 0)
    assert set(code_moves(alone, is_spherical=True)) == {"adversarial", "candidates", "isotropic"}


def test_figures_of_a_shift_are_those_of_its_parts() -> None:
    before = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([2.0, 0.0, 0.0])
    basis = torch.eye(3)[:1].expand(200, 1, 3)
    move = CodeMove(before, before + shift)
    found = measure_move(move, basis, seed=4, num_permutations=19)
    # A common shift is a matrix of rank one: its spectral norm over B rows is sqrt(B) |shift|.
    assert found.noise_absolute == pytest.approx(2.0, rel=1e-5)
    assert found.noise_relative == pytest.approx(mean_noise_level(before[None], (before + shift)[None]).relative)
    assert found.length == pytest.approx(float((2.0 / before.norm(dim=-1)).mean()), rel=1e-5)
    assert found.outside_span == pytest.approx(0.0, abs=1e-5)
    assert found.ks_share_significant == pytest.approx(1 / 3)
    assert found.ks_largest == found.ks_statistics[0] > 0.5
    assert found.mmd_squared > 0.1
    assert found.mmd_p_value == pytest.approx(0.05)
    # Halves of different sentences: the statistics are not those of the paired samples.
    assert found.ks_statistics != marginal_overlap(before, before + shift).statistics


def test_codes_that_do_not_move_lie_outside_of_nothing() -> None:
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    found = measure_move(CodeMove(z, z), torch.zeros(40, 1, 3), seed=0, num_permutations=19)
    assert (found.outside_span, found.noise_absolute, found.length) == (None, 0.0, 0.0)
    assert found.ks_share_significant == 0.0


def test_too_few_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 4 sentences, got 3"):
        measure_move(CodeMove(torch.ones(3, 2), torch.ones(3, 2)), torch.ones(3, 1, 2), seed=0, num_permutations=1)
