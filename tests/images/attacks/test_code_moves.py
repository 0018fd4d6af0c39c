from typing import Any

import pytest
import torch

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.attacks.code_moves import CodeMoves
from images_ext.attacks.image_moves import ImageMoves, decode_codes
from images_ext.attacks.move_config import MoveConfig
from tests.images.attacks.toys import lively_moves, some_images
from textsem.latent.moves import DIRECTIONS

MOVING = sorted(set(DIRECTIONS) - {"reconstruction"})


def moves_of(direction: str = "adversarial", seed: int = 7, **changes: Any) -> ImageMoves:
    return lively_moves(direction, **changes).of(some_images(1)[0], 1, seed)


@pytest.mark.parametrize("direction", MOVING)
def test_all_sources_move_codes_equally_far(direction: str) -> None:
    image_moves = moves_of(direction, num_scales=2, min_scale=0.2, max_scale=0.8)
    moves = image_moves.first(8)
    codes = image_moves.codes(moves)
    clean = lively_moves(direction).clean_codes(some_images(1)[0])[moves.particle]
    cosine = torch.nn.functional.cosine_similarity(codes, clean)
    expected = 1 / (1 + torch.tensor([0.2, 0.8]).square()).sqrt()
    torch.testing.assert_close(cosine, expected.repeat(4))


def test_reconstruction_has_one_candidate_a_particle_and_moves_nothing() -> None:
    image_moves = moves_of("reconstruction")
    moves = image_moves.first(100)
    assert image_moves.stays
    assert moves.particle.tolist() == [0, 1, 2]
    torch.testing.assert_close(
        image_moves.pixels(moves, image_moves.codes(moves)), image_moves.reconstructions, rtol=1e-5, atol=1e-6
    )


def test_residual_gives_the_input_back_where_the_code_stays() -> None:
    image_moves = moves_of("reconstruction", output="residual")
    moves = image_moves.first(1)
    pixels = image_moves.pixels(moves, image_moves.codes(moves))
    assert torch.equal(to_bytes(pixels), some_images(1).expand(3, -1, -1, -1))


def test_residual_adds_what_the_move_changes() -> None:
    decoded, residual = moves_of(), moves_of(output="residual")
    moves = decoded.first(8)
    change = decoded.pixels(moves, decoded.codes(moves)) - decoded.reconstructions[moves.particle]
    expected = (to_pixels(some_images(1)) + change).clamp(0, 1)
    torch.testing.assert_close(residual.pixels(moves, residual.codes(moves)), expected)


@pytest.mark.parametrize("direction", MOVING)
def test_without_spread_a_generation_is_its_parents(direction: str) -> None:
    image_moves = moves_of(direction)
    parents = image_moves.first(8).pick(torch.tensor([5, 2]))
    drawn = image_moves.around(parents, 5, spread=0.0, scale_spread=0.0)
    expected = parents.pick(torch.tensor([0, 1, 0, 1, 0]))
    assert torch.equal(drawn.particle, expected.particle)
    torch.testing.assert_close(drawn.direction, expected.direction)
    torch.testing.assert_close(drawn.scale, expected.scale)


def test_generations_differ_and_come_back_with_the_seed() -> None:
    first, again, other = moves_of(), moves_of(), moves_of(seed=8)
    parents = first.first(8)
    one = first.around(parents, 6, spread=0.5, scale_spread=0.1)
    two = first.around(parents, 6, spread=0.5, scale_spread=0.1)
    assert not torch.allclose(one.direction, two.direction)
    again_parents = again.first(8)
    assert torch.equal(one.direction, again.around(again_parents, 6, spread=0.5, scale_spread=0.1).direction)
    assert not torch.allclose(parents.direction, other.first(8).direction)
    assert (one.scale != parents.scale[torch.arange(6)]).all()


def test_decoding_in_parts_gives_the_rows_of_the_whole() -> None:
    moves = lively_moves()
    codes = torch.randn(70, 6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(decode_codes(moves.model, codes), moves.model.decode(codes))


def test_reconstructions_are_the_first_particle_s() -> None:
    moves, images = lively_moves(), some_images(3)
    expected = [moves.of(image, 0, 1).reconstructions[0] for image in images]
    difference = moves.reconstruct(images).int() - to_bytes(torch.stack(expected)).int()
    assert int(difference.abs().max()) <= 1


def test_image_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 8, 8\), got \(3, 8, 8\)"):
        lively_moves().of(torch.zeros(3, 8, 8, dtype=torch.uint8), 0, 0)


def test_codes_that_are_no_numbers_are_refused() -> None:
    moves = lively_moves()
    broken = CodeMoves(moves.model, MoveConfig(num_particles=2))
    with torch.no_grad():
        moves.model.label_shift[1] = torch.nan
    with pytest.raises(ValueError, match="finite codes"):
        broken.of(some_images(1)[0], 1, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "north"},
        {"num_particles": 0},
        {"num_scales": 0},
        {"num_neighbours": 0},
        {"min_scale": 0.0},
        {"min_scale": 2.0},
        {"min_reach": 0.0},
        {"min_reach": 2.0},
        {"noise_weights": ()},
        {"noise_weights": (-1.0,)},
        {"own_reach": (1.0, 0.0)},
        {"output": "both"},
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        MoveConfig(**changes)  # type: ignore[arg-type]


def test_led_on_is_a_step_along_e_prime_at_what_was_asked() -> None:
    attack_moves, image = lively_moves("adversarial"), some_images(1)[0]
    image_moves = attack_moves.of(image, 1, 7)
    parents = image_moves.first(8).pick(torch.tensor([5, 2, 0]))
    codes, others = image_moves.codes(parents), some_images(4)[1:]
    led = image_moves.led_on(parents, codes, others, step=0.5)
    for row, other in enumerate(others):
        theirs = attack_moves.of(other, 1, 3)
        particle = int(parents.particle[row])
        way = torch.nn.functional.normalize((theirs._adversarial - theirs._clean)[particle, 0], dim=0)
        stepped = codes[row] + 0.5 * codes[row].norm() * parents.scale[row] * way
        expected = torch.nn.functional.normalize(stepped - image_moves._clean[particle, 0], dim=0)
        torch.testing.assert_close(led.direction[row], expected)
    assert torch.equal(led.particle, parents.particle)
    assert torch.equal(led.scale, parents.scale)


@pytest.mark.parametrize("direction", sorted(DIRECTIONS))
def test_only_e_prime_is_asked_again_on_the_way(direction: str) -> None:
    assert moves_of(direction).is_adversarial == (direction == "adversarial")
