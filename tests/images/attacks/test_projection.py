import pytest
import torch
from torch import Tensor

from images_ext.attacks.projection import project, to_bytes
from textsem.latent.objective import NORMS, Norm

BALLS: list[tuple[Norm, float]] = [
    ("linf", 0.3),
    ("linf", 8 / 255),
    ("l2", 3.0),
    ("l2", 0.3),
    ("rms", 0.1),
    ("mse", 0.01),
]


def images(*, seed: int = 0, rows: int = 32) -> tuple[Tensor, Tensor]:
    """Return x', any pixels, and x, bytes with many zeros as digits have."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 1, 12, 12, generator=generator)
    x = to_bytes(torch.where(x < 0.5, 0.0, x))
    return torch.rand(rows, 1, 12, 12, generator=generator), x


def distance(x_adv: Tensor, x: Tensor, norm: Norm) -> Tensor:
    return NORMS[norm]((x_adv - x).flatten(1))


@pytest.mark.parametrize(("norm", "epsilon"), BALLS)
def test_result_is_strictly_inside_in_range_and_made_of_bytes(norm: Norm, epsilon: float) -> None:
    x_adv, x = images()
    found = project(x_adv, x, norm=norm, epsilon=epsilon)
    assert bool((distance(found, x, norm) < epsilon).all())
    assert torch.equal(found, to_bytes(found))
    assert float(found.min()) >= 0.0
    assert float(found.max()) <= 1.0


@pytest.mark.parametrize(("norm", "epsilon"), [("l2", 3.0), ("l2", 1.0), ("rms", 0.1), ("mse", 0.01)])
def test_result_is_next_to_the_scaled_difference(norm: Norm, epsilon: float) -> None:
    x_adv, x = images()
    found = project(x_adv, x, norm=norm, epsilon=epsilon)
    factor = epsilon / distance(x_adv, x, norm)
    factor = (factor.sqrt() if norm == "mse" else factor)[:, None, None, None]
    assert bool((factor < 1).all())
    # Half a byte by rounding, and a shrinking of a few thousandths of a difference of at most 1.
    torch.testing.assert_close(found, x + factor * (x_adv - x), atol=0.5 / 255 + 0.004, rtol=0)
    assert bool((distance(found, x, norm) > 0.98 * epsilon).all())


def test_linf_result_clips_each_pixel_to_the_last_byte_inside() -> None:
    x = torch.tensor([0.0, 100.0, 255.0, 30.0]).reshape(1, 1, 2, 2) / 255
    x_adv = torch.tensor([255.0, 0.0, 0.0, 33.0]).reshape(1, 1, 2, 2) / 255
    found = project(x_adv, x, norm="linf", epsilon=8 / 255)
    # Eight bytes are not strictly inside eight; seven are.
    torch.testing.assert_close(found.flatten() * 255, torch.tensor([7.0, 93.0, 248.0, 33.0]))


@pytest.mark.parametrize(("norm", "epsilon"), BALLS)
def test_image_inside_is_only_rounded(norm: Norm, epsilon: float) -> None:
    _, x = images()
    x_adv = x.clone()
    x_adv[:, :, 3, 3] = 0.4 / 255 + 2 / 255
    x[:, :, 3, 3] = 0.0
    assert torch.equal(project(x_adv, x, norm=norm, epsilon=epsilon), to_bytes(x_adv))


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_radius_zero_gives_the_very_centre(norm: Norm) -> None:
    x_adv, x = images()
    assert torch.equal(project(x_adv, x, norm=norm, epsilon=0.0), x)


@pytest.mark.parametrize(("norm", "epsilon"), BALLS)
def test_projecting_twice_changes_nothing(norm: Norm, epsilon: float) -> None:
    x_adv, x = images()
    once = project(x_adv, x, norm=norm, epsilon=epsilon)
    assert torch.equal(project(once, x, norm=norm, epsilon=epsilon), once)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.5 / 255), ("l2", 0.5 / 255)])
def test_ball_below_one_byte_around_an_image_of_bytes_holds_that_image_alone(norm: Norm, epsilon: float) -> None:
    x_adv, x = images()
    assert torch.equal(project(x_adv, x, norm=norm, epsilon=epsilon), x)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 1e-3), ("l2", 3e-3)])
def test_ball_without_bytes_gives_an_unrounded_point_inside(norm: Norm, epsilon: float) -> None:
    x_adv, x = images()
    x = (x + 0.4 / 255).clamp(max=1.0)
    found = project(x_adv, x, norm=norm, epsilon=epsilon)
    away = distance(found, x, norm)
    assert bool((away < epsilon).all())
    assert bool((away > 0.9 * epsilon).all())


@pytest.mark.parametrize(("norm", "epsilon"), BALLS)
def test_row_does_not_depend_on_the_others(norm: Norm, epsilon: float) -> None:
    x_adv, x = images(rows=6)
    together = project(x_adv, x, norm=norm, epsilon=epsilon)
    alone = torch.cat([project(x_adv[i : i + 1], x[i : i + 1], norm=norm, epsilon=epsilon) for i in range(6)])
    assert torch.equal(together, alone)


def test_wrong_arguments_are_refused() -> None:
    x_adv, x = images(rows=2)
    with pytest.raises(ValueError, match=r"expected x_adv of shape \[1, 1, 12, 12\]"):
        project(x_adv, x[:1], norm="l2", epsilon=1.0)
    with pytest.raises(ValueError, match=r"expected norm l2, linf, rms, mse, got 'l1'"):
        project(x_adv, x, norm="l1", epsilon=1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected epsilon >= 0, got -1\.0"):
        project(x_adv, x, norm="l2", epsilon=-1.0)
