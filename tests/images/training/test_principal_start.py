"""The closed-form start: as good as principal components are, on images that have few of them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from images_ext.model import ImageAdversary, ImageAdversaryConfig
from images_ext.networks.decoder import ImageDecoderConfig
from images_ext.networks.extractor import ExtractorConfig
from images_ext.training.principal_start import start_at_principal_components
from textsem.latent.particles import ParticleConfig

D = 5


def config(*, is_spherical: bool = True) -> ImageAdversaryConfig:
    particle = ParticleConfig(D, (4,), D, skip=True, is_spherical=is_spherical, output_scale=0.0)
    return ImageAdversaryConfig(
        num_classes=2,
        extractor=ExtractorConfig((1, 8, 8), channels=(3,), feature_dim=D, has_linear_path=True),
        particle=particle,
        particle_adv=particle,
        decoder=ImageDecoderConfig((1, 8, 8), D, start_channels=4, filters=(3, 2), kernel_size=4, has_linear_path=True),
        spread=0.0,
        bank_size=4,
    )


def fresh(changed: ImageAdversaryConfig) -> ImageAdversary:
    return ImageAdversary(changed).initialise(torch.Generator().manual_seed(0))


def images_of_few_directions(num: int = 200, *, directions: int = 4) -> Tensor:
    """Return images whose logits are linear in a few numbers of unequal size."""
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(directions, 64, generator=generator)
    numbers = (
        torch.randn(num, directions, generator=generator) * torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02])[:directions]
    )
    return torch.sigmoid(0.3 * numbers @ maps).reshape(num, 1, 8, 8)


def error(model: ImageAdversary, pixels: Tensor) -> float:
    """Return the mean l2 of reconstructions."""
    with torch.no_grad():
        theta, _ = model.draw_particles(1, torch.Generator().manual_seed(2))
        decoded = model.decode(model.codes(model.features(pixels), theta)[0])
    return float((decoded - pixels).flatten(1).norm(dim=1).mean())


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_images_of_few_directions_come_back_at_once(whitening: float) -> None:
    pixels, model = images_of_few_directions(), fresh(config(is_spherical=False))
    before = error(model, pixels)
    start_at_principal_components(model, pixels, whitening=whitening)
    assert error(model, pixels) < 0.02 * before


def test_on_a_sphere_only_the_length_of_a_code_is_lost() -> None:
    pixels, model = images_of_few_directions(), fresh(config())
    start_at_principal_components(model, pixels)
    mean_image = (pixels - pixels.mean(0)).flatten(1).norm(dim=1).mean().item()
    assert error(model, pixels) < 0.6 * mean_image


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_features_have_the_length_of_codes_and_the_spread_that_whitening_says(whitening: float) -> None:
    pixels, model = images_of_few_directions(directions=3), fresh(config())
    start_at_principal_components(model, pixels, whitening=whitening)
    with torch.no_grad():
        features = model.features(pixels)
    # Five directions are asked for and three are there: the others have no spread to be whitened.
    assert features.square().sum(dim=1).mean().sqrt().item() < math.sqrt(D) * 1.01
    spread = features.std(dim=0)
    deviation = torch.linalg.svdvals(pixels.flatten(1) - pixels.flatten(1).mean(0)) / math.sqrt(len(pixels))
    expected = (deviation[0] / deviation[2]) ** (1 - whitening)
    assert (spread[0] / spread[2]).item() == pytest.approx(expected.item(), rel=1e-3)


def test_a_seed_gives_the_same_start_and_the_convolutions_can_learn() -> None:
    pixels, first, second = images_of_few_directions(directions=6), fresh(config()), fresh(config())
    for model in (first, second):
        start_at_principal_components(model, pixels, seed=3)
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # not to the bit: sums of a threaded library
    theta, _ = first.draw_particles(1, torch.Generator().manual_seed(2))
    loss = (first.decode(first.codes(first.features(pixels), theta)[0]) - pixels).square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    for layer in (first.extractor.dense[-1], first.decoder.out):
        gradient = layer.weight.grad
        assert isinstance(gradient, Tensor)
        assert gradient.abs().sum() > 0


def test_models_without_the_paths_and_too_few_images_are_refused() -> None:
    shapes = config()
    without = replace(shapes, decoder=replace(shapes.decoder, has_linear_path=False))
    with pytest.raises(ValueError, match="expected linear paths in extractor and decoder, and features as wide"):
        start_at_principal_components(fresh(without), images_of_few_directions())
    with pytest.raises(ValueError, match="expected more than 5 images for as many directions, got 5"):
        start_at_principal_components(fresh(shapes), images_of_few_directions(5))
