import pytest
import torch
from torch import Tensor, nn

from tests.latent.toys import normal
from textsem.latent.black_box import Evolution, distillation_step, flips
from textsem.latent.objective import margin_loss

LABELS = torch.tensor([0, 2, 1, 0])
SLOPES = normal(3, 4, seed=1)


def answer(codes: Tensor) -> Tensor:
    assert not codes.requires_grad
    return (0.2 * codes @ SLOPES.T).softmax(dim=-1).flatten(0, 1)


def evolution(num_pairs: int) -> Evolution:
    return Evolution("margin", num_pairs, 0.05, torch.Generator().manual_seed(0))


def test_the_term_has_the_value_of_the_answers_and_an_estimate_of_their_gradient() -> None:
    codes = normal(4, 4).requires_grad_()
    found = evolution(4000)(answer, codes, LABELS)
    true = margin_loss(0.2 * codes @ SLOPES.T, LABELS)
    torch.testing.assert_close(found, true)
    (gradient,) = torch.autograd.grad(found.sum(), codes)
    (expected,) = torch.autograd.grad(true.sum(), codes)
    # The estimate errs by about sqrt(latent / pairs) = 0.03 of the gradient's length.
    assert (gradient - expected).norm() < 0.1 * expected.norm()


def test_two_rows_a_pair_and_one_for_the_value_are_asked_and_labels_stay_with_their_example() -> None:
    asked: list[int] = []

    def sure_of_the_label(codes: Tensor) -> Tensor:
        asked.append(len(codes))
        return nn.functional.one_hot(LABELS, 3).double().repeat(len(codes), 1)

    found = evolution(3)(sure_of_the_label, normal(4, 4).requires_grad_(), LABELS)
    assert asked == [1, 6]
    # All on y: it leads by -log of the smallest answer that is told apart from none.
    torch.testing.assert_close(found, torch.full((4,), 1e-6, dtype=torch.float64).log().neg(), atol=1e-5, rtol=0)


def test_a_step_moves_the_surrogate_and_leaves_it_frozen_and_at_rest() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    network = nn.Sequential(layer, nn.Dropout(0.5)).double().eval().requires_grad_(False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    before, inputs = layer.weight.clone(), normal(6, 4)
    distillation_step(network, optimizer, (inputs,), torch.eye(3, dtype=torch.float64).repeat(2, 1))
    assert not torch.equal(layer.weight, before)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_step_is_gradient_descent_on_the_mean_cross_entropy_however_many_take_it(num_processes: int) -> None:
    torch.manual_seed(0)
    network, inputs, answers = nn.Linear(4, 3).double(), normal(6, 4), normal(6, 3, seed=2).softmax(dim=-1)
    weight = network.weight.detach().clone().requires_grad_()
    logits = inputs @ weight.T + network.bias.detach()
    expected = -(answers * logits.log_softmax(dim=-1)).sum() / 6
    (gradient,) = torch.autograd.grad(expected, weight)

    def merge(loss: Tensor) -> float:
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.grad = parameter.grad * num_processes
        return loss.item() * num_processes

    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    found = distillation_step(network, optimizer, (inputs,), answers, num_processes=num_processes, merge=merge)
    assert found == pytest.approx(expected.item())
    torch.testing.assert_close(network.weight.detach(), (weight - 0.1 * gradient).detach())


def test_a_flip_is_right_before_and_wrong_after() -> None:
    clean, adversarial = torch.eye(3)[torch.tensor([0, 2, 0, 1])], torch.eye(3)[torch.tensor([1, 2, 0, 0])]
    is_flipped, num_right = flips(torch.cat([clean, adversarial]), LABELS)
    assert is_flipped.tolist() == [True, False, False, False]
    assert num_right == 2
    assert flips(torch.cat([adversarial, clean]), torch.tensor([2, 1, 1, 2]))[1] == 1  # none is right
