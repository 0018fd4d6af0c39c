"""First weights: zeros without a draw, and torch's own spread from a generator alone."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from textsem.latent.initialisation import draw_layers, materialise


def layers(device: str | None = None) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(25, 400, device=device),
        nn.GroupNorm(2, 4, device=device),
        nn.Conv1d(4, 300, 9, device=device),
        nn.ConvTranspose1d(6, 16, 4, bias=False, device=device),
        nn.LayerNorm(4, device=device),
        nn.LSTM(4, 8, device=device),
        nn.Conv2d(4, 300, 3, device=device),
        nn.ConvTranspose2d(6, 16, 2, bias=False, device=device),
    )


def test_materialised_module_is_zero_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    module = layers("meta")
    assert materialise(module) is module
    assert all(p.device.type == "cpu" and not p.any() and p.requires_grad for p in module.parameters())
    assert torch.equal(before, torch.get_rng_state())


class Buffered(nn.Module):
    def __init__(self, device: str) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.ones(2, device=device))
        self.second = self.first
        self.register_buffer("kept", torch.ones(3, device=device), persistent=False)


def test_what_was_not_built_on_the_meta_device_keeps_its_buffers_and_shared_parameters() -> None:
    module = materialise(nn.ModuleList([Buffered("cpu"), Buffered("meta")]))
    assert [part.get_buffer("kept").tolist() for part in module] == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    assert all(part.get_parameter("first").tolist() == [0.0, 0.0] for part in module)
    assert module[0].get_parameter("first") is module[0].get_parameter("second")


def test_weights_are_uniform_within_one_over_the_root_of_the_fan_in() -> None:
    module = materialise(layers("meta"))
    draw_layers(module, torch.Generator().manual_seed(0))
    # Numbers behind the first axis of a weight: what an output reads, and torch's count for a transposed convolution.
    for layer, fan_in in (
        (module[0], 25),
        (module[2], 4 * 9),
        (module[3], 16 * 4),
        (module[6], 4 * 9),
        (module[7], 16 * 4),
    ):
        bound = 1 / math.sqrt(fan_in)
        for weight in layer.parameters():
            assert weight.abs().max() <= bound
            assert weight.abs().max() > 0.95 * bound
            assert abs(weight.mean().item()) < 0.1 * bound
    assert torch.equal(module[1].get_parameter("weight"), torch.ones(4))
    assert not module[1].get_parameter("bias").any()


def test_norms_start_as_the_plain_normalisation() -> None:
    module = nn.Sequential(nn.LayerNorm(5, device="meta"), nn.GroupNorm(1, 5, device="meta"))
    draw_layers(materialise(module), torch.Generator().manual_seed(0))
    hidden = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    expected = (hidden - hidden.mean(dim=1, keepdim=True)) / hidden.std(dim=1, correction=0, keepdim=True)
    for norm in module:
        torch.testing.assert_close(norm(hidden), expected, atol=1e-3, rtol=0)  # norms add 1e-5 to the variance


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_weights_are_uniform_within_one_over_the_root_of_the_hidden_size(
    kind: Callable[..., nn.RNNBase],
) -> None:
    module = materialise(kind(9, 64, num_layers=2, bidirectional=True, device="meta"))
    draw_layers(module, torch.Generator().manual_seed(0))
    weights = dict(module.named_parameters())
    assert len(weights) == 16  # of input and state: weights and biases, twice two layers
    # Not by what a gate reads, 9, 64 or 128: torch's reset_parameters takes the hidden size everywhere.
    for weight in weights.values():
        assert weight.abs().max() <= 1 / 8
        assert weight.abs().max() > 0.9 / 8
        assert abs(weight.mean().item()) < 0.3 / 8
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        own = kind(9, 64, num_layers=2, bidirectional=True)
    assert all(0.9 / 8 < weight.abs().max() <= 1 / 8 for weight in own.parameters())


def test_equal_shapes_of_a_recurrent_layer_get_weights_of_their_own() -> None:
    module = materialise(nn.LSTM(6, 6, device="meta"))
    draw_layers(module, torch.Generator().manual_seed(0))
    assert not torch.equal(module.get_parameter("weight_ih_l0"), module.get_parameter("weight_hh_l0"))
    assert not torch.equal(module.get_parameter("bias_ih_l0"), module.get_parameter("bias_hh_l0"))


def test_the_generator_alone_decides() -> None:
    before = torch.get_rng_state()
    drawn = []
    for seed in (0, 0, 1):
        module = materialise(layers("meta"))
        draw_layers(module, torch.Generator().manual_seed(seed))
        drawn.append(torch.cat([p.detach().flatten() for p in module.parameters()]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(before, torch.get_rng_state())
