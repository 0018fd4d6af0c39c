import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, measure
from images_ext.attacks.search import lead, lead_of_answers, run_searches
from tests.images.attacks.toys import NAMES, WIDE, LinearTarget, ScriptedSearch, some_images
from tests.images.test_model import SHAPE
from textsem.latent.objective import Norm


class BrightnessTarget:
    """Class b from a mean of 128 on, else class a."""

    label_names = NAMES

    def predict(self, pixels: Tensor) -> Tensor:
        is_bright = pixels.flatten(1).mean(dim=1) >= 128 / 255
        return torch.nn.functional.one_hot(is_bright.long(), 3).float()


def grey(*levels: int) -> Tensor:
    return torch.stack([torch.full(SHAPE, level, dtype=torch.uint8) for level in levels])


def test_lead_is_the_difference_of_log_probabilities_to_the_best_other_class() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    expected = torch.tensor([2.0, 1 / 7]).log()
    torch.testing.assert_close(lead(probabilities.log(), torch.tensor([0, 0])), expected)
    torch.testing.assert_close(lead_of_answers(probabilities, 0), expected)
    assert torch.isfinite(lead_of_answers(torch.tensor([[0.0, 1.0, 0.0]]), 0)).all()


def test_closest_flip_inside_the_ball_is_returned_and_every_row_counts() -> None:
    # 64 pixels: a step of k bytes is 8 k / 255 in l2.
    original = grey(100)
    search = ScriptedSearch([grey(110), grey(160, 140, 150), grey(90)])
    (outcome,) = run_searches(
        BrightnessTarget(), [search], original, [0], ball=Ball("l2", 8 * 55 / 255), max_queries=100
    )
    assert outcome.is_success
    assert outcome.returned is not None
    assert set(outcome.returned.image.flatten().tolist()) == {140}
    assert outcome.queries == 5
    assert outcome.returned.distance["l2"] == pytest.approx(8 * 40 / 255)
    assert outcome.flip_distance["linf"] == pytest.approx(40 / 255)
    assert [answers.is_flip.tolist() for answers in search.told] == [[False], [True, True, True], [False]]
    assert [answers.is_inside.tolist() for answers in search.told] == [[True], [False, True, True], [True]]


def test_flip_outside_the_ball_is_no_success_and_the_closest_is_kept() -> None:
    search = ScriptedSearch([grey(200, 130, 160)])
    (outcome,) = run_searches(BrightnessTarget(), [search], grey(100), [0], ball=Ball("linf", 0.05), max_queries=9)
    assert not outcome.is_success
    assert outcome.returned is not None
    assert set(outcome.returned.image.flatten().tolist()) == {130}
    assert outcome.flip_distance["linf"] == pytest.approx(30 / 255)


@pytest.mark.parametrize("norm", ["l2", "linf", "rms", "mse"])
def test_nothing_succeeds_at_radius_0(norm: Norm) -> None:
    search = ScriptedSearch([grey(200, 128)])
    (outcome,) = run_searches(
        BrightnessTarget(),
        [search],
        grey(127),
        [0],
        ball=Ball(norm, 0.0),
        max_queries=9,
    )
    assert not outcome.is_success


def test_nothing_returned_where_nothing_flips() -> None:
    (outcome,) = run_searches(
        BrightnessTarget(), [ScriptedSearch([grey(90, 80)])], grey(100), [0], ball=WIDE, max_queries=9
    )
    assert outcome.returned is None
    assert set(outcome.flip_distance) == set(measure(grey(1), grey(1)[0]))
    assert set(outcome.flip_distance.values()) == {None}


def test_budget_is_for_each_image_and_never_passed() -> None:
    target = LinearTarget()
    searches = [ScriptedSearch([some_images(3)] * rounds) for rounds in (1, 9, 4)]
    outcomes = run_searches(target, searches, some_images(3, seed=2), [0, 0, 0], ball=WIDE, max_queries=10)
    assert [outcome.queries for outcome in outcomes] == [3, 10, 10]
    assert target.rows == 23


def test_search_that_asks_too_much_is_an_error() -> None:
    class Greedy(ScriptedSearch):
        def ask(self, limit: int) -> Tensor:
            return some_images(limit + 1)

    with pytest.raises(ValueError, match="at most 4 images to be asked, got 5"):
        run_searches(LinearTarget(), [Greedy([])], some_images(1), [0], ball=WIDE, max_queries=4)


def test_gradient_is_that_of_the_lead() -> None:
    target = LinearTarget()
    search = ScriptedSearch([some_images(2, seed=4)])
    run_searches(target, [search], some_images(1), [1], ball=WIDE, max_queries=4, needs_gradient=True)
    (answers,) = search.told
    assert answers.gradient is not None
    best = answers.probabilities.index_fill(1, torch.tensor([1]), -1).argmax(dim=1)
    expected = target.weight[:, 1] - target.weight[:, best].T
    torch.testing.assert_close(answers.gradient.flatten(1), expected, rtol=1e-4, atol=1e-5)
    assert target.rows == 2


def test_answers_of_another_shape_or_not_finite_are_errors() -> None:
    class Broken(LinearTarget):
        def __init__(self, answer: Tensor) -> None:
            super().__init__()
            self.answer = answer

        def predict(self, pixels: Tensor) -> Tensor:
            return self.answer

    for answer, message in (
        (torch.zeros(1, 2), r"shape \[1, 3\], got \[1, 2\]"),
        (torch.full((1, 3), torch.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            run_searches(
                Broken(answer), [ScriptedSearch([some_images(1)])], some_images(1), [0], ball=WIDE, max_queries=4
            )
