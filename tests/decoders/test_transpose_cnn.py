import pytest
import torch
from torch import nn

from textsem.decoders.transpose_cnn import TransposeCNNDecoder, TransposeCNNDecoderConfig


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_layer_is_the_transposed_convolution_of_torch(kernel_size: int) -> None:
    config = TransposeCNNDecoderConfig(6, 7, 9, channels=4, num_layers=1, kernel_size=kernel_size)
    layer = TransposeCNNDecoder(config).layers[0]
    oracle = nn.ConvTranspose1d(4, 4, kernel_size, padding=kernel_size // 2)
    oracle.load_state_dict(layer.state_dict(), strict=True)
    hidden = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(hidden), oracle(hidden))
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = layer(hidden), oracle(hidden)
    assert found.dtype == torch.bfloat16
    # The sum is rounded twice instead of once: half of bfloat16's 2^-7 each, at values of size 1.
    assert float(expected.detach().abs().max()) < 2
    torch.testing.assert_close(found, expected, atol=2**-7, rtol=0)
