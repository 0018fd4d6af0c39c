"""What is dropped before the target is asked: what is no change, was there before, or a filter model misreads."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, measure, to_bytes, to_pixels
from images_ext.attacks.projection import project
from images_ext.attacks.search import lead_of_answers
from images_ext.protocols import ImageTarget

__all__ = ["FilterModel", "Sieve", "Sifted"]


@dataclass(frozen=True)
class FilterModel:
    """Classifiers that are neither target nor judge and have to keep the label.

    A flip on which they are barely sure is one that a judge may follow.  So much is asked of the first candidates, and
    less and less as the budget is spent: what flips while they are sure is found so, and what does not costs its
    success no image.

    Args:
        classifiers: Their classes are the target's.
        min_lead: Nats by which each must put the label ahead of the best other class.
        first_lead: What is asked at the beginning of the budget; falls evenly to ``min_lead`` at its end.
    """

    classifiers: tuple[ImageTarget, ...]
    min_lead: float = 1.5
    first_lead: float = 3.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.classifiers:
            raise ValueError("expected at least one classifier to filter by, got none")
        if not -math.inf < self.min_lead <= self.first_lead < math.inf:
            raise ValueError(f"expected finite min_lead <= first_lead, got {self.min_lead} and {self.first_lead}")

    def lead(self, images: Tensor, label: int) -> Tensor:
        """Return by how many nats the least sure classifier puts the label ahead, [rows], for images as bytes."""
        pixels = to_pixels(images)
        return torch.stack([lead_of_answers(c.predict(pixels), label) for c in self.classifiers]).amin(dim=0)

    def threshold(self, spent: float) -> float:
        """Return the lead that is asked when a share ``spent``, 0 to 1, of the budget is spent."""
        return self.first_lead + (self.min_lead - self.first_lead) * spent


@dataclass(frozen=True)
class Sifted:
    """Candidates that may be asked.

    Args:
        images: Bytes, [kept, channels, height, width].
        place: Which candidate each of them was, rising, [kept].
        is_inside: Whether it is inside the ball, [kept].
        distance: In the ball's norm, float64 [kept].
        lead: Of the filter model, nats [kept]; None without one.
    """

    images: Tensor
    place: Tensor
    is_inside: Tensor
    distance: Tensor
    lead: Tensor | None

    def __len__(self) -> int:
        """Return how many are left."""
        return len(self.images)

    def pick(self, places: Tensor) -> "Sifted":
        """Return those at ``places`` [picked] of what is left."""
        lead = None if self.lead is None else self.lead[places]
        return Sifted(self.images[places], self.place[places], self.is_inside[places], self.distance[places], lead)


class Sieve:
    """Drop what need not be asked about one image, once for all of its candidates.

    Args:
        original: x as bytes, [channels, height, width].
        label: Class number.
        ball: Where a flip counts.
        projects: Move candidates that are outside onto the ball, before they are rounded and asked.
        filter_model: Has to keep the label; None for no filter.
    """

    def __init__(
        self, original: Tensor, label: int, ball: Ball, *, projects: bool = False, filter_model: FilterModel | None
    ) -> None:
        self._original, self._label, self._ball = original, label, ball
        self._projects, self._filter_model = projects, filter_model
        self._seen = {original.numpy().tobytes()}

    @property
    def ball(self) -> Ball:
        """Where a flip counts."""
        return self._ball

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self._original.shape)

    def is_sure(self, sifted: "Sifted", spent: float) -> Tensor:
        """Return for which candidates the filter model is as sure as is asked by now, [kept] of bool.

        Args:
            sifted: From ``sift``.
            spent: Share of the budget that is spent.
        """
        if sifted.lead is None or self._filter_model is None:
            return torch.ones(len(sifted), dtype=torch.bool)
        return sifted.lead >= self._filter_model.threshold(spent)

    def sift(self, pixels: Tensor) -> Sifted:
        """Round candidates and return those that are left, in their order.

        Args:
            pixels: In [0, 1], [candidates, channels, height, width].
        """
        images = to_bytes(pixels)
        if self._projects and self._ball.epsilon > 0:
            images = self._projected(images, pixels.detach())
        place = torch.tensor([i for i, image in enumerate(images) if self._is_new(image)], dtype=torch.int64)
        images = images[place]
        distance = measure(images, self._original)[self._ball.norm]
        lead = None
        if self._filter_model is not None:
            lead = self._filter_model.lead(images, self._label) if len(images) else torch.zeros(0)
            kept = lead >= self._filter_model.min_lead
            images, place, distance, lead = images[kept], place[kept], distance[kept], lead[kept]
        return Sifted(images, place, self._ball.contains(distance), distance, lead)

    def _projected(self, images: Tensor, pixels: Tensor) -> Tensor:
        is_inside = self._ball.contains(measure(images, self._original)[self._ball.norm])
        outside = (~is_inside).nonzero().flatten()
        if not len(outside):
            return images
        original = to_pixels(self._original).expand(len(outside), -1, -1, -1)
        moved = project(pixels[outside].cpu(), original, norm=self._ball.norm, epsilon=self._ball.epsilon)
        images = images.clone()
        images[outside] = to_bytes(moved)
        return images

    def _is_new(self, image: Tensor) -> bool:
        key = image.contiguous().numpy().tobytes()
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new
