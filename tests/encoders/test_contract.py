"""What every sentence encoder keeps; a new one joins ENCODERS."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from textsem.encoders.cnn import CNNEncoder, CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoder, LSTMEncoderConfig
from textsem.protocols import Encoder

LENGTH, EMBEDDING, FEATURES = 7, 5, 6

ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: CNNEncoder(CNNEncoderConfig(LENGTH, EMBEDDING, channels=8, feature_dim=FEATURES)),
    "cnn with dense layers": lambda: CNNEncoder(
        CNNEncoderConfig(
            LENGTH, EMBEDDING, channels=8, num_layers=1, kernel_size=3, hidden=(9, 7), feature_dim=FEATURES
        )
    ),
    "lstm": lambda: LSTMEncoder(LSTMEncoderConfig(LENGTH, EMBEDDING, hidden_dim=FEATURES, feature_dim=FEATURES)),
    "lstm of two layers, projected": lambda: LSTMEncoder(LSTMEncoderConfig(LENGTH, EMBEDDING, 8, 2, FEATURES)),
}


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    return ENCODERS[request.param]().eval()


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(LENGTH) < torch.tensor([[7], [3], [1], [5]])
    return torch.randn(4, LENGTH, EMBEDDING, generator=generator), mask


def test_features_have_the_shape_and_type_of_the_protocol(encoder: nn.Module) -> None:
    assert isinstance(encoder, Encoder)
    assert encoder.feature_dim == FEATURES
    features = encoder(*batch())
    assert features.shape == (4, FEATURES)
    assert features.dtype == torch.float32
    double = copy.deepcopy(encoder).double()(batch()[0].double(), batch()[1])
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), features, atol=1e-5, rtol=1e-5)


def test_what_stands_on_pads_has_no_influence(encoder: nn.Module) -> None:
    embedded, mask = batch()
    other = torch.where(mask[..., None], embedded, batch(seed=1)[0])
    assert not torch.equal(other, embedded)
    assert torch.equal(encoder(other, mask), encoder(embedded, mask))


def test_words_and_their_order_have_influence(encoder: nn.Module) -> None:
    embedded, mask = batch()
    features = encoder(embedded, mask)
    for changed in (embedded.flip(1), embedded + 0.1):
        assert (encoder(changed, mask) - features).abs().amax(dim=1).min() > 1e-4


def test_row_does_not_depend_on_its_batch(encoder: nn.Module) -> None:
    embedded, mask = batch()
    alone = torch.cat([encoder(embedded[i : i + 1], mask[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(encoder(embedded, mask), alone, atol=1e-6, rtol=1e-6)
    assert encoder(embedded[:0], mask[:0]).shape == (0, FEATURES)


def test_same_input_gives_the_same_features(encoder: nn.Module) -> None:
    before = torch.get_rng_state()
    assert torch.equal(encoder(*batch()), encoder(*batch()))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ENCODERS)
def test_state_dict_carries_everything(name: str) -> None:
    first, second = ENCODERS[name]().eval(), ENCODERS[name]().eval()
    assert not torch.equal(first(*batch()), second(*batch()))
    second.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(first(*batch()), second(*batch()))


def test_gradient_reaches_every_weight_and_the_words(encoder: nn.Module) -> None:
    embedded, mask = batch()
    embedded.requires_grad_()
    encoder(embedded, mask).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    assert embedded.grad is not None
    assert torch.equal(embedded.grad.abs().sum(dim=-1) > 0, mask)


@pytest.mark.parametrize("name", ["cnn", "cnn with dense layers"])
def test_last_layer_of_the_cnn_is_linear(name: str) -> None:
    """Its weights doubled double the features; with an activation after it, they would not."""
    encoder = ENCODERS[name]()
    assert isinstance(encoder, CNNEncoder)
    features = encoder(*batch())
    with torch.no_grad():
        for parameter in encoder.dense[-1].parameters():
            parameter.mul_(2)
    torch.testing.assert_close(encoder(*batch()), 2 * features)
    assert features.min() < -0.2  # GELU never goes below -0.17


def test_gelu_stands_between_the_layers() -> None:
    encoder = ENCODERS["cnn with dense layers"]()
    assert isinstance(encoder, CNNEncoder)
    (convolution,) = encoder.convolutions
    embedded, mask = batch()
    words = torch.where(mask[..., None], embedded, 0).mT
    hidden = torch.nn.functional.gelu(convolution(words)).flatten(1)
    for i, layer in enumerate(encoder.dense):
        hidden = layer(torch.nn.functional.gelu(hidden) if i else hidden)
    torch.testing.assert_close(encoder(embedded, mask), hidden)
