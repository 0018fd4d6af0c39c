from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, image_seed, measure, to_bytes, to_pixels
from images_ext.attacks.image_moves import ImageMoves
from images_ext.attacks.manifold import Access, ManifoldAttack, SearchConfig, rank
from images_ext.attacks.move_config import Moves
from images_ext.attacks.search import Answers, Outcome, SearchAttack
from images_ext.attacks.sieve import FilterModel, Sifted
from images_ext.protocols import ImageTarget
from tests.images.attacks.toys import WIDE, LinearTarget, centred_target, lively_moves, right_labels, some_images
from textsem.latent.moves import DIRECTIONS


class NeverMoved(LinearTarget):
    """Whatever it is shown, it says the same."""

    def predict(self, pixels: Tensor) -> Tensor:
        return torch.tensor([[0.6, 0.3, 0.1]]).expand(len(pixels), -1)


SMALL = SearchConfig(num_candidates=24, num_first=6, num_drawn=16, num_asked=4)


def attack(
    images: Tensor,
    target: ImageTarget,
    labels: Sequence[int],
    *,
    direction: str = "adversarial",
    access: Access = "score",
    ball: Ball = WIDE,
    max_queries: int = 40,
    filter_model: FilterModel | None = None,
    output: str = "decoded",
) -> list[Outcome]:
    factory = ManifoldAttack(
        lively_moves(direction, output=output), ball, access=access, config=SMALL, filter_model=filter_model
    )
    return SearchAttack(factory, ball, max_queries, access == "gradient").attack(images, labels, target)


def assert_same(one: Outcome, other: Outcome) -> None:
    assert (one.is_success, one.queries, one.flip_distance) == (other.is_success, other.queries, other.flip_distance)
    assert (one.returned is None) == (other.returned is None)
    if one.returned is not None and other.returned is not None:
        assert torch.equal(one.returned.image, other.returned.image)
        assert torch.equal(one.returned.probabilities, other.returned.probabilities)


@pytest.mark.parametrize("access", ["score", "label", "gradient"])
def test_an_image_gets_the_same_whatever_its_batch_mates_are(access: Access) -> None:
    target, images = LinearTarget(scale=0.2), some_images(5)
    labels, ball = right_labels(target, images), Ball("l2", 3.2)
    together = attack(images, target, labels, access=access, ball=ball)
    assert len({outcome.queries for outcome in together}) > 1
    for place in range(5):
        (alone,) = attack(images[place : place + 1], target, labels[place : place + 1], access=access, ball=ball)
        assert_same(alone, together[place])
    turned = attack(images.flip(0), target, labels[::-1], access=access, ball=ball)
    for one, other in zip(turned[::-1], together, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("direction", sorted(DIRECTIONS))
def test_every_source_obeys_the_budget_and_radius_0(direction: str) -> None:
    target, images = LinearTarget(), some_images(3)
    outcomes = attack(images, target, right_labels(target, images), direction=direction, ball=Ball("l2", 0.0))
    assert not any(outcome.is_success for outcome in outcomes)
    most = 3 if direction == "reconstruction" else 40
    assert all(1 <= outcome.queries <= most for outcome in outcomes)


def test_label_access_reads_nothing_but_the_predicted_class() -> None:
    class Hardened(LinearTarget):
        def predict(self, pixels: Tensor) -> Tensor:
            best = super().predict(pixels).argmax(dim=-1)
            return torch.nn.functional.one_hot(best, 3).float()

    images = some_images(4)
    soft, hard = LinearTarget(scale=0.2), Hardened(scale=0.2)
    labels, ball = right_labels(soft, images), Ball("l2", 3.2)
    for one, other in zip(
        attack(images, soft, labels, access="label", ball=ball),
        attack(images, hard, labels, access="label", ball=ball),
        strict=True,
    ):
        assert (one.is_success, one.queries) == (other.is_success, other.queries)


def test_scores_and_gradients_find_more_than_labels() -> None:
    target, images = LinearTarget(scale=0.05, centre=torch.full((1, 8, 8), 128, dtype=torch.uint8)), some_images(24)
    labels = right_labels(target, images)
    num_found: dict[Access, int] = {}
    accesses: tuple[Access, ...] = ("label", "score", "gradient")
    for access in accesses:
        found = attack(images, target, labels, access=access, direction="isotropic", output="residual")
        num_found[access] = sum(outcome.is_success for outcome in found)
    assert num_found["label"] < min(num_found["score"], num_found["gradient"])


def test_search_ends_at_a_success() -> None:
    moves, images = lively_moves(), some_images(6)
    target = centred_target(moves, images, scale=5.0)
    labels = right_labels(target, moves.reconstruct(images))
    outcomes = attack(images, target, labels)
    assert all(outcome.is_success for outcome in outcomes)
    assert all(outcome.queries < 40 for outcome in outcomes)


def test_few_first_candidates_do_not_end_the_search() -> None:
    """A filter may leave fewer than are asked before answers are used; the budget is spent around those."""
    target, images = LinearTarget(), some_images(2)
    config = SearchConfig(num_candidates=3, num_first=6, num_drawn=16, num_asked=4)
    factory = ManifoldAttack(lively_moves("adversarial"), Ball("l2", 1e-9), config=config)
    outcomes = SearchAttack(factory, Ball("l2", 1e-9), 40, False).attack(images, right_labels(target, images), target)
    assert [outcome.queries for outcome in outcomes] == [40, 40]


def test_filter_model_keeps_the_label_of_all_that_is_asked() -> None:
    moves, images = lively_moves(), some_images(8)
    target = centred_target(moves, images, scale=5.0)
    keeper = LinearTarget(seed=4, scale=5.0, centre=(target.centre * 255).round().to(torch.uint8))
    labels = right_labels(keeper, moves.reconstruct(images))
    filter_model = FilterModel((keeper,), min_lead=0.0)
    outcomes = attack(images, target, labels, filter_model=filter_model)
    found = [(o.returned.image, label) for o, label in zip(outcomes, labels, strict=True) if o.returned]
    assert found
    for image, label in found:
        assert int(keeper.predict(to_pixels(image[None])).argmax()) == label


def test_least_sure_first_and_what_is_outside_last() -> None:
    sifted = Sifted(
        images=torch.zeros(4, 1, 2, 2, dtype=torch.uint8),
        place=torch.arange(4),
        is_inside=torch.tensor([True, False, True, False]),
        distance=torch.tensor([2.0, 9.0, 1.0, 8.0], dtype=torch.float64),
        lead=torch.tensor([1.0, 0.1, 3.0, 0.2]),
    )
    assert rank(sifted).tolist() == [0, 2, 3, 1]
    without = Sifted(sifted.images, sifted.place, sifted.is_inside, sifted.distance, None)
    assert rank(without).tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize("changes", [{"num_first": 0}, {"num_asked": 0}, {"spread": -1.0}, {"caution": -0.1}])
def test_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        SearchConfig(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("direction", "access", "times"),
    [
        ("adversarial", "score", 4),
        ("adversarial", "label", 0),
        ("isotropic", "score", 0),
        ("cone", "score", 0),
    ],
)
def test_a_part_of_each_generation_is_led_on_by_e_prime_and_of_no_other_source(
    monkeypatch: pytest.MonkeyPatch, direction: str, access: Access, times: int
) -> None:
    seen: list[tuple[int, int]] = []
    led_on, around = ImageMoves.led_on, ImageMoves.around
    drawn: list[int] = []

    def record_led(self: ImageMoves, parents: Moves, codes: Tensor, images: Tensor, *, step: float) -> Moves:
        seen.append((len(parents), len(images)))
        torch.testing.assert_close(codes, self.codes(parents))
        return led_on(self, parents, codes, images, step=step)

    def record_around(self: ImageMoves, parents: Moves, num_moves: int, **spreads: float) -> Moves:
        drawn.append(num_moves)
        return around(self, parents, num_moves, **spreads)

    monkeypatch.setattr(ImageMoves, "led_on", record_led)
    monkeypatch.setattr(ImageMoves, "around", record_around)
    target, ball = NeverMoved(), Ball("l2", 3.2)
    attack(some_images(1), target, [0], direction=direction, access=access, ball=ball, max_queries=26)
    assert len(seen) == times
    if times:
        assert set(seen) == {(4, 4)}
        assert drawn == [8] * 8


def test_first_candidates_reach_for_the_ball() -> None:
    target, ball, distances = NeverMoved(), Ball("l2", 0.3), []
    factory = ManifoldAttack(lively_moves("isotropic", output="residual"), ball, config=SMALL)
    image = some_images(1)[0]
    search = factory.begin(image, 0)
    for _ in range(2):
        asked = search.ask(40)
        distances += measure(asked, image)["l2"].tolist()
        probabilities = target.predict(to_pixels(asked))
        nothing = torch.zeros(len(asked), dtype=torch.bool)
        search.tell(Answers(probabilities, nothing, nothing, torch.zeros(len(asked))))
    assert len(distances) > 4
    assert all(0.15 < distance < 0.4 for distance in distances)


@pytest.mark.parametrize("access", ["score", "label"])
@pytest.mark.parametrize("num_candidates", [2, 24])
def test_what_e_prime_itself_proposes_is_asked_first(access: Access, num_candidates: int) -> None:
    image, ball = some_images(1)[0], Ball("l2", 0.3)
    moves, config = lively_moves(output="residual", own_reach=(0.9, 0.5, 0.7)), SearchConfig(num_candidates)
    factory = ManifoldAttack(moves, ball, access=access, config=config, projects=True)
    own_moves = moves.of(image, 0, image_seed(0, image, 0))
    own = own_moves.own(ball)
    assert own is not None
    expected = to_bytes(own_moves.pixels(own, own_moves.codes(own)))[:num_candidates]
    search = factory.begin(image, 0)
    first = search.ask(40)
    assert torch.equal(first, expected[:1])
    nothing = torch.zeros(1, dtype=torch.bool)
    search.tell(Answers(NeverMoved().predict(to_pixels(first)), nothing, nothing, torch.zeros(1)))
    assert torch.equal(search.ask(40)[: len(expected) - 1], expected[1:])


def test_own_moves_outside_the_ball_wait_for_those_inside() -> None:
    image, ball = some_images(1)[0], Ball("l2", 0.3)
    moves = lively_moves(output="residual", own_reach=(2.0,), min_reach=0.3, max_reach=0.5)
    first = ManifoldAttack(moves, ball, config=SMALL).begin(image, 0).ask(40)
    assert measure(first, image)["l2"].item() < 0.3
