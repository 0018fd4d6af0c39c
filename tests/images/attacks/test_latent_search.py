import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, image_seed, to_bytes, to_pixels
from images_ext.attacks.image_moves import decode_codes
from images_ext.attacks.latent_search import LatentSearchAttack
from images_ext.attacks.search import Outcome, SearchAttack
from tests.images.attacks.toys import WIDE, LinearTarget, centred_target, lively_moves, right_labels, some_images
from textsem.latent.shells import (
    HybridShrinkingSearch,
    IterativeStochasticSearch,
    Shell,
    ShellSearch,
    draw_in_shell,
)

STOCHASTIC = IterativeStochasticSearch(step=0.3, num_draws=6, max_radius=1.5)
SHRINKING = HybridShrinkingSearch(step=0.3, num_draws=6, upper_bound=1.5, num_inward=2)


def attack(
    search: ShellSearch, images: Tensor, target: LinearTarget, *, ball: Ball = WIDE, max_queries: int = 100
) -> list[Outcome]:
    factory = LatentSearchAttack(lively_moves(), search, ball, seed=3)
    return SearchAttack(factory, ball, max_queries).attack(images, right_labels(target, images), target)


def test_iterative_search_agrees_with_a_loop_over_the_shells() -> None:
    target, moves, images = LinearTarget(scale=0.2), lively_moves(), some_images(6)
    for image, label, outcome in zip(
        images, right_labels(target, images), attack(STOCHASTIC, images, target), strict=True
    ):
        generator = torch.Generator().manual_seed(image_seed(3, image, label))
        code, queries, flips = moves.clean_codes(image).mean(dim=0), 0, []
        for k in range(5):
            with torch.no_grad():
                codes, _ = draw_in_shell(code, Shell(k * 0.3, (k + 1) * 0.3), num_draws=6, generator=generator)
                rows = to_bytes(decode_codes(moves.model, codes))
            queries += 6
            flips = [row for row in rows if int(target.predict(to_pixels(row[None])).argmax()) != label]
            if flips:
                break
        assert (outcome.queries, outcome.is_success) == (queries, bool(flips))
        if outcome.returned is not None:
            assert any(torch.equal(outcome.returned.image, flip) for flip in flips)


def test_shrinking_search_goes_on_after_a_flip() -> None:
    images = some_images(4)
    target = centred_target(lively_moves(), images, scale=5.0)
    first = attack(SHRINKING, images, target, max_queries=6)
    whole = attack(SHRINKING, images, target)
    assert all(outcome.is_success for outcome in (*first, *whole))
    distances = [[o.returned.distance["l2"] for o in outcomes if o.returned] for outcomes in (first, whole)]
    assert sum(distances[1]) < sum(distances[0])
    assert all(outcome.queries > 6 for outcome in whole)


@pytest.mark.parametrize("search", [STOCHASTIC, SHRINKING])
def test_an_image_gets_the_same_whatever_its_batch_mates_are(search: ShellSearch) -> None:
    target, images, ball = LinearTarget(scale=0.2), some_images(5), Ball("l2", 3.5)
    together = attack(search, images, target, ball=ball, max_queries=25)
    for place, whole in enumerate(together):
        (alone,) = attack(search, images[place : place + 1], target, ball=ball, max_queries=25)
        assert (alone.is_success, alone.queries, alone.flip_distance) == (
            whole.is_success,
            whole.queries,
            whole.flip_distance,
        )


@pytest.mark.parametrize("search", [STOCHASTIC, SHRINKING])
def test_nothing_succeeds_at_radius_0_and_the_budget_holds(search: ShellSearch) -> None:
    target, images = LinearTarget(), some_images(3)
    outcomes = attack(search, images, target, ball=Ball("linf", 0.0), max_queries=8)
    assert not any(outcome.is_success for outcome in outcomes)
    assert all(outcome.queries == 8 for outcome in outcomes)
