"""All images of a run, chunk by chunk, whatever fails: the check of the unchanged ones, then the attack."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from images_ext.attacks.search import ImageAttack, Outcome, predict_checked
from images_ext.data.images import ImageSet
from images_ext.outputs import ImageAttackResult, ImageStatus
from images_ext.targets.metering import MeteredImageTarget
from textsem.protocols import TargetError

__all__ = ["AttackedChunk", "attack_chunk", "attack_chunks", "predict_labels"]

logger = logging.getLogger(__name__)

MAX_MESSAGE_LENGTH = 300
FEWEST_ERRORS = 8  # fewer images may all be bad ones
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class AttackedChunk:
    """What became of some images that stand together.

    Args:
        results: One an image, in input order.
        reconstructions: Bytes, [images, channels, height, width]; the image itself where there is none.
        adversarials: The images that were returned, bytes of the same shape; the image itself where there is none.
    """

    results: tuple[ImageAttackResult, ...]
    reconstructions: Tensor
    adversarials: Tensor


@dataclass(frozen=True)
class _Attacked:
    """One image on its way."""

    result: ImageAttackResult
    image: Tensor
    label: int
    reconstruction: Tensor
    adversarial: Tensor


def attack_chunks(
    data: ImageSet, target: MeteredImageTarget, attack: ImageAttack, *, start: int = 0, chunk_size: int = 64
) -> Iterator[AttackedChunk]:
    """Yield what becomes of all images from number ``start`` on, ``chunk_size`` at a time.

    Args:
        data: The images and their labels.
        target: The classifier under attack.
        attack: What is done to those that the target has right.
        start: Images before it are left out: an interrupted run has their lines.
        chunk_size: Images that are attacked together; a matter of speed and of how often lines are written.

    Raises:
        TargetError: If the target does not answer.
        ValueError: If the target has other classes than the data, or answers about none of the first images.
    """
    if target.label_names != data.label_names:
        raise ValueError(f"expected a target with the classes {data.label_names}, got {target.label_names}")
    for first in range(start, len(data), chunk_size):
        places = range(first, min(first + chunk_size, len(data)))
        chunk = attack_chunk(data, places, target, attack)
        is_first = first == start and len(chunk.results) >= FEWEST_ERRORS
        if is_first and all(result.status == "error" for result in chunk.results):
            raise ValueError(
                f"expected an answer of the target, got an error on each of the first {len(chunk.results)} images, "
                f"such as: {chunk.results[0].message}"
            )
        yield chunk


def attack_chunk(
    data: ImageSet, places: Sequence[int], target: MeteredImageTarget, attack: ImageAttack
) -> AttackedChunk:
    """Return what becomes of the images at ``places``, in their order, whatever happens."""

    def check(some: Sequence[int]) -> list[_Attacked]:
        return _check(data, some, target)

    def report_unchecked(place: int, message: str) -> _Attacked:
        label = int(data.labels[place])
        result = ImageAttackResult(place, data.label_names[label], None, "error", message=message)
        image = data.images[place]
        return _Attacked(result, image, label, image, image)

    def attack_open(some: Sequence[_Attacked]) -> list[_Attacked]:
        return _attack(some, target, attack)

    def report_checked(item: _Attacked, message: str) -> _Attacked:
        return replace(item, result=replace(item.result, status="error", message=message))

    checked = _whole_or_single(list(places), check, report_unchecked)
    is_open = [item.result.status == "failed" for item in checked]
    attacked = iter(
        _whole_or_single([i for i, o in zip(checked, is_open, strict=True) if o], attack_open, report_checked)
    )
    items = [next(attacked) if o else item for item, o in zip(checked, is_open, strict=True)]
    return AttackedChunk(
        results=tuple(item.result for item in items),
        reconstructions=torch.stack([item.reconstruction for item in items]),
        adversarials=torch.stack([item.adversarial for item in items]),
    )


def predict_labels(images: Tensor, target: MeteredImageTarget) -> list[int | str]:
    """Return the target's class of each image that has no label, or what went wrong where it has no answer.

    Args:
        images: Bytes, [images, channels, height, width].
        target: The classifier under attack.

    Raises:
        TargetError: If the target does not answer at all.
    """

    def ask(places: Sequence[int]) -> list[int | str]:
        with target.counting("check"):
            answers: list[int | str] = predict_checked(target, images[torch.tensor(places)]).argmax(dim=-1).tolist()
        return answers

    def report(place: int, message: str) -> int | str:
        return message

    return _whole_or_single(list(range(len(images))), ask, report)


def _check(data: ImageSet, places: Sequence[int], target: MeteredImageTarget) -> list[_Attacked]:
    """Ask the target about the unchanged images; those that it has right are ``failed`` as yet."""
    images = data.images[torch.tensor(places)]
    with target.counting("check"):
        answers = predict_checked(target, images)
    items = []
    for place, image, probabilities in zip(places, images, answers, strict=True):
        label, prediction = int(data.labels[place]), int(probabilities.argmax())
        status: ImageStatus = "failed" if prediction == label else "skipped"
        result = ImageAttackResult(
            index=place,
            label=data.label_names[label],
            prediction=data.label_names[prediction],
            status=status,
            scores={"original": _named(probabilities, data.label_names)},
        )
        items.append(_Attacked(result, image, label, image, image))
    return items


def _attack(items: Sequence[_Attacked], target: MeteredImageTarget, attack: ImageAttack) -> list[_Attacked]:
    """Attack images that are open, and ask about their clean reconstructions, whose rows are counted apart."""
    if not items:
        return []
    images, labels = torch.stack([item.image for item in items]), [item.label for item in items]
    reconstructions, flipped = attack.reconstruct(images), [None] * len(items)
    if reconstructions is not None:
        with target.counting("reconstruction"):
            answers = predict_checked(target, reconstructions).argmax(dim=-1)
        flipped = (answers != torch.tensor(labels)).tolist()
    with target.counting("attack"):
        outcomes = attack.attack(images, labels, target)
    shown = images if reconstructions is None else reconstructions
    return [
        _with_outcome(replace(item, reconstruction=shown[i]), outcome, flipped[i], target.label_names)
        for i, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
    ]


def _with_outcome(
    item: _Attacked, outcome: Outcome, is_reconstruction_flipped: bool | None, names: Sequence[str]
) -> _Attacked:
    """Write down what the attack found."""
    result = replace(
        item.result,
        status="success" if outcome.is_success else "failed",
        queries=outcome.queries,
        flip_distance=outcome.flip_distance,
        is_reconstruction_flipped=is_reconstruction_flipped,
    )
    if outcome.returned is None:
        return replace(item, result=result)
    returned = outcome.returned
    result = replace(
        result,
        adversarial_prediction=names[int(returned.probabilities.argmax())],
        scores={**(result.scores or {}), "adversarial": _named(returned.probabilities, names)},
        distance=returned.distance,
    )
    return replace(item, result=result, adversarial=returned.image)


def _named(probabilities: Tensor, names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, probabilities.tolist(), strict=True))


def _whole_or_single(
    items: Sequence[Item], work: Callable[[Sequence[Item]], list[Made]], report: Callable[[Item, str], Made]
) -> list[Made]:
    """Work on all items; if anything raises, on each by itself, so that only those that fail are reported."""
    if not items:
        return []
    try:
        return work(items)
    except TargetError:
        raise
    except Exception as error:
        if len(items) == 1:
            return [report(items[0], f"{type(error).__name__}: {error}"[:MAX_MESSAGE_LENGTH])]
        logger.debug("%d images are attacked one by one: %s", len(items), error)
    return [made for item in items for made in _whole_or_single([item], work, report)]
