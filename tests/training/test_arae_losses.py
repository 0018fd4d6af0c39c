"""Known answers: a linear critic's penalty, the falling noise, the words that are left out."""

import math

import pytest
import torch
from torch import Tensor

from textsem.training.arae_losses import add_noise, critic_loss, gradient_penalty, noise_std


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
def test_penalty_of_a_linear_critic_is_its_slope_less_one_squared(length: float) -> None:
    weight = torch.nn.functional.normalize(random(5), dim=0) * length
    penalty = gradient_penalty(lambda codes: codes @ weight, random(7, 5, seed=1), random(7, 5, seed=2), torch.rand(7))
    assert penalty.item() == pytest.approx((length - 1) ** 2, abs=1e-12)


def test_penalty_is_taken_between_real_and_generated_codes() -> None:
    # f(c) = |c|^2 / 2 has the slope |c|, at a known point between the two.
    real, fake = torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    for share, length in ((1.0, 4.0), (0.0, 2.0), (0.5, math.sqrt(5))):
        penalty = gradient_penalty(lambda c: c.square().sum(dim=1) / 2, real, fake, torch.tensor([share]))
        assert penalty.item() == pytest.approx((length - 1) ** 2, rel=1e-6)


def test_penalty_has_a_gradient_in_the_critic_alone() -> None:
    weight, real = random(5).requires_grad_(), random(7, 5, seed=1).requires_grad_()
    penalty = gradient_penalty(lambda codes: codes @ weight, real, random(7, 5, seed=2), torch.rand(7))
    in_weight, in_real = torch.autograd.grad(penalty, [weight, real], allow_unused=True)
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    norm = weight.detach().norm()
    torch.testing.assert_close(in_weight, 2 * (norm - 1) * weight.detach() / norm)
    assert in_real is None


def test_critic_wants_real_above_generated() -> None:
    weight = torch.tensor([1.0, 0.0])
    real, fake = torch.tensor([[3.0, 1.0], [5.0, 0.0]]), torch.tensor([[1.0, 9.0], [2.0, 9.0]])
    loss, distance = critic_loss(lambda codes: codes @ weight, real, fake, torch.rand(2), penalty=10.0)
    assert distance.item() == pytest.approx(4.0 - 1.5)
    assert loss.item() == pytest.approx(-2.5)  # the slope is one: no penalty
    double, _ = critic_loss(lambda codes: 2 * codes @ weight, real, fake, torch.rand(2), penalty=10.0)
    assert double.item() == pytest.approx(-5.0 + 10.0)


def test_noise_falls_by_its_factor_after_so_many_steps() -> None:
    found = [noise_std(step, initial=0.2, decay=0.5, every=100) for step in (0, 99, 100, 199, 200, 1000)]
    assert found == pytest.approx([0.2, 0.2, 0.1, 0.1, 0.05, 0.2 / 1024])
    assert noise_std(5000, initial=0.2, decay=1.0, every=100) == 0.2


def test_noise_has_its_standard_deviation_and_leaves_codes_on_the_sphere() -> None:
    codes = torch.zeros(2000, 50, dtype=torch.float64)
    codes[:, 0] = 1.0
    noisy = add_noise(codes, std=0.1, generator=generator())
    torch.testing.assert_close(noisy.norm(dim=1), torch.ones(2000, dtype=torch.float64))
    # Before the sphere, the other 49 coordinates are 0.1 n; after it, their ratio to the first is 0.1 n / (1 + 0.1 n).
    ratio = noisy[:, 1:] / noisy[:, :1]
    expected = 0.1 * math.sqrt(1 + 3 * 0.1**2)  # second order of E 1 / (1 + 0.1 n)^2
    assert float(ratio.std()) == pytest.approx(expected, rel=0.01)
    assert torch.equal(add_noise(codes, std=0.0, generator=generator()), codes)
