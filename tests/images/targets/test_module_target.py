import pytest
import torch
from torch import nn

from images_ext.targets import module_target
from images_ext.targets.module_target import ModuleTarget

NAMES = ("a", "b")


def linear(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 4, 2)).double()


def test_mean_and_deviation_are_taken_a_channel_before_the_module() -> None:
    module = linear(3)
    mean, deviation = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    pixels = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    scaled = torch.stack([(pixels[:, c] - mean[c]) / deviation[c] for c in range(3)], dim=1)
    target = ModuleTarget(module, NAMES, mean=mean, deviation=deviation)
    torch.testing.assert_close(target.logits(pixels), module(scaled), atol=1e-6, rtol=0)


def test_module_that_standardises_itself_gets_the_pixels_as_they_are() -> None:
    module = linear(1)
    pixels = torch.rand(2, 1, 2, 2, dtype=torch.float64)
    assert torch.equal(ModuleTarget(module, NAMES).logits(pixels), module(pixels))


def test_gradient_reaches_the_pixels_through_the_scaling() -> None:
    module = linear(1)
    pixels = torch.rand(2, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    target = ModuleTarget(module, NAMES, mean=0.5, deviation=0.25)
    (gradient,) = torch.autograd.grad(target.logits(pixels)[:, 0].sum(), pixels)
    torch.testing.assert_close(
        gradient, (module[1].get_parameter("weight")[0] / 0.25).reshape(1, 1, 2, 2).expand(2, 1, 2, 2)
    )


def test_many_rows_are_answered_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    target = ModuleTarget(linear(1), NAMES)
    pixels = torch.rand(7, 1, 2, 2, dtype=torch.float64)
    at_once = target.predict(pixels)
    monkeypatch.setattr(module_target, "CHUNK_ROWS", 3)
    torch.testing.assert_close(target.predict(pixels), at_once)


def test_module_is_put_into_evaluation_mode() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2))
    target = ModuleTarget(module, NAMES)
    pixels = torch.rand(3, 1, 2, 2)
    assert torch.equal(target.predict(pixels), target.predict(pixels))


def test_other_number_of_channels_than_means_is_refused() -> None:
    target = ModuleTarget(linear(3), NAMES, mean=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"expected pixels of 3 channels, as mean and deviation have, got 1"):
        target.logits(torch.rand(1, 1, 2, 2))


def test_deviation_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"expected deviations > 0, got 0.0"):
        ModuleTarget(linear(1), NAMES, deviation=0.0)


def test_names_must_differ() -> None:
    with pytest.raises(ValueError, match=r"expected two or more different label names"):
        ModuleTarget(linear(1), ("a", "a"))
