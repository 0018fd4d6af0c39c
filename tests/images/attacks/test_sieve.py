import math

import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, measure, to_pixels
from images_ext.attacks.sieve import FilterModel, Sieve
from tests.images.attacks.toys import NAMES, WIDE, some_images


class Certain:
    """Says a label with the probability that the first pixel holds."""

    label_names = NAMES

    def predict(self, pixels: Tensor) -> Tensor:
        first = pixels.flatten(1)[:, 0]
        return torch.stack([first, (1 - first) / 2, (1 - first) / 2], dim=1)


def test_the_input_itself_and_what_was_there_before_are_dropped() -> None:
    original, others = some_images(1)[0], some_images(3, seed=2)
    sieve = Sieve(original, 0, WIDE, filter_model=None)
    batch = torch.stack([others[0], original, others[1], others[0]])
    sifted = sieve.sift(to_pixels(batch))
    assert sifted.place.tolist() == [0, 2]
    assert torch.equal(sifted.images, others[:2])
    # Less than half a step of a byte is no change.
    again = sieve.sift(to_pixels(torch.stack([others[1], others[2]])) + 0.4 / 255)
    assert again.place.tolist() == [1]
    assert len(sieve.sift(to_pixels(others))) == 0


def test_filter_drops_what_it_does_not_call_the_label_by_its_lead() -> None:
    candidates = some_images(3, seed=2)
    candidates[:, 0, 0, 0] = torch.tensor([51, 204, 102])
    # The other classes share the rest: leads log(0.2 / 0.4), log(0.8 / 0.1), log(0.4 / 0.3).
    for min_lead, kept in ((0.0, [1, 2]), (0.5, [1]), (-1.0, [0, 1, 2])):
        sieve = Sieve(some_images(1)[0], 0, WIDE, filter_model=FilterModel((Certain(),), min_lead))
        sifted = sieve.sift(to_pixels(candidates))
        assert sifted.place.tolist() == kept
    assert sifted.lead is not None
    assert sifted.lead.tolist() == pytest.approx([math.log(0.5), math.log(8), math.log(4 / 3)], abs=1e-5)


@pytest.mark.parametrize(("norm", "epsilon"), [("l2", 0.7), ("linf", 0.1), ("rms", 0.08), ("mse", 0.006)])
def test_projected_candidates_are_inside_as_bytes(norm: str, epsilon: float) -> None:
    original, ball = some_images(1)[0], Ball(norm, epsilon)  # type: ignore[arg-type]
    near = original.clone()
    near[0, 0, 0] ^= 1
    candidates = to_pixels(torch.cat([some_images(4, seed=2), near[None]]))
    free = Sieve(original, 0, ball, filter_model=None).sift(candidates)
    assert free.is_inside.tolist() == [False] * 4 + [True]
    held = Sieve(original, 0, ball, projects=True, filter_model=None).sift(candidates)
    assert held.is_inside.all()
    assert torch.equal(held.images[-1], near)
    assert ball.contains(measure(held.images, original)[ball.norm]).all()
    assert (held.distance[:4] > 0.8 * epsilon).all()


def test_radius_0_holds_nothing_even_projected() -> None:
    sieve = Sieve(some_images(1)[0], 0, Ball("l2", 0.0), projects=True, filter_model=None)
    assert not sieve.sift(to_pixels(some_images(2, seed=2))).is_inside.any()


def test_least_sure_of_several_filters_decides() -> None:
    class Doubtful(Certain):
        def predict(self, pixels: Tensor) -> Tensor:
            return super().predict(1 - pixels)

    candidates = some_images(2, seed=2)
    candidates[:, 0, 0, 0] = torch.tensor([51, 102])
    both = FilterModel((Certain(), Doubtful())).lead(candidates, 0)
    # 1 - p of the second: leads log(0.8 / 0.1) and log(0.6 / 0.2), above those of the first.
    assert both.tolist() == pytest.approx([math.log(0.5), math.log(4 / 3)], abs=1e-5)
    assert both.tolist() == FilterModel((Doubtful(), Certain())).lead(candidates, 0).tolist()


def test_less_is_asked_of_the_filter_as_the_budget_is_spent() -> None:
    filter_model = FilterModel((Certain(),), min_lead=-1.0, first_lead=3.0)
    assert [filter_model.threshold(spent) for spent in (0.0, 0.25, 1.0)] == [3.0, 2.0, -1.0]
    sieve = Sieve(some_images(1)[0], 0, WIDE, filter_model=filter_model)
    candidates = some_images(2, seed=2)
    candidates[:, 0, 0, 0] = torch.tensor([204, 102])
    sifted = sieve.sift(to_pixels(candidates))
    assert sieve.is_sure(sifted, 0.3).tolist() == [True, False]
    assert sieve.is_sure(sifted, 0.9).tolist() == [True, True]
    free = Sieve(some_images(1)[0], 0, WIDE, filter_model=None)
    assert free.is_sure(free.sift(to_pixels(candidates)), 0.0).all()


@pytest.mark.parametrize(
    ("classifiers", "leads"),
    [((), (0.0, 1.0)), ((Certain(),), (math.nan, 1.0)), ((Certain(),), (0.0, math.inf)), ((Certain(),), (2.0, 1.0))],
)
def test_filter_refuses_leads_out_of_order_and_no_classifier(
    classifiers: tuple[Certain, ...], leads: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        FilterModel(classifiers, *leads)
