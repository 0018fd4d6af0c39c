import pytest
import torch

from images_ext.attacks.candidates import Ball, measure, to_pixels
from images_ext.attacks.pgd_attack import PgdAttack
from tests.images.attacks.toys import LinearTarget, right_labels, some_images

MIDDLE = torch.full((1, 8, 8), 128, dtype=torch.uint8)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.03), ("l2", 0.2)])
def test_returned_images_are_flips_inside_the_ball_and_every_row_counts(norm: str, epsilon: float) -> None:
    target, images = LinearTarget(scale=0.2, centre=MIDDLE), some_images(12)
    labels = right_labels(target, images)
    target.rows = 0
    ball = Ball(norm, epsilon)  # type: ignore[arg-type]
    outcomes = PgdAttack(ball, num_steps=5, num_restarts=3).attack(images, labels, target)
    assert 0 < sum(outcome.is_success for outcome in outcomes) < 12
    assert {o.queries for o in outcomes if not o.is_success} == {18}
    assert all(o.queries % 6 == 0 for o in outcomes)
    # What flips at the first start has no further one.
    assert min(o.queries for o in outcomes if o.is_success) == 6
    assert sum(outcome.queries for outcome in outcomes) == target.rows
    for image, label, outcome in zip(images, labels, outcomes, strict=True):
        if outcome.returned is not None:
            assert outcome.is_success
            assert ball.contains(measure(outcome.returned.image[None], image)[ball.norm]).all()
            assert int(target.predict(to_pixels(outcome.returned.image[None])).argmax()) != label


def test_linear_target_flips_where_its_lead_is_small_enough() -> None:
    target, images = LinearTarget(scale=0.2, centre=MIDDLE), some_images(40)
    labels = right_labels(target, images)
    epsilon = 0.05
    # A step of whole bytes below the radius: 12 / 255.
    reach = 12 / 255
    outcomes = PgdAttack(Ball("linf", epsilon), num_steps=20).attack(images, labels, target)
    can_flip = []
    for image, label in zip(images, labels, strict=True):
        logits = target.logits(to_pixels(image[None]))[0]
        x, w = to_pixels(image).flatten(), target.weight
        # The most that one class can gain on the label in the ball and in [0, 1].
        gains = []
        for other in {0, 1, 2} - {label}:
            slope = w[:, other] - w[:, label]
            room = torch.where(slope > 0, (1 - x).clamp(max=reach), x.clamp(max=reach))
            gains.append(float(logits[other] - logits[label] + (slope.abs() * room).sum()))
        can_flip.append(max(gains) > 0)
    is_flipped = [outcome.is_success for outcome in outcomes]
    assert all(possible for found, possible in zip(is_flipped, can_flip, strict=True) if found)
    # With three classes the gradient may climb towards the one that is out of reach.
    assert 5 < 0.9 * sum(can_flip) <= sum(is_flipped) < 35


def test_an_image_gets_the_same_whatever_its_batch_mates_are() -> None:
    target, images = LinearTarget(scale=0.2, centre=MIDDLE), some_images(5)
    labels, attack = right_labels(target, images), PgdAttack(Ball("linf", 0.08), num_steps=4, num_restarts=2)
    together = attack.attack(images, labels, target)
    for place, whole in enumerate(together):
        (alone,) = attack.attack(images[place : place + 1], labels[place : place + 1], target)
        assert (alone.is_success, alone.queries, alone.flip_distance) == (
            whole.is_success,
            whole.queries,
            whole.flip_distance,
        )


def test_restarts_begin_at_points_of_the_ball_that_follow_the_seed() -> None:
    class Steady(LinearTarget):
        """Calls everything class a, and remembers where each restart began."""

        def __init__(self) -> None:
            super().__init__()
            self.starts: list[torch.Tensor] = []

        def logits(self, pixels: torch.Tensor) -> torch.Tensor:
            if pixels.requires_grad:
                self.starts.append(pixels.detach().clone())
            return pixels.flatten(1).sum(dim=1, keepdim=True) * 0 + torch.tensor([[9.0, 0.0, 0.0]])

    image, starts = some_images(1), []
    for seed in (0, 0, 1):
        target = Steady()
        PgdAttack(Ball("linf", 0.1), num_steps=1, num_restarts=3, seed=seed).attack(image, [0], target)
        starts.append(torch.cat(target.starts))
    first, again, other = starts
    assert torch.equal(first, again)
    different = torch.cat([first, other, to_pixels(image)])
    assert torch.cdist(different.flatten(1), different.flatten(1)).fill_diagonal_(1).min() > 0.1
    assert (first - to_pixels(image)).abs().max() <= 0.1 + 1e-6


def test_nothing_succeeds_at_radius_0() -> None:
    target, images = LinearTarget(), some_images(2)
    outcomes = PgdAttack(Ball("linf", 0.0), num_steps=2).attack(images, right_labels(target, images), target)
    assert not any(outcome.is_success for outcome in outcomes)


def test_other_norms_and_targets_without_logits_are_refused() -> None:
    class Blind:
        label_names = LinearTarget.label_names
        predict = LinearTarget.predict

    with pytest.raises(ValueError, match="norm linf or l2 for pgd, got rms"):
        PgdAttack(Ball("rms", 0.1))
    with pytest.raises(ValueError, match="with logits for pgd, got Blind"):
        PgdAttack(Ball("l2", 0.1)).attack(some_images(1), [0], Blind())
