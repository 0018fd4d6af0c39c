"""Rounds of questions: every image has a search of its own, and all open ones are answered together.

A search gives images to be asked and is told the answers, until it has no more or the budget is spent.  What it asks
depends on its own image, label, seed and answers alone; the target sees full batches nevertheless.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball, measure, to_pixels
from images_ext.protocols import GradientImageTarget, ImageTarget

__all__ = [
    "Answers",
    "ImageAttack",
    "ImageSearch",
    "Outcome",
    "OutcomeRecord",
    "Returned",
    "SearchAttack",
    "SearchFactory",
    "lead",
    "lead_of_answers",
    "predict_checked",
    "run_searches",
]

# Probability below which a logarithm says no more: probabilities are float32 and may be 0.
FLOOR = 1e-12


@dataclass(frozen=True)
class Answers:
    """What the target said about the images of one round.

    Args:
        probabilities: [rows, classes].
        is_flip: Whether another class than the label comes first, [rows].
        is_inside: Whether the image is inside the ball, [rows].
        distance: In the ball's norm, float64 [rows].
        gradient: Under gradient access, of `lead` in the pixels, [rows, channels, height, width]; else None.
    """

    probabilities: Tensor
    is_flip: Tensor
    is_inside: Tensor
    distance: Tensor
    gradient: Tensor | None = None

    @property
    def is_success(self) -> Tensor:
        """Whether the image is a flip inside the ball, [rows]."""
        return self.is_flip & self.is_inside


class ImageSearch(Protocol):
    """The search for one image."""

    def ask(self, limit: int) -> Tensor:
        """Return the next images to be asked, bytes [rows, channels, height, width]: at most ``limit``, 0 at the end.

        None of them may have been asked before.
        """
        ...

    def tell(self, answers: Answers) -> None:
        """Take the answers about the images asked last, in their order."""
        ...


@dataclass(frozen=True)
class Returned:
    """The image that an attack gives back for an input.

    Args:
        image: Bytes, [channels, height, width].
        probabilities: What the target said about it, [classes].
        distance: Norm name to distance.
    """

    image: Tensor
    probabilities: Tensor
    distance: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Args:
        is_success: Whether a flip inside the ball was found.
        returned: The closest flip inside the ball, else the closest one outside, else None.
        queries: Rows sent for this image's candidates, every row of the last round included.
        flip_distance: Norm name to the smallest distance among all flips; None where nothing flipped.
    """

    is_success: bool
    returned: Returned | None
    queries: int
    flip_distance: dict[str, float | None]


class ImageAttack(Protocol):
    """Anything that attacks images: searches, or PGD."""

    def attack(self, images: Tensor, labels: Sequence[int], target: ImageTarget) -> list[Outcome]:
        """Attack images that the target has right; one outcome each, none of which depends on the other images.

        Args:
            images: Bytes, [images, channels, height, width].
            labels: Class numbers, one an image.
            target: The classifier under attack.
        """
        ...

    def reconstruct(self, images: Tensor) -> Tensor | None:
        """Return the clean reconstructions, bytes of the same shape; None for an attack without a decoder."""
        ...


class SearchFactory(Protocol):
    """Begins a search for each image."""

    def begin(self, image: Tensor, label: int) -> ImageSearch:
        """Return the search for one image, bytes [channels, height, width]."""
        ...

    def reconstruct(self, images: Tensor) -> Tensor | None:
        """Return the clean reconstructions; see ``ImageAttack``."""
        ...


def lead(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return by how many nats the label is ahead of the best other class, [rows]; negative where it is not.

        log P(y) - max_{y' != y} log P(y')

    Args:
        log_probabilities: [rows, classes].
        labels: Class numbers, [rows].
    """
    is_label = torch.nn.functional.one_hot(labels, log_probabilities.shape[-1]).bool()
    own = log_probabilities.masked_fill(~is_label, -torch.inf).amax(dim=-1)
    other = log_probabilities.masked_fill(is_label, -torch.inf).amax(dim=-1)
    return own - other


def lead_of_answers(probabilities: Tensor, label: int) -> Tensor:
    """Return `lead` of probabilities [rows, classes], floored where one of them is 0."""
    floored = probabilities.clamp_min(FLOOR).log()
    return lead(floored, torch.full((len(floored),), label))


@dataclass
class OutcomeRecord:
    """Gather the answers about one image's candidates.

    Args:
        original: Bytes, [channels, height, width].
        label: Class number.
        ball: Where a flip counts.
    """

    original: Tensor
    label: int
    ball: Ball
    queries: int = 0
    inside: Returned | None = None
    outside: Returned | None = None
    flip_distance: dict[str, float | None] = field(default_factory=dict)

    def add(self, images: Tensor, probabilities: Tensor) -> Answers:
        """Note what the target said about ``images``, bytes [rows, channels, height, width]; return it as answers."""
        self.queries += len(images)
        distances = measure(images, self.original)
        distance = distances[self.ball.norm]
        is_flip = probabilities.argmax(dim=-1) != self.label
        is_inside = self.ball.contains(distance)
        for row in is_flip.nonzero().flatten().tolist():
            there: dict[str, float] = {name: float(values[row]) for name, values in distances.items()}
            for name, value in there.items():
                known = self.flip_distance.get(name)
                self.flip_distance[name] = value if known is None else min(known, value)
            self._keep(Returned(images[row], probabilities[row], there), is_inside=bool(is_inside[row]))
        return Answers(probabilities, is_flip, is_inside, distance)

    def _keep(self, flip: Returned, *, is_inside: bool) -> None:
        known, norm = (self.inside if is_inside else self.outside), self.ball.norm
        if known is not None and known.distance[norm] <= flip.distance[norm]:
            return
        if is_inside:
            self.inside = flip
        else:
            self.outside = flip

    def outcome(self, extra_queries: int = 0) -> Outcome:
        """Return what has come out so far; ``extra_queries`` are rows that were sent without being candidates."""
        nothing: dict[str, float | None] = dict.fromkeys(measure(self.original[None], self.original))
        return Outcome(
            is_success=self.inside is not None,
            returned=self.inside or self.outside,
            queries=self.queries + extra_queries,
            flip_distance=self.flip_distance or nothing,
        )


def predict_checked(target: ImageTarget, images: Tensor) -> Tensor:
    """Return the target's probabilities [batch, classes] for images as bytes.

    Raises:
        ValueError: If they have another shape, or one of them is no finite number.
    """
    probabilities = target.predict(to_pixels(images))
    expected = (len(images), len(target.label_names))
    if tuple(probabilities.shape) != expected:
        raise ValueError(f"expected probabilities of shape {list(expected)}, got {list(probabilities.shape)}")
    if not bool(torch.isfinite(probabilities).all()):
        raise ValueError("expected finite probabilities, got nan or inf")
    return probabilities


def run_searches(
    target: ImageTarget,
    searches: Sequence[ImageSearch],
    images: Tensor,
    labels: Sequence[int],
    *,
    ball: Ball,
    max_queries: int,
    needs_gradient: bool = False,
) -> list[Outcome]:
    """Ask and tell until every search has ended or spent its budget; a search ends itself when it has what it wants.

    Args:
        target: The classifier under attack; every image given here must be one that it has right.
        searches: One an image.
        images: Bytes, [images, channels, height, width].
        labels: Class numbers, one an image.
        ball: Where a flip counts.
        max_queries: Most rows sent for any one image.
        needs_gradient: Tell the searches the gradient too; of a target with ``logits``, a row as any other.

    Returns:
        One outcome an image.

    Raises:
        ValueError: If the target answers out of form, or a search asks for more than it may.
    """
    records = [OutcomeRecord(image, label, ball) for image, label in zip(images, labels, strict=True)]
    active = list(range(len(searches)))
    while active:
        asked = {}
        for place in active:
            limit = max_queries - records[place].queries
            asked[place] = searches[place].ask(limit) if limit > 0 else images[:0]
            if len(asked[place]) > limit:
                raise ValueError(f"expected at most {limit} images to be asked, got {len(asked[place])}")
        active = [place for place in active if len(asked[place])]
        if not active:
            break
        rows = torch.cat([asked[place] for place in active])
        row_labels = torch.tensor([labels[place] for place in active for _ in asked[place]])
        probabilities, gradient = (
            _answer_with_gradient(target, rows, row_labels) if needs_gradient else (predict_checked(target, rows), None)
        )
        start = 0
        for place in active:
            span = slice(start, start + len(asked[place]))
            answers = records[place].add(asked[place], probabilities[span])
            searches[place].tell(answers if gradient is None else replace(answers, gradient=gradient[span]))
            start = span.stop
    return [record.outcome() for record in records]


@dataclass(frozen=True)
class SearchAttack:
    """Run searches on all images together; an ``ImageAttack``.

    Args:
        factory: Begins the searches.
        ball: Where a flip counts.
        max_queries: Most rows sent for the candidates of one image.
        needs_gradient: Whether the searches are told the target's gradient.
    """

    factory: SearchFactory
    ball: Ball
    max_queries: int = 100
    needs_gradient: bool = False

    def __post_init__(self) -> None:
        """Check the range."""
        if self.max_queries < 1:
            raise ValueError(f"expected max_queries >= 1, got {self.max_queries}")

    def attack(self, images: Tensor, labels: Sequence[int], target: ImageTarget) -> list[Outcome]:
        """Attack images that the target has right; see ``ImageAttack``."""
        searches = [self.factory.begin(image, label) for image, label in zip(images, labels, strict=True)]
        return run_searches(
            target,
            searches,
            images,
            labels,
            ball=self.ball,
            max_queries=self.max_queries,
            needs_gradient=self.needs_gradient,
        )

    def reconstruct(self, images: Tensor) -> Tensor | None:
        """Return the clean reconstructions; see ``ImageAttack``."""
        return self.factory.reconstruct(images)


def _answer_with_gradient(target: ImageTarget, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities and the gradient of the label's lead in the pixels."""
    if not isinstance(target, GradientImageTarget):
        raise ValueError(f"expected a target with logits for gradient access, got {type(target).__name__}")
    pixels = to_pixels(images).requires_grad_()
    logits = target.logits(pixels)
    (gradient,) = torch.autograd.grad(lead(logits.log_softmax(dim=-1), labels).sum(), pixels)
    return logits.detach().softmax(dim=-1).cpu(), gradient.cpu()
