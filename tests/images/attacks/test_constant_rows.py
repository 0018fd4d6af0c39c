import pytest
import torch
from torch import Tensor, nn

from images_ext.attacks.candidates import to_pixels
from images_ext.attacks.constant_rows import ROW_MULTIPLE, ConstantRows
from images_ext.targets.module_target import ModuleTarget
from tests.images.attacks.toys import NAMES, some_images


def convolutional() -> ModuleTarget:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten(), nn.Linear(128, 3))
    return ModuleTarget(network, NAMES)


def test_a_row_keeps_its_bits_in_any_company() -> None:
    target, pixels = ConstantRows(convolutional()), to_pixels(some_images(40))
    whole = target.predict(pixels)
    for size in (1, 2, 3, 5, 7, 9):
        assert torch.equal(torch.cat([target.predict(part) for part in torch.split(pixels, size)]), whole)


def test_rows_are_made_up_and_taken_off_again() -> None:
    class Counting:
        label_names = NAMES
        rows = 0

        def predict(self, pixels: Tensor) -> Tensor:
            self.rows = len(pixels)
            return torch.ones(len(pixels), 3) / 3

    inner = Counting()
    assert len(ConstantRows(inner).predict(torch.zeros(3, 1, 2, 2))) == 3
    assert inner.rows == ROW_MULTIPLE
    assert len(ConstantRows(inner).predict(torch.zeros(16, 1, 2, 2))) == 16
    assert inner.rows == 16
    with pytest.raises(ValueError, match="with logits"):
        ConstantRows(inner).logits(torch.zeros(3, 1, 2, 2))


def test_gradients_are_the_target_s() -> None:
    inner, pixels = convolutional(), to_pixels(some_images(3))
    gradients = []
    for target in (inner, ConstantRows(inner)):
        variable = pixels.clone().requires_grad_()
        gradients.append(torch.autograd.grad(target.logits(variable)[:, 0].sum(), variable)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
