"""ParticleMLP against a loop over particles; RecognitionNetwork's start and fit."""

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.recognition import RecognitionConfig, RecognitionNetwork, recognition_fit

DOUBLE = torch.float64
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def naive(config: ParticleConfig, theta: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    sizes = [config.in_dim, *config.hidden, config.out_dim]
    hidden, start = inputs, 0
    for n, (i, o) in enumerate(pairwise(sizes)):
        if n > 0:
            hidden = ACTIVATIONS[config.activation](hidden)
        hidden = hidden @ theta[start : start + i * o].reshape(i, o) + theta[start + i * o : start + i * o + o]
        start += i * o + o
    assert start == len(theta)
    return hidden + inputs if config.skip else hidden


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 3)])
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("M", [1, 3])
def test_batched_particles_equal_a_loop(activation: str, hidden: tuple[int, ...], skip: bool, M: int) -> None:
    config = ParticleConfig(4, hidden, 4, activation, skip=skip)  # type: ignore[arg-type]
    mlp = ParticleMLP(config)
    theta, shared, own = normal(M, mlp.num_parameters), normal(6, 4, seed=1), normal(M, 6, 4, seed=2)
    torch.testing.assert_close(mlp(theta, shared), torch.stack([naive(config, t, shared) for t in theta]))
    expected = torch.stack([naive(config, t, x) for t, x in zip(theta, own, strict=True)])
    torch.testing.assert_close(mlp(theta, own), expected)


def test_table_10_text_particle_has_its_number_of_weights() -> None:
    assert ParticleMLP(ParticleConfig(100)).num_parameters == 101 * 40 + 41 * 40 + 41 * 100


def test_skip_with_zero_weights_is_the_identity() -> None:
    mlp = ParticleMLP(ParticleConfig(4, (3,), 4, skip=True))
    inputs = normal(5, 4)
    assert torch.equal(mlp(torch.zeros(2, mlp.num_parameters, dtype=DOUBLE), inputs), inputs.expand(2, 5, 4))


def test_initial_weights_keep_the_scale_of_their_input() -> None:
    generator = torch.Generator().manual_seed(0)
    mlp = ParticleMLP(ParticleConfig(200, (200, 200), 200))
    codes = mlp(mlp.initial(generator)[None], torch.randn(64, 200, generator=generator))
    assert codes.square().mean().item() == pytest.approx(1, abs=0.25)


def test_output_scale_shrinks_the_first_codes() -> None:
    def codes(scale: float) -> torch.Tensor:
        mlp = ParticleMLP(ParticleConfig(4, (3,), 4, output_scale=scale))
        return mlp(mlp.initial(torch.Generator().manual_seed(0))[None], normal(5, 4).float())

    torch.testing.assert_close(codes(0.1), 0.1 * codes(1.0))


def test_shapes_that_do_not_fit_are_rejected() -> None:
    mlp = ParticleMLP(ParticleConfig(4, (), 3))
    with pytest.raises(ValueError, match=r"expected theta of shape \[particles, 15\], got \[2, 14\]"):
        mlp(normal(2, 14), normal(5, 4))
    with pytest.raises(ValueError, match=r"expected inputs of shape \[batch, 4\] or \[2, batch, 4\], got \[3, 5, 4\]"):
        mlp(normal(2, 15), normal(3, 5, 4))
    with pytest.raises(ValueError, match="expected in_dim == out_dim with skip, got 4 and 3"):
        ParticleConfig(4, (), 3, skip=True)
    with pytest.raises(ValueError, match="expected activation in"):
        ParticleConfig(4, (), 3, activation="sine")  # type: ignore[arg-type]


def test_configs_survive_a_json_round_trip() -> None:
    particle, recognition = ParticleConfig(4, (3, 2)), RecognitionConfig(29)
    assert ParticleConfig(**json.loads(json.dumps(asdict(particle)))) == particle
    assert RecognitionConfig(**json.loads(json.dumps(asdict(recognition)))) == recognition


def network(spread: float = 0.05, P: int = 2000) -> tuple[RecognitionNetwork, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    initial = torch.randn(P, generator=generator)
    return RecognitionNetwork(RecognitionConfig(P, spread=spread)).initialise(initial, generator), initial


def test_particles_start_with_the_given_spread_around_the_initial_weights() -> None:
    f, initial = network()
    theta = f(f.sample_noise(200, torch.Generator().manual_seed(1)))
    assert (theta - initial).square().mean().sqrt().item() == pytest.approx(0.05, rel=0.15)


def test_spread_zero_gives_one_particle_many_times() -> None:
    f, initial = network(spread=0.0)
    theta = f(f.sample_noise(3, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(theta, initial.expand(3, -1))


def test_construction_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    network()
    assert torch.equal(before, torch.get_rng_state())


def test_initial_weights_of_another_size_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"expected initial of shape \[5\], got \[4\]"):
        RecognitionNetwork(RecognitionConfig(5)).initialise(torch.zeros(4), torch.Generator())


def test_gradient_of_the_fit_is_minus_two_alpha_jacobian_transposed_direction() -> None:
    f = RecognitionNetwork(RecognitionConfig(4, noise_dim=3, hidden=(5,)))
    f = f.initialise(torch.zeros(4), torch.Generator().manual_seed(0)).double()
    xi, direction, alpha = normal(2, 3), normal(2, 4, seed=1), 0.1
    theta = f(xi)
    gradients = torch.autograd.grad(recognition_fit(theta, theta + alpha * direction), list(f.parameters()))
    names = [name for name, _ in f.named_parameters()]

    def run(*weights: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.func.functional_call(f, dict(zip(names, weights, strict=True)), (xi,))
        return out

    jacobians = torch.autograd.functional.jacobian(run, tuple(f.parameters()))  # type: ignore[no-untyped-call]
    for gradient, jacobian in zip(gradients, jacobians, strict=True):
        torch.testing.assert_close(gradient, -2 * alpha * torch.einsum("mp,mp...->...", direction, jacobian))


def test_spherical_codes_have_length_root_d_and_keep_their_direction() -> None:
    generator = torch.Generator().manual_seed(5)
    plain = ParticleMLP(ParticleConfig(in_dim=4, hidden=(3,), out_dim=4, skip=True))
    spherical = ParticleMLP(ParticleConfig(in_dim=4, hidden=(3,), out_dim=4, skip=True, is_spherical=True))
    theta = plain.initial(generator).expand(2, -1)
    inputs = torch.randn(5, 4, generator=generator)
    codes = spherical(theta, inputs)
    torch.testing.assert_close(codes.norm(dim=-1), torch.full((2, 5), 2.0))
    torch.testing.assert_close(codes, 2 * torch.nn.functional.normalize(plain(theta, inputs), dim=-1))
