"""PGD with restarts as an attack of the harness: every row is counted, what is returned was asked as bytes."""

from collections.abc import Sequence
from typing import cast, get_args

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, image_seed, to_bytes, to_pixels
from images_ext.attacks.pgd import PgdConfig, PgdNorm, pgd_steps, random_start
from images_ext.attacks.projection import project
from images_ext.attacks.search import Outcome, OutcomeRecord, predict_checked
from images_ext.protocols import GradientImageTarget, ImageTarget

__all__ = ["PgdAttack"]

# Madry et al. 2018 take 40 steps of 0.01 at 0.3: so much of the radius in all, from one side to the other and back.
STEPS_TIMES_SIZE = 4 / 3


class PgdAttack:
    """Climb the label's cross-entropy from a random start, again and again until it flips; an ``ImageAttack``.

    The last iterate of a restart is rounded to bytes inside the ball, and asked; an image that flips has no further
    restarts.  A restart thus costs ``num_steps + 1`` rows, and no other budget holds.

    Args:
        ball: Its radius finite, its norm linf or l2.
        num_steps: Gradients a restart.
        num_restarts: Random starts.
        seed: Of the run; each image draws its starts from a seed of its own.
    """

    def __init__(self, ball: Ball, *, num_steps: int = 40, num_restarts: int = 1, seed: int = 0) -> None:
        if ball.norm not in get_args(PgdNorm):
            raise ValueError(f"expected norm {' or '.join(get_args(PgdNorm))} for pgd, got {ball.norm}")
        if num_restarts < 1:
            raise ValueError(f"expected num_restarts >= 1, got {num_restarts}")
        self._ball, self._num_restarts, self._seed = ball, num_restarts, seed
        self._config = PgdConfig(
            epsilon=ball.epsilon,
            # A ball of radius 0 has no room for steps; they are projected back to x.
            step_size=max(STEPS_TIMES_SIZE * ball.epsilon / num_steps, 1e-9),
            norm=cast(PgdNorm, ball.norm),
            num_steps=num_steps,
        )

    def attack(self, images: Tensor, labels: Sequence[int], target: ImageTarget) -> list[Outcome]:
        """Attack images that the target has right; see ``ImageAttack``.

        Raises:
            ValueError: If the target has no ``logits``, or answers out of form.
        """
        if not isinstance(target, GradientImageTarget):
            raise ValueError(f"expected a target with logits for pgd, got {type(target).__name__}")
        records = [OutcomeRecord(image, label, self._ball) for image, label in zip(images, labels, strict=True)]
        generators = [
            torch.Generator().manual_seed(image_seed(self._seed, image, label))
            for image, label in zip(images, labels, strict=True)
        ]
        steps = [0] * len(records)
        for _ in range(self._num_restarts):
            is_open = [place for place, record in enumerate(records) if record.inside is None]
            if not is_open:
                break
            pixels = to_pixels(images[is_open])
            start = torch.cat(
                [
                    random_start(row[None], config=self._config, generator=generators[place])
                    for row, place in zip(pixels, is_open, strict=True)
                ]
            )
            row_labels = torch.tensor([labels[place] for place in is_open])
            last = pgd_steps(target.logits, pixels, row_labels, start=start, config=self._config)
            rows = to_bytes(project(last, pixels, norm=self._ball.norm, epsilon=self._ball.epsilon))
            for place, row, answer in zip(is_open, rows, predict_checked(target, rows), strict=True):
                steps[place] += self._config.num_steps
                records[place].add(row[None], answer[None])
        return [record.outcome(extra) for record, extra in zip(records, steps, strict=True)]

    def reconstruct(self, images: Tensor) -> None:
        """Return nothing: there is no decoder."""
