"""The transpose CNN decoder: Table 10's layers for every image size, pixels in [0, 1]."""

import pytest
import torch

from images_ext.networks.decoder import ImageDecoder, ImageDecoderConfig
from textsem.latent.initialisation import draw_layers


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 32, 32), (1, 9, 14)])
def test_three_layers_of_kernel_five_end_at_every_size_of_image(shape: tuple[int, int, int]) -> None:
    decoder = ImageDecoder(ImageDecoderConfig(shape, latent_dim=5, start_channels=2, filters=(3, 3, 3)))
    assert decoder(torch.zeros(2, 5)).shape == (2, *shape)


def test_sizes_of_mnist_are_those_of_table_10s_stride() -> None:
    assert ImageDecoderConfig((1, 28, 28)).sizes == [(4, 4), (7, 7), (14, 14), (28, 28)]


def test_an_even_kernel_doubles_without_overlap_of_uneven_size() -> None:
    decoder = ImageDecoder(ImageDecoderConfig((1, 8, 8), latent_dim=5, filters=(3, 2), kernel_size=4))
    assert decoder(torch.zeros(1, 5)).shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"expected an odd kernel_size for a step from \(4, 4\) to \(7, 7\)"):
        ImageDecoderConfig((1, 28, 28), filters=(8, 8, 8), kernel_size=4)


def test_pixels_lie_in_the_unit_interval_and_zero_weights_give_grey() -> None:
    decoder = ImageDecoder(ImageDecoderConfig((1, 8, 8), latent_dim=5, hidden=(7,), filters=(3, 2)))
    for parameter in decoder.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(decoder(torch.ones(1, 5)), torch.full((1, 1, 8, 8), 0.5))
    draw_layers(decoder, torch.Generator().manual_seed(0))
    pixels = decoder(1e4 * torch.randn(20, 5, generator=torch.Generator().manual_seed(1)))
    assert pixels.min() >= 0
    assert pixels.max() <= 1


def test_every_pixel_depends_on_the_code() -> None:
    decoder = ImageDecoder(ImageDecoderConfig((1, 14, 14), latent_dim=4, start_channels=4, filters=(4, 4)))
    draw_layers(decoder, torch.Generator().manual_seed(0))
    codes = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    first, second = decoder(codes)
    assert (first != second).all()


def test_the_linear_path_is_added_before_the_sigmoid() -> None:
    decoder = ImageDecoder(ImageDecoderConfig((2, 4, 3), 5, filters=(3,), start_channels=2, has_linear_path=True))
    draw_layers(decoder, torch.Generator().manual_seed(0))
    codes = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together, linear = decoder(codes), decoder.linear
        assert linear is not None
        decoder.linear = None
        alone = torch.logit(decoder(codes))
        expected = torch.sigmoid(alone + linear(codes).reshape(6, 2, 4, 3))
    torch.testing.assert_close(together, expected)
