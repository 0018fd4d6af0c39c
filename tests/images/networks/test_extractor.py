"""The extractor: sizes of Table 10, and what it refuses."""

import pytest
import torch

from images_ext.networks.extractor import Extractor, ExtractorConfig
from textsem.latent.initialisation import draw_layers


def test_dense_layers_alone_are_the_plain_mlp() -> None:
    config = ExtractorConfig((1, 4, 3), channels=(), hidden=(5,), feature_dim=6)
    extractor = Extractor(config)
    draw_layers(extractor, torch.Generator().manual_seed(0))
    pixels = torch.rand(2, 1, 4, 3, generator=torch.Generator().manual_seed(1))
    first, second = extractor.dense
    expected = second(torch.nn.functional.silu(first(pixels.reshape(2, 12))))
    torch.testing.assert_close(extractor(pixels), expected)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 7, 5)])
def test_each_convolution_halves_the_image(shape: tuple[int, int, int]) -> None:
    extractor = Extractor(ExtractorConfig(shape, channels=(2, 4), feature_dim=9))
    assert extractor(torch.zeros(3, *shape)).shape == (3, 9)


def test_every_pixel_is_read() -> None:
    extractor = Extractor(ExtractorConfig((1, 6, 6), channels=(3, 5), feature_dim=8))
    draw_layers(extractor, torch.Generator().manual_seed(0))
    pixels = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    extractor(pixels).square().sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad != 0).all()


def test_the_linear_path_is_added_to_the_features() -> None:
    extractor = Extractor(ExtractorConfig((2, 4, 3), channels=(3,), feature_dim=5, has_linear_path=True))
    draw_layers(extractor, torch.Generator().manual_seed(0))
    pixels = torch.rand(6, 2, 4, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together, linear = extractor(pixels), extractor.linear
        assert linear is not None
        extractor.linear = None
        torch.testing.assert_close(together, extractor(pixels) + linear(pixels.reshape(6, 24)))


def test_other_shapes_are_refused() -> None:
    extractor = Extractor(ExtractorConfig((1, 4, 4), channels=()))
    with pytest.raises(ValueError, match=r"expected pixels of shape \[batch, 1, 4, 4\], got \[2, 1, 4, 5\]"):
        extractor(torch.zeros(2, 1, 4, 5))
