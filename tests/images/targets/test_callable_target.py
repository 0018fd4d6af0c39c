import numpy as np
import torch
from torch import Tensor

from images_ext.targets.callable_target import CallableTarget

NAMES = ("a", "b")


def test_arrays_and_lists_are_taken_too() -> None:
    pixels = torch.rand(2, 1, 2, 2)
    rows = [[0.25, 0.75]] * 2
    for function in (lambda pixels: np.array(rows), lambda pixels: rows, lambda pixels: torch.tensor(rows)):
        target = CallableTarget(function, NAMES)
        assert torch.equal(target.predict(pixels), torch.tensor([[0.25, 0.75]] * 2))


def test_target_that_raises_on_any_backward_pass_works() -> None:
    def ask(pixels: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        return torch.full((len(pixels), 2), 0.5)

    assert CallableTarget(ask, NAMES).predict(torch.rand(2, 1, 2, 2)).shape == (2, 2)


def test_function_has_no_logits() -> None:
    assert not hasattr(CallableTarget(lambda pixels: pixels, NAMES), "logits")
