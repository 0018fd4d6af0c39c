"""First weights: zeros without a draw, and torch's own spread from a generator alone."""

import math

import torch
from torch import nn

from textsem.latent.initialisation import draw_layers, materialise


def layers(device: str | None = None) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(25, 400, device=device),
        nn.GroupNorm(2, 4, device=device),
        nn.Conv1d(4, 300, 9, device=device),
        nn.ConvTranspose1d(6, 16, 4, bias=False, device=device),
    )


def test_materialised_module_is_zero_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    module = layers("meta")
    assert materialise(module) is module
    assert all(p.device.type == "cpu" and not p.any() and p.requires_grad for p in module.parameters())
    assert torch.equal(before, torch.get_rng_state())


def test_weights_are_uniform_within_one_over_the_root_of_the_fan_in() -> None:
    module = materialise(layers("meta"))
    draw_layers(module, torch.Generator().manual_seed(0))
    # Numbers behind the first axis of a weight: what an output reads, and torch's count for a transposed convolution.
    for layer, fan_in in ((module[0], 25), (module[2], 4 * 9), (module[3], 16 * 4)):
        bound = 1 / math.sqrt(fan_in)
        for weight in layer.parameters():
            assert weight.abs().max() <= bound
            assert weight.abs().max() > 0.95 * bound
            assert abs(weight.mean().item()) < 0.1 * bound
    assert torch.equal(module[1].get_parameter("weight"), torch.ones(4))
    assert not module[1].get_parameter("bias").any()


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
