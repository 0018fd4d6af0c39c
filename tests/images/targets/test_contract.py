"""What every target of images promises, whatever it is made of."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from images_ext.protocols import GradientImageTarget, ImageTarget
from images_ext.targets.callable_target import CallableTarget
from images_ext.targets.metering import MeteredImageTarget
from images_ext.targets.module_target import ModuleTarget
from images_ext.targets.reference import ReferenceNetwork
from images_ext.targets.residual import ResidualNetwork
from tests.images.targets.networks import TINY_REFERENCE, TINY_RESIDUAL
from textsem.protocols import TargetError

NAMES = ("a", "b", "c")


def residual() -> ModuleTarget:
    return ModuleTarget(ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0)), NAMES)


def reference() -> ModuleTarget:
    return ModuleTarget(ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0)), NAMES)


def function() -> CallableTarget:
    return CallableTarget(lambda pixels: pixels.flatten(1)[:, :3].softmax(dim=-1).tolist(), NAMES)


def metered() -> MeteredImageTarget:
    return MeteredImageTarget(residual())


TARGETS: dict[str, Callable[[], ImageTarget]] = {
    "residual": residual,
    "reference": reference,
    "function": function,
    "metered": metered,
}


@pytest.fixture(params=sorted(TARGETS))
def target(request: pytest.FixtureRequest) -> ImageTarget:
    return TARGETS[request.param]()


def test_target_has_what_the_protocol_asks_for(target: ImageTarget) -> None:
    assert isinstance(target, ImageTarget)
    assert target.label_names == NAMES


def test_answers_are_probabilities_on_the_cpu_without_gradient(target: ImageTarget) -> None:
    answer = target.predict(torch.rand(5, 1, 8, 8, requires_grad=True))
    assert answer.shape == (5, 3)
    assert answer.dtype == torch.float32
    assert not answer.requires_grad
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(5))


def test_answers_do_not_depend_on_batch_mates(target: ImageTarget) -> None:
    pixels = torch.rand(5, 1, 8, 8)
    # One row takes other paths of the convolutions than five: equal up to float32's rounding.
    torch.testing.assert_close(target.predict(pixels)[3:4], target.predict(pixels[3:4]), atol=1e-5, rtol=0)


def test_same_question_has_the_same_answer(target: ImageTarget) -> None:
    pixels = torch.rand(5, 1, 8, 8)
    assert torch.equal(target.predict(pixels), target.predict(pixels))


def test_nothing_asked_is_answered_with_no_rows(target: ImageTarget) -> None:
    assert target.predict(torch.rand(0, 1, 8, 8)).shape == (0, 3)


def test_question_is_not_written_into(target: ImageTarget) -> None:
    pixels = torch.rand(2, 1, 8, 8)
    before = pixels.clone()
    target.predict(pixels)
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("value", [-0.1, 1.1, torch.nan])
def test_pixels_outside_the_range_are_refused_by_row(target: ImageTarget, value: float) -> None:
    pixels = torch.rand(3, 1, 8, 8)
    pixels[1, 0, 2, 2] = value
    with pytest.raises(ValueError, match=r"expected pixels in \[0, 1\], got .* in row 1"):
        target.predict(pixels)


def bad_module(answer: Tensor) -> ModuleTarget:
    class Fixed(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return answer

    return ModuleTarget(Fixed(), NAMES)


def bad_function(answer: Tensor) -> CallableTarget:
    return CallableTarget(lambda pixels: answer, NAMES)


BAD: dict[str, Callable[[Tensor], ImageTarget]] = {"module": bad_module, "function": bad_function}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_other_classes_than_named_are_one_clear_error(kind: str) -> None:
    with pytest.raises(TargetError, match=r"expected an answer of shape \[2, 3\] for .* a, b, c, got \[2, 4\]"):
        BAD[kind](torch.zeros(2, 4)).predict(torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize("kind", sorted(BAD))
def test_answer_that_is_no_number_names_its_row(kind: str) -> None:
    answer = torch.tensor([[0.2, 0.3, 0.5], [0.2, torch.nan, 0.5]])
    with pytest.raises(ValueError, match=r"expected finite answers of the target, got .* in row 1"):
        BAD[kind](answer).predict(torch.rand(2, 1, 8, 8))


def test_modules_give_logits_whose_softmax_they_answer() -> None:
    target = residual()
    pixels = torch.rand(3, 1, 8, 8)
    assert isinstance(target, GradientImageTarget)
    torch.testing.assert_close(target.logits(pixels).softmax(dim=-1), target.predict(pixels))
