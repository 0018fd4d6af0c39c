"""Moves of codes with known lengths, noise and spans."""

import pytest
import torch
from torch import Tensor

from images_ext.evaluation.code_figures import (
    CodedImages,
    CodeMove,
    class_share,
    code_images,
    code_moves,
    measure_move,
    noise_levels,
)
from tests.images.test_model import some_pixels, tiny_model


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def coded(clean: Tensor, adversarial: Tensor, **more: Tensor) -> CodedImages:
    M, B, d = clean.shape
    parts = {
        "neighbours": gaussian(B, 2, d, seed=5),
        "particle": torch.arange(B) % M,
        "noise": gaussian(B, d, seed=6),
        **more,
    }
    return CodedImages(clean, adversarial, **parts)


def test_noise_of_a_rank_one_move_is_known() -> None:
    # Every code of a batch moves by the same vector v: |1 v^T|_2 / sqrt(B) = |v|.
    clean = gaussian(3, 128, 8)
    moved = clean + torch.tensor([3.0, 4.0, *[0.0] * 6])
    found = noise_levels(clean, moved)
    assert found["absolute"] == pytest.approx(5.0, rel=1e-5)
    assert found["deviation"] == pytest.approx(0.0, abs=1e-5)


def test_last_batch_that_is_not_full_is_left_out() -> None:
    clean = gaussian(1, 100, 4)
    shift = torch.ones(1, 100, 4)
    shift[:, 64:] = 1000.0
    assert noise_levels(clean, clean + shift) == noise_levels(clean[:, :64], clean[:, :64] + 1)


def test_moves_are_those_of_each_images_own_particle() -> None:
    clean, adversarial = gaussian(2, 6, 4), gaussian(2, 6, 4, seed=1)
    moves = code_moves(coded(clean, adversarial), is_spherical=False)
    for b in range(6):
        assert torch.equal(moves["adversarial"].before[b], clean[b % 2, b])
        assert torch.equal(moves["adversarial"].after[b], adversarial[b % 2, b])
        assert torch.equal(moves["clean"].after[b], clean[(b + 1) % 2, b])
    assert "clean" not in code_moves(coded(clean[:1], adversarial[:1]), is_spherical=False)


def test_the_share_of_a_class_is_known_for_one_way_two_ways_and_any() -> None:
    labels = torch.tensor([0, 1] * 200)
    ways = torch.eye(64)[labels]
    lengths = torch.rand(400, 1, generator=torch.Generator().manual_seed(2)) + 0.5
    before = gaussian(400, 64)
    assert class_share(CodeMove(before, before + lengths * ways), labels) == pytest.approx(1.0, abs=1e-4)
    other = torch.arange(400)[:, None] % 4 >= 2  # half of each class goes another way, at a right angle
    halves = torch.where(other, torch.eye(64)[labels + 2], ways)
    assert class_share(CodeMove(before, before + lengths * halves), labels) == pytest.approx(0.5, abs=1e-4)
    assert class_share(CodeMove(before, before + gaussian(400, 64, seed=3)), labels) == pytest.approx(1 / 200, abs=3e-3)


@pytest.mark.parametrize("is_spherical", [False, True])
def test_isotropic_noise_is_as_long_as_the_move_of_the_adversary(is_spherical: bool) -> None:
    clean, adversarial = (torch.nn.functional.normalize(gaussian(1, 50, 6, seed=s), dim=-1) for s in (0, 1))
    moves = code_moves(coded(clean, adversarial), is_spherical=is_spherical)
    lengths = [(moves[name].after - moves[name].before).norm(dim=-1) for name in ("adversarial", "isotropic")]
    torch.testing.assert_close(*lengths)
    if is_spherical:
        torch.testing.assert_close(moves["isotropic"].after.norm(dim=-1), torch.ones(50))


def test_share_outside_the_span_is_nothing_within_and_all_across() -> None:
    B, d = 40, 6
    neighbours = torch.eye(d)[:2].expand(B, 2, d) * gaussian(B, 1, 1).abs()
    before = gaussian(B, d)
    weights = gaussian(B, 2, seed=2)
    within = before + torch.nn.functional.pad(weights, (0, d - 2))
    across = before + torch.nn.functional.pad(weights, (d - 2, 0))
    options = {"num_permutations": 10, "seed": 0}
    assert measure_move(CodeMove(before, within), neighbours, **options)["outside_span"] == pytest.approx(0, abs=1e-5)
    assert measure_move(CodeMove(before, across), neighbours, **options)["outside_span"] == pytest.approx(1, abs=1e-5)
    assert measure_move(CodeMove(before, before), neighbours, **options)["outside_span"] is None


def test_marginals_tell_a_shift_from_none() -> None:
    before, neighbours = gaussian(400, 4), gaussian(400, 2, 4, seed=3)
    still = measure_move(CodeMove(before, before), neighbours, num_permutations=100, seed=0)
    moved = measure_move(CodeMove(before, before + 1), neighbours, num_permutations=100, seed=0)
    assert still["marginals"]["share_significant"] == 0.0
    assert still["discrepancy"]["p_value"] > 0.05
    assert moved["marginals"]["share_significant"] == 1.0
    assert moved["discrepancy"]["p_value"] < 0.02


def test_codes_follow_the_seed_and_no_batch_mates() -> None:
    model, pixels, labels = tiny_model(), some_pixels(70), torch.arange(70) % 3
    options = {"num_particles": 3, "seed": 4}
    found, again = (code_images(model, pixels, labels, **options) for _ in range(2))
    assert torch.equal(found.adversarial, again.adversarial)
    first = code_images(model, pixels[:8], labels[:8], **options)
    torch.testing.assert_close(first.clean, found.clean[:, :8])
    torch.testing.assert_close(first.neighbours, found.neighbours[:8])
    assert found.neighbours.shape == (70, 3, 6)  # a bank of four codes has three neighbours besides one of its own
