"""The benchmark measures an update that is whole and changes nothing."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from images_ext.model import ImageAdversary
from images_ext.training import benchmark
from images_ext.training.adversary_config import preset
from images_ext.training.benchmark import free_term, time_parts, time_updates
from images_ext.training.image_problem import DecodedImages, ImageBatch
from tests.images.test_model import some_pixels

SIZES: dict[str, Any] = {"image_shape": (1, 8, 8), "num_classes": 3, "batch_size": 4, "repeats": 1, "seed": 0}


def test_the_free_term_sends_a_gradient_through_every_pixel() -> None:
    pixels = some_pixels(2).requires_grad_()
    batch = ImageBatch(pixels.detach(), torch.tensor([0, 1]))
    free_term(DecodedImages(torch.zeros(2, 6), pixels), batch).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    torch.testing.assert_close(pixels.grad, torch.full_like(pixels, 1 / 64))


def test_rows_are_one_a_number_of_particles_and_ratios_are_to_five() -> None:
    rows = time_updates("mnist", [2, 5], **SIZES)
    assert [row["particles"] for row in rows] == [2, 5]
    assert all(row["wall_ms"] > 0 and row["cpu_ms"] > 0 for row in rows)
    assert rows[1]["cpu_to_5"] == 1.0


@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_an_update_holds_still_what_the_preset_holds_and_moves_no_weight(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = preset("mnist", image_shape=(1, 8, 8), num_classes=3)
    learner = replace(found.training.learner, decoder_rate=rate, extractor_rate=rate)
    settings = replace(found, training=replace(found.training, learner=learner))
    models: list[ImageAdversary] = []

    def start(*arguments: Any) -> Any:
        started = draw(*arguments)
        models.append(started[0])
        return started

    draw = benchmark._start
    monkeypatch.setattr(benchmark, "preset", lambda *_, **__: settings)
    monkeypatch.setattr(benchmark, "_start", start)
    time_updates("mnist", [2], **SIZES)
    (model,) = models
    assert all(p.requires_grad == (rate > 0) for p in [*model.decoder.parameters(), *model.extractor.parameters()])
    fresh = ImageAdversary(settings.model).initialise(torch.Generator().manual_seed(SIZES["seed"]))
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name


def test_parts_are_timed_by_name() -> None:
    parts = time_parts("mnist", num_particles=2, **SIZES)
    assert list(parts) == ["decode", "invert", "features", "gram_schmidt", "particles"]
    assert all(milliseconds >= 0 for milliseconds in parts.values())
