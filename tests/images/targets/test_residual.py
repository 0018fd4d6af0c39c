import pytest
import torch
from torch import Tensor

from images_ext.targets.residual import (
    RESIDUAL_PRESETS,
    ResidualConfig,
    ResidualNetwork,
    ResidualUnit,
    standardise,
    widened,
)
from tests.images.targets.networks import TINY_RESIDUAL


def count(config: ResidualConfig) -> int:
    return sum(parameter.numel() for parameter in ResidualNetwork(config).parameters())


# 29.6k, 464k and 464k, METHOD.md section 5; SVHN's is the 464,154 of a CIFAR-10 ResNet-32 without convolutions in the
# shortcuts (He et al. 2016), which has the same shapes.
@pytest.mark.parametrize(("name", "expected"), [("mnist", 29_574), ("svhn", 464_154), ("celeba", 463_634)])
def test_published_networks_have_their_number_of_parameters(name: str, expected: int) -> None:
    assert count(RESIDUAL_PRESETS[name]) == expected


def test_halved_and_doubled_widths() -> None:
    assert widened(RESIDUAL_PRESETS["svhn"], 0.5).group_widths == (8, 16, 32)
    assert widened(RESIDUAL_PRESETS["mnist"], 2).stem_width == 8
    assert widened(RESIDUAL_PRESETS["celeba"], 1) == RESIDUAL_PRESETS["celeba"]


@pytest.mark.parametrize("width", [0.3, 0.0, -1.0])
def test_width_that_gives_no_whole_channels_is_refused(width: float) -> None:
    with pytest.raises(ValueError, match=r"expected a width > 0 that keeps channels whole, got"):
        widened(RESIDUAL_PRESETS["mnist"], width)


def test_falling_widths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected widths that do not fall"):
        ResidualConfig((1, 8, 8), 3, stem_width=4, group_widths=(4, 2))


def test_standardised_image_has_mean_zero_and_deviation_one() -> None:
    standardised = standardise(torch.rand(4, 3, 5, 6, dtype=torch.float64)).flatten(1)
    torch.testing.assert_close(standardised.mean(dim=1), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(standardised.std(dim=1, correction=0), torch.ones(4, dtype=torch.float64))


def test_uniform_image_is_standardised_to_zero_with_a_finite_gradient() -> None:
    pixels = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    standardised = standardise(pixels)
    (gradient,) = torch.autograd.grad(standardised[0, 0, 0, 0], pixels)
    assert (standardised == 0).all()
    assert torch.isfinite(gradient).all()


def test_answer_does_not_depend_on_brightness_and_contrast() -> None:
    network = ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0)).eval().double()
    pixels = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(network(0.7 * pixels + 0.2), network(pixels))


def test_answer_of_an_image_does_not_depend_on_its_batch_mates() -> None:
    network = ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(0)).eval().double()
    pixels = torch.rand(4, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(network(pixels)[2:3], network(pixels[2:3]))


def naive_unit(unit: ResidualUnit, x: Tensor) -> Tensor:
    """Write the unit out for pooled shortcuts and stride 2."""

    def active(features: Tensor, norm: torch.nn.BatchNorm2d) -> Tensor:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, var = norm.running_mean[:, None, None], norm.running_var[:, None, None]
        y = (features - mean) / (var + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
        return torch.where(y > 0, y, 0.1 * y)

    branch = torch.nn.functional.conv2d(active(x, unit.norm1), unit.conv1.weight, stride=2, padding=1)
    branch = torch.nn.functional.conv2d(active(branch, unit.norm2), unit.conv2.weight, padding=1)
    pooled = (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    branch[:, 1 : 1 + x.shape[1]] += pooled  # one zero channel before, two after
    return branch


def test_unit_adds_pooled_input_with_zero_channels_around() -> None:
    unit = ResidualUnit(2, 5, stride=2).double().eval()
    for norm in (unit.norm1, unit.norm2):
        assert norm.running_mean is not None
        norm.running_mean.uniform_(-1, 1)
    x = torch.randn(3, 2, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(unit(x), naive_unit(unit, x))


def test_first_unit_starts_its_shortcut_after_the_activation() -> None:
    unit = ResidualUnit(2, 2, stride=1, activation="both").eval()
    torch.nn.init.zeros_(unit.conv2.weight)
    x = torch.tensor([-1.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 3)
    expected = torch.where(x > 0, x, 0.1 * x) / (1 + unit.norm1.eps) ** 0.5
    torch.testing.assert_close(unit(x), expected)


def test_only_later_groups_halve_the_image() -> None:
    network = ResidualNetwork(RESIDUAL_PRESETS["mnist"])
    assert [unit.stride for unit in network.units] == [1] * 5 + [2] + [1] * 4 + [2] + [1] * 4


def test_odd_sizes_are_halved_upwards() -> None:
    network = ResidualNetwork(ResidualConfig((3, 7, 5), 2, 2, (2, 2), num_units=1)).eval()
    assert network(torch.rand(2, 3, 7, 5)).shape == (2, 2)


def test_same_generator_draws_the_same_weights() -> None:
    first, second = (ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(3)) for _ in range(2))
    other = ResidualNetwork(TINY_RESIDUAL).initialise(torch.Generator().manual_seed(4))
    assert torch.equal(first.stem.weight, second.stem.weight)
    assert not torch.equal(first.stem.weight, other.stem.weight)
