import pytest
import torch
from torch.nn import functional as F

from textsem.arae_networks import Critic, CriticConfig, Generator, GeneratorConfig, Inverter, InverterConfig, Perceptron
from textsem.latent.initialisation import draw_layers


def drawn(module: torch.nn.Module) -> torch.nn.Module:
    draw_layers(module, torch.Generator().manual_seed(0))
    return module


def test_default_sizes_are_those_of_zhao_et_al() -> None:
    for network, sizes in (
        (Generator(GeneratorConfig()), [(300, 100), (300, 300)]),
        (Critic(CriticConfig()), [(300, 300), (1, 300)]),
        (Inverter(InverterConfig()), [(300, 300), (300, 300), (100, 300)]),
    ):
        assert [tuple(parameter.shape) for parameter in network.parameters() if parameter.ndim == 2] == sizes


def test_perceptron_has_leaky_relu_between_its_layers_alone() -> None:
    network, inputs = Perceptron((2, 2, 2)), torch.tensor([[3.0, -5.0]])
    with torch.no_grad():
        for weight in (network.layers.get_parameter("0.weight"), network.layers.get_parameter("1.weight")):
            weight.copy_(torch.eye(2))
    torch.testing.assert_close(network(inputs), torch.tensor([[3.0, -1.0]]))
    with torch.no_grad():
        network.layers.get_parameter("1.weight").neg_()
    torch.testing.assert_close(network(inputs), torch.tensor([[-3.0, 1.0]]))


def test_constructor_draws_nothing() -> None:
    before = torch.get_rng_state()
    network = Generator(GeneratorConfig(3, (4,), 5))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(parameter.any() for parameter in network.parameters())


def test_generated_codes_lie_on_the_sphere() -> None:
    network = drawn(Generator(GeneratorConfig(3, (4,), 5)))
    noise = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    codes = network(noise)
    assert codes.shape == (2, 6, 5)
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(2, 6))
    torch.testing.assert_close(codes[1, 2], network(noise[1, 2]))


def test_critic_gives_one_number_a_code() -> None:
    network, codes = drawn(Critic(CriticConfig(5, (4,)))), F.normalize(torch.randn(2, 6, 5), dim=-1)
    assert network(codes).shape == (2, 6)
    torch.testing.assert_close(network(codes)[1], network(codes[1]))


@pytest.mark.parametrize("kind", [GeneratorConfig, CriticConfig, InverterConfig])
def test_sizes_are_checked_and_lists_become_tuples(
    kind: type[GeneratorConfig] | type[CriticConfig] | type[InverterConfig],
) -> None:
    assert kind(hidden=[7, 8]).hidden == (7, 8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected sizes >= 1"):
        kind(hidden=(0,))
