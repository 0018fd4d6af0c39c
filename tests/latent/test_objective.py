"""Known answers of readings 18 to 20: Eq. 6, its gate, its norms, and gradients without g's."""

import math

import pytest
import torch

from textsem.latent.objective import (
    FOOLING_LOSSES,
    NORMS,
    cross_entropy_loss,
    distillation_loss,
    evolution_gradient,
    fooling_loss,
    gate,
    gated_loss,
    inject_gradient,
    margin_loss,
)

DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("probabilities", "label", "expected"),
    [
        ((0.7, 0.2, 0.1), 0, math.log(0.8)),
        ((0.7, 0.2, 0.1), 1, math.log(0.3)),
        ((0.7, 0.2, 0.1), 2, math.log(0.3)),
        ((0.1, 0.3, 0.6), 2, math.log(0.7)),
    ],
)
def test_fooling_loss_over_three_classes(probabilities: tuple[float, ...], label: int, expected: float) -> None:
    logits = torch.tensor(probabilities, dtype=DOUBLE).log() + 3
    assert fooling_loss(logits, torch.tensor(label)).item() == pytest.approx(expected)


def test_fooling_loss_has_its_analytic_gradient() -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0]], dtype=DOUBLE, requires_grad=True)
    (gradient,) = torch.autograd.grad(fooling_loss(logits, torch.tensor([0])).sum(), logits)
    p = logits.detach().softmax(dim=-1)[0]
    best = torch.tensor([0.0, 1.0, 0.0], dtype=DOUBLE)
    torch.testing.assert_close(gradient[0], -p[1] * (best - p) / (1 - p[1]))


def test_fooling_loss_is_exact_and_finite_on_extreme_logits() -> None:
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 0.0]], requires_grad=True)
    loss = fooling_loss(logits, torch.tensor([0, 0]))
    torch.testing.assert_close(loss, torch.tensor([0.0, math.log(1e-4)]), atol=1e-6, rtol=1e-6)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert bool(gradient.isfinite().all())


def test_fooling_loss_vanishes_on_a_confident_target_and_the_margin_does_not() -> None:
    logits = torch.tensor([[20.0, 0.0, -1.0]], dtype=DOUBLE, requires_grad=True)
    label = torch.tensor([0])
    (vanishing,) = torch.autograd.grad(fooling_loss(logits, label).sum(), logits)
    (steady,) = torch.autograd.grad(margin_loss(logits, label).sum(), logits)
    assert vanishing.abs().max() < 1e-8
    torch.testing.assert_close(steady, torch.tensor([[1.0, -1.0, 0.0]], dtype=DOUBLE))


def test_margin_and_cross_entropy_known_values() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05]], dtype=DOUBLE).log()
    labels = torch.tensor([0, 0])
    torch.testing.assert_close(margin_loss(logits, labels), torch.tensor([math.log(3.5), -1.0], dtype=DOUBLE))
    expected = torch.tensor([0.7, 0.05], dtype=DOUBLE).log()
    torch.testing.assert_close(cross_entropy_loss(logits, labels), expected)


@pytest.mark.parametrize("name", sorted(FOOLING_LOSSES))
def test_every_fooling_loss_falls_as_the_label_loses_to_another_class(name: str) -> None:
    loss = FOOLING_LOSSES[name]  # type: ignore[index]
    logits = torch.stack([torch.tensor([1 - t, t, -1.0]) for t in torch.linspace(-1, 0.95, 9).tolist()])
    values = loss(logits, torch.zeros(9, dtype=torch.int64))
    assert bool((values.diff() < 0).all())


def test_norms_of_a_known_difference() -> None:
    difference = torch.tensor([[3.0, -4.0, 0.0, 0.0]])
    got = {name: norm(difference).item() for name, norm in NORMS.items()}
    assert got == pytest.approx({"l2": 5.0, "linf": 4.0, "rms": 2.5, "mse": 6.25})


@pytest.mark.parametrize("name", sorted(NORMS))
def test_norms_have_a_finite_gradient_at_zero(name: str) -> None:
    difference = torch.zeros(2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(NORMS[name](difference).sum(), difference)  # type: ignore[index]
    assert torch.equal(gradient, torch.zeros(2, 3))


def test_gate_is_open_just_below_epsilon_shut_just_above_and_never_at_zero() -> None:
    distance = torch.tensor([0.0, 0.999, 1.001])
    assert gate(distance, epsilon=1.0).tolist() == [True, True, False]
    assert gate(distance, epsilon=0.0).tolist() == [False, False, False]


def test_gate_acts_on_every_example_apart() -> None:
    reconstruction, adversarial = torch.tensor([1.0, 2.0]), torch.tensor([-0.5, -0.5], requires_grad=True)
    loss = gated_loss(reconstruction, adversarial, torch.tensor([True, False]))
    assert loss.tolist() == [0.5, 2.0]
    assert torch.autograd.grad(loss.sum(), adversarial)[0].tolist() == [1.0, 0.0]


def test_evolution_gradient_of_a_linear_loss_is_its_slope() -> None:
    codes, slope = normal(3, 4), normal(3, 4, seed=1)
    estimate = evolution_gradient(
        lambda z: (z * slope).sum(-1), codes, num_pairs=40_000, sigma=0.3, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(estimate, slope, atol=0.05, rtol=0)


def test_antithetic_pairs_cancel_every_even_loss() -> None:
    codes = torch.zeros(3, 4, dtype=DOUBLE)
    estimate = evolution_gradient(
        lambda z: z.square().sum(-1), codes, num_pairs=3, sigma=0.3, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(estimate, torch.zeros(3, 4, dtype=DOUBLE))


def test_evolution_gradient_asks_a_target_that_raises_on_any_backward_pass() -> None:
    def loss(z: torch.Tensor) -> torch.Tensor:
        assert not z.requires_grad
        assert not torch.is_grad_enabled()
        return z.sum(-1)

    codes = normal(3, 4).requires_grad_()
    estimate = evolution_gradient(loss, codes, num_pairs=2, sigma=0.1, generator=torch.Generator().manual_seed(0))
    assert not estimate.requires_grad


def test_injected_gradient_comes_back_and_the_value_is_reported() -> None:
    codes, gradient, value = normal(3, 4).requires_grad_(), normal(3, 4, seed=1), normal(3, seed=2)
    injected = inject_gradient(codes, gradient, value=value)
    torch.testing.assert_close(injected.detach(), value)
    torch.testing.assert_close(torch.autograd.grad(injected.sum(), codes)[0], gradient)


def test_distillation_loss_is_least_at_the_answers_and_takes_one_hot_rows() -> None:
    answers = torch.tensor([[0.5, 0.3, 0.2]], dtype=DOUBLE)
    entropy = -(answers * answers.log()).sum()
    torch.testing.assert_close(distillation_loss(answers.log(), answers), entropy)
    assert distillation_loss(answers.log() + normal(1, 3), answers) > entropy
    one_hot = torch.tensor([[0.0, 1.0, 0.0]], dtype=DOUBLE)
    torch.testing.assert_close(distillation_loss(answers.log(), one_hot), -answers[0, 1].log())
