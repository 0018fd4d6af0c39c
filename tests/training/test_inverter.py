"""An inverter of a linear generator, whose inverse is known; and a search in that generator's noise."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from textsem.attacks.candidates import Candidate
from textsem.attacks.code_spaces import GeneratorCodeSpace
from textsem.attacks.natural_adversary import NaturalAdversary, NaturalAdversaryConfig
from textsem.latent.shells import IterativeStochasticSearch
from textsem.outputs import AttackResult
from textsem.training.inverter import Inverter, InverterConfig, InverterTrainingConfig, inverter_loss, train_inverter

CONFIG = InverterTrainingConfig(InverterConfig(4, (32,), 3), num_steps=500, batch_size=128, learning_rate=5e-3)
MATRIX = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, -0.5, 0.0], [0.5, 0.0, 1.0, 1.0]])


def linear_generator() -> nn.Linear:
    generator = nn.Linear(3, 4)
    with torch.no_grad():
        generator.weight.copy_(MATRIX.T)
        generator.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
    return generator


def real_codes() -> Tensor:
    noise = torch.randn(500, 3, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        codes: Tensor = linear_generator()(noise)
    return codes


@pytest.fixture(scope="module")
def trained() -> Inverter:
    return train_inverter(linear_generator(), real_codes(), CONFIG)


def test_inverter_learns_the_inverse(trained: Inverter) -> None:
    noise = torch.randn(400, 3, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        codes = linear_generator()(noise)
        found = trained(codes)
        again = linear_generator()(found)
    assert float((found - noise).square().mean()) < 0.01  # noise itself: 1
    assert float((again - codes).square().mean()) < 0.01


@pytest.mark.parametrize("noise_share", [0.0, 0.25, 1.0])
def test_loss_weighs_codes_and_noise(noise_share: float) -> None:
    codes, noise = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [5.0]])
    # G(z) = (z, 2 z), I(c) = c_0 + 1: G(I(c)) - c = (1, 2), I(G(z)) - z = 1.
    loss = inverter_loss(
        lambda z: torch.cat([z, 2 * z], dim=1), lambda c: c[:, :1] + 1, codes, noise, noise_share=noise_share
    )
    assert loss.item() == pytest.approx((1 - noise_share) * (1 + 4) / 2 + noise_share * 1.0)


def test_training_is_deterministic_and_leaves_the_generator_alone() -> None:
    config, generator, codes = replace(CONFIG, num_steps=5), linear_generator(), real_codes()
    state = torch.get_rng_state()
    first = train_inverter(generator, codes, config)
    assert torch.equal(torch.get_rng_state(), state)
    assert generator.weight.grad is None
    assert torch.equal(generator.weight, MATRIX.T)
    again = train_inverter(generator, codes, config)
    other = train_inverter(generator, codes, replace(config, seed=1))
    assert torch.equal(first(codes), again(codes))
    assert not torch.equal(first(codes), other(codes))
    assert not first.training
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_default_shape_is_that_of_zhao_et_al() -> None:
    shapes = [tuple(parameter.shape) for parameter in Inverter(InverterConfig()).parameters() if parameter.ndim == 2]
    assert shapes == [(300, 300), (300, 300), (100, 300)]


class FourNumbers:
    """The code of hypothesis "spot i" is the i-th real one; a code's sentence names its first number."""

    latent_dim = 4

    def supports(self, hypothesis: str) -> str | None:
        return None

    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        return real_codes()[[int(text.split()[1]) for text in hypotheses]]

    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        return [Candidate(f"{hypothesis} {x:.3f}", (), 0.0, 1, 0.0) for x in codes[:, 0].tolist()]


class FirstNumber:
    """Leaves class 0 where the first number of the code is more than 0.5 from that of the original."""

    label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        rows = [(float(real_codes()[int(text.split()[1]), 0]), float(text.split()[2])) for text in hypotheses]
        return torch.tensor([[0.0, 1.0, 0.0] if abs(new - old) > 0.5 else [1.0, 0.0, 0.0] for old, new in rows])


def test_search_runs_in_the_generators_noise(trained: Inverter) -> None:
    space = GeneratorCodeSpace(FourNumbers(), linear_generator(), trained, noise_dim=3)
    attack = NaturalAdversary(space, IterativeStochasticSearch(), NaturalAdversaryConfig(max_queries=1000))
    pairs = [AttackResult(i, "p", f"spot {i}", "entailment", "entailment", "failed") for i in range(5)]
    results, _ = attack.attack(pairs, FirstNumber())
    for result in results:
        assert result.adversarial is not None
        # The first shell with a flip reaches little beyond the boundary.
        new, old = float(result.adversarial.split()[2]), float(real_codes()[result.index, 0])
        assert 0.5 < abs(new - old) < 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_steps": 0}, "expected num_steps >= 1, got 0"),
        ({"batch_size": 0}, "expected batch_size >= 1, got 0"),
        ({"learning_rate": 0.0}, "expected learning_rate > 0, got 0.0"),
        ({"noise_share": 1.5}, "expected noise_share from 0 to 1, got 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **values)  # type: ignore[arg-type]


def test_codes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected codes of shape \[sentences, 4\], got \[10, 3\]"):
        train_inverter(linear_generator(), torch.zeros(10, 3), CONFIG)
    with pytest.raises(ValueError, match="expected a finite loss, got nan at step 0"):
        train_inverter(linear_generator(), torch.full((10, 4), torch.nan), CONFIG)
    with pytest.raises(ValueError, match="expected sizes >= 1"):
        InverterConfig(hidden=(0,))
