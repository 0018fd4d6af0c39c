import math

import pytest
import torch

from images_ext.attacks.candidates import Ball, image_seed, measure, to_bytes, to_pixels


def test_every_byte_survives_the_way_to_pixels_and_back() -> None:
    images = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(to_bytes(to_pixels(images)), images, rtol=0, atol=0)


def test_pixels_are_rounded_to_the_nearest_byte_and_cut_to_the_range() -> None:
    pixels = torch.tensor([-0.3, 0.49 / 255, 0.51 / 255, 1.7])
    assert to_bytes(pixels).tolist() == [0, 0, 1, 255]


def test_pixels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected finite pixels"):
        to_bytes(torch.tensor([0.0, math.nan]))


def test_distances_of_a_single_changed_pixel() -> None:
    original = torch.full((1, 4, 5), 100, dtype=torch.uint8)
    changed = original.clone()
    changed[0, 2, 3] -= 51
    found = {name: float(values) for name, values in measure(changed[None], original).items()}
    assert found == pytest.approx({"l2": 0.2, "linf": 0.2, "rms": 0.2 / math.sqrt(20), "mse": 0.04 / 20}, abs=1e-15)


def test_ball_is_open_and_one_of_radius_0_is_empty() -> None:
    distance = torch.tensor([0.0, 0.2, 0.3], dtype=torch.float64)
    assert Ball("l2", 0.3).contains(distance).tolist() == [True, True, False]
    assert Ball("l2", 0.0).contains(distance).tolist() == [False, False, False]
    assert Ball("linf").contains(distance).all()


@pytest.mark.parametrize(("norm", "epsilon"), [("l1", 0.3), ("l2", -1.0), ("l2", math.nan)])
def test_ball_refuses_other_norms_and_radii(norm: str, epsilon: float) -> None:
    with pytest.raises(ValueError, match=r"expected (norm|epsilon)"):
        Ball(norm, epsilon)  # type: ignore[arg-type]


def test_seed_of_an_image_follows_seed_label_and_every_pixel_and_nothing_else() -> None:
    image = torch.zeros(1, 4, 4, dtype=torch.uint8)
    other = image.clone()
    other[0, 3, 3] = 1
    seeds = {image_seed(s, x, y) for s in (0, 1) for x in (image, other) for y in (0, 1)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    inside_a_batch = torch.stack([other, image]).transpose(2, 3)[1].transpose(1, 2)
    assert image_seed(0, inside_a_batch, 1) == image_seed(0, image, 1)
