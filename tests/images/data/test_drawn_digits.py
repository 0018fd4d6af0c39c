import pytest
import torch
from torch.nn.functional import pad

from images_ext.data.drawn_digits import _ink, _smooth, draw_digits


def test_ink_is_full_within_the_pen_and_fades_over_its_edge() -> None:
    line = torch.tensor([[4.0, 10.0], [20.0, 10.0]])
    ink = _ink([line], half_width=2.0, softness=2.0)
    torch.testing.assert_close(ink[7:14, 12], torch.tensor([0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]))
    # Beyond its end the distance is that to the end point.
    torch.testing.assert_close(ink[10, 20:24], torch.tensor([1.0, 1.0, 0.5, 0.0]))
    torch.testing.assert_close(ink[12, 22], torch.tensor((2 - 8**0.5) / 2 + 0.5))


def test_curve_passes_its_points() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0], [4.0, 4.0]])
    torch.testing.assert_close(_smooth(points)[::6], points)


def test_hundred_images_have_ten_of_each_digit_by_turns() -> None:
    digits = draw_digits()
    assert digits.images.shape == (100, 1, 28, 28)
    assert digits.labels.tolist() == list(range(10)) * 10
    assert (digits.name, digits.split) == ("drawn digits", "test")


def test_same_seed_same_bytes_however_many_follow() -> None:
    few, more = draw_digits(5, seed=2), draw_digits(12, seed=2)
    torch.testing.assert_close(more.images[:5], few.images, rtol=0, atol=0)
    assert not torch.equal(draw_digits(5, seed=3).images, few.images)


def test_no_two_images_are_the_same() -> None:
    images = draw_digits(40).images.flatten(1).float()
    assert torch.pdist(images).min() > 255  # more than one pixel from black to white


def test_centre_of_mass_is_the_middle_as_in_mnist() -> None:
    images = draw_digits(30).images[:, 0].float()
    axis = torch.arange(28).float() - 13.5
    mass = images.sum((1, 2))
    # Ink that fades at the pen's edge is cut at pixels, which moves the centre by less than a tenth of one.
    assert ((images.sum(1) @ axis) / mass).abs().max() < 0.1
    assert ((images.sum(2) @ axis) / mass).abs().max() < 0.1


def test_digits_fill_the_box_of_mnist_and_leave_a_margin_at_the_sides() -> None:
    images = draw_digits(30).images[:, 0]
    is_ink = images > 127
    height, width = is_ink.any(2).sum(1), is_ink.any(1).sum(1)
    longer = torch.maximum(height, width)
    assert 18 <= longer.min()
    assert longer.max() <= 23
    # Up and down none is asked for: centred by mass, a 7 reaches to the last row.
    assert not is_ink[:, :, [0, -1]].any()


def test_zero_has_one_hole_and_eight_two_and_one_has_none() -> None:
    digits = draw_digits(20)
    num_outside_and_holes = {0: 2, 8: 3, 1: 1}
    for image, label in zip(digits.images[:, 0], digits.labels.tolist(), strict=True):
        if label in num_outside_and_holes:
            assert num_regions(pad(image < 64, (1, 1, 1, 1), value=True)) == num_outside_and_holes[label], f"a {label}"


def num_regions(is_free: torch.Tensor) -> int:
    """Count connected regions by a flood that steps up, down, left and right."""
    left = {(int(y), int(x)) for y, x in is_free.nonzero()}
    num = 0
    while left:
        num += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            edge.extend(near)
    return num


def test_number_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1 image, got 0"):
        draw_digits(0)
