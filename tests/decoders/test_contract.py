"""What every decoder keeps; a new one joins DECODERS."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from textsem.decoders.transpose_cnn import TransposeCNNDecoder, TransposeCNNDecoderConfig
from textsem.protocols import Decoder

LENGTH, EMBEDDING, LATENT = 7, 5, 6

DECODERS: dict[str, Callable[[], nn.Module]] = {
    "transpose cnn": lambda: TransposeCNNDecoder(TransposeCNNDecoderConfig(LATENT, LENGTH, EMBEDDING, channels=8)),
    "transpose cnn of Table 10": lambda: TransposeCNNDecoder(
        TransposeCNNDecoderConfig(LATENT, LENGTH, EMBEDDING, channels=8, num_layers=3, kernel_size=5, has_norm=False)
    ),
}


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> nn.Module:
    return DECODERS[request.param]().eval()


def codes(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, LATENT, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("lead", [(), (4,), (2, 4), (3, 2, 4), (0,), (2, 0)])
def test_vectors_have_the_leading_shape_of_the_codes(decoder: nn.Module, lead: tuple[int, ...]) -> None:
    assert isinstance(decoder, Decoder)
    assert (decoder.latent_dim, decoder.length) == (LATENT, LENGTH)
    vectors = decoder(codes(*lead))
    assert vectors.shape == (*lead, LENGTH, EMBEDDING)
    assert vectors.dtype == torch.float32


def test_vectors_have_unit_length(decoder: nn.Module) -> None:
    torch.testing.assert_close(decoder(codes(4)).norm(dim=-1), torch.ones(4, LENGTH))


def test_double_codes_give_the_same_in_double(decoder: nn.Module) -> None:
    double = copy.deepcopy(decoder).double()(codes(4).double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), decoder(codes(4)), atol=1e-5, rtol=1e-5)


def test_row_does_not_depend_on_its_batch(decoder: nn.Module) -> None:
    all_codes = codes(2, 4)
    alone = torch.stack([torch.stack([decoder(code) for code in row]) for row in all_codes])
    torch.testing.assert_close(decoder(all_codes), alone, atol=1e-6, rtol=1e-5)


def test_code_reaches_every_position(decoder: nn.Module) -> None:
    moved = decoder(codes(4) + 0.5) - decoder(codes(4))
    assert moved.norm(dim=-1).amax(dim=0).min() > 1e-4


def test_positions_differ(decoder: nn.Module) -> None:
    vectors = decoder(codes(4))
    assert (vectors[:, 1:] - vectors[:, :-1]).norm(dim=-1).min() > 1e-5


def test_same_codes_give_the_same_vectors(decoder: nn.Module) -> None:
    before = torch.get_rng_state()
    assert torch.equal(decoder(codes(4)), decoder(codes(4)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", DECODERS)
def test_state_dict_carries_everything(name: str) -> None:
    first, second = DECODERS[name]().eval(), DECODERS[name]().eval()
    assert not torch.equal(first(codes(4)), second(codes(4)))
    second.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(first(codes(4)), second(codes(4)))


def test_gradient_reaches_every_weight_and_the_codes(decoder: nn.Module) -> None:
    z = codes(4).requires_grad_()
    vectors = decoder(z)
    (vectors * torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())
    assert z.grad is not None
    assert z.grad.abs().sum(dim=-1).min() > 0
