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
    """A classifier that is neither target nor judge and has to keep the label.

    Args:
        classifier: Its classes are the target's.
        min_lead: Nats by which the label must be ahead of the best other class.
    """

    classifier: ImageTarget
    min_lead: float = 0.5

    def __post_init__(self) -> None:
        """Check the range."""
        if not math.isfinite(self.min_lead):
            raise ValueError(f"expected a finite min_lead, got {self.min_lead}")

    def lead(self, images: Tensor, label: int) -> Tensor:
        """Return by how many nats the label is ahead, [rows], for images as bytes."""
        return lead_of_answers(self.classifier.predict(to_pixels(images)), label)


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
    def shape(self) -> tuple[int, ...]:
        """Channels, height and width."""
        return tuple(self._original.shape)

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
        if self._filter_model is not None and len(images):
            lead = self._filter_model.lead(images, self._label)
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
