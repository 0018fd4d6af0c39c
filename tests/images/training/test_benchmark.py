"""The benchmark measures an update that is whole and changes nothing."""

import torch

from images_ext.training.benchmark import free_term, time_parts, time_updates
from images_ext.training.image_problem import DecodedImages, ImageBatch
from tests.images.test_model import some_pixels

SIZES = {"image_shape": (1, 8, 8), "num_classes": 3, "batch_size": 4, "repeats": 1, "seed": 0}


def test_the_free_term_sends_a_gradient_through_every_pixel() -> None:
    pixels = some_pixels(2).requires_grad_()
    batch = ImageBatch(pixels.detach(), torch.tensor([0, 1]))
    free_term(DecodedImages(torch.zeros(2, 6), pixels), batch).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    torch.testing.assert_close(pixels.grad, torch.full_like(pixels, 1 / 64))


def test_rows_are_one_a_number_of_particles_and_ratios_are_to_five() -> None:
    rows = time_updates("mnist", [2, 5], **SIZES)  # type: ignore[arg-type]
    assert [row["particles"] for row in rows] == [2, 5]
    assert all(row["wall_ms"] > 0 and row["cpu_ms"] > 0 for row in rows)
    assert rows[1]["cpu_to_5"] == 1.0


def test_parts_are_timed_by_name() -> None:
    parts = time_parts("mnist", num_particles=2, **SIZES)  # type: ignore[arg-type]
    assert list(parts) == ["decode", "invert", "features", "gram_schmidt", "particles"]
    assert all(milliseconds >= 0 for milliseconds in parts.values())
