import pytest
import torch

from images_ext.targets.answers import check_label_names, check_logits, check_pixels, check_probabilities
from textsem.protocols import TargetError

NAMES = ("a", "b")


@pytest.mark.parametrize("names", [(), ("a",), ("a", "a")])
def test_label_names_are_two_or_more_different_ones(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected two or more different label names, got"):
        check_label_names(names)


def test_first_row_out_of_range_is_named() -> None:
    pixels = torch.rand(4, 1, 2, 2)
    pixels[2, 0, 1, 1] = 1.5
    with pytest.raises(ValueError, match=r"expected pixels in \[0, 1\], got .* to 1.5 in row 2"):
        check_pixels(pixels)


def test_pixel_that_is_no_number_is_found() -> None:
    pixels = torch.rand(4, 1, 2, 2)
    pixels[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="in row 1"):
        check_pixels(pixels)


@pytest.mark.parametrize("pixels", [torch.rand(1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)])
def test_pixels_of_other_shape_or_type_are_refused(pixels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"expected float pixels of shape \[batch, channels, height, width\], got"):
        check_pixels(pixels)


def test_pixels_at_the_ends_of_the_range_pass() -> None:
    check_pixels(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (3,)])
def test_other_number_of_classes_or_rows_is_the_targets_fault(shape: tuple[int, ...]) -> None:
    with pytest.raises(TargetError, match=r"expected an answer of shape \[3, 2\] for the classes a, b, got"):
        check_logits(torch.zeros(shape), num_rows=3, label_names=NAMES)


def test_row_that_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected finite answers of the target, got .*nan.* in row 1"):
        check_logits(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]]), num_rows=2, label_names=NAMES)


@pytest.mark.parametrize("row", [[0.5, 0.6], [-0.1, 1.1]])
def test_row_that_is_no_probabilities_is_named(row: list[float]) -> None:
    with pytest.raises(ValueError, match=r"expected probabilities that sum to 1, got .* in row 1"):
        check_probabilities(torch.tensor([[0.5, 0.5], row]), num_rows=2, label_names=NAMES)


def test_probabilities_become_float32_without_gradient() -> None:
    given = torch.tensor([[0.25, 0.75]], dtype=torch.float64, requires_grad=True)
    answer = check_probabilities(given, num_rows=1, label_names=NAMES)
    assert answer.dtype == torch.float32
    assert not answer.requires_grad
