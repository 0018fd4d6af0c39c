"""The attack on images as a callable: ``images_ext.pipeline("image-attack")``.

An image goes in, its result comes out as a dict with the fields of ``results.jsonl``.  A result does not depend on the
images that are attacked with it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from images_ext.attacks.manifold import Access
from images_ext.attacks.move_config import Output
from images_ext.attacks.runner import attack_chunk, predict_labels
from images_ext.data.given import read_image, read_label, split_given
from images_ext.data.images import ImageSet
from images_ext.evaluation.assembly import BUNDLED_ADVERSARY, assemble
from images_ext.evaluation.results import to_line
from images_ext.evaluation.run_config import AttackImagesConfig
from images_ext.model import ImageAdversary
from images_ext.outputs import ImageAttackResult
from images_ext.protocols import ImageTarget
from images_ext.targets.callable_target import CallableTarget
from images_ext.targets.metering import MeteredImageTarget
from images_ext.targets.module_target import ModuleTarget
from textsem.latent.objective import Norm

__all__ = ["TASK", "ImageAttackPipeline", "ReturnedImage", "pipeline"]

TASK = "image-attack"
ReturnedImage = Literal["pil", "array"]
NAMES = (str, os.PathLike)


def pipeline(
    task: str = TASK,
    model: str | os.PathLike[str] | ImageAdversary = "bundled",
    *,
    target: str | os.PathLike[str] | ImageTarget | nn.Module | Callable[[Tensor], object] = "bundled",
    label_names: Sequence[str] | None = None,
    access: Access = "score",
    source: str = "adversarial",
    norm: Norm = "l2",
    eps: float | None = 4.0,
    max_queries: int = 100,
    project: bool = True,
    filter_model: str | os.PathLike[str] = "auto",
    decoding: Output = "residual",
    seed: int = 0,
    device: str | None = None,
    batch_size: int = 64,
) -> "ImageAttackPipeline":
    """Return an attack that is called with images.

    >>> attack = pipeline("image-attack", max_queries=1)
    >>> attack({"image": torch.zeros(1, 28, 28), "label": "7"})["label"]
    '7'

    Args:
        task: ``image-attack``.
        model: ``bundled`` (MNIST), the folder of an adversary, or an ``ImageAdversary``.
        target: ``bundled``, the folder of a classifier, an ``ImageTarget``, a module that gives logits for pixels in
            [0, 1] (``ModuleTarget`` takes mean and deviation), or a function from such pixels to probabilities.
        label_names: Of a module or function; None for the numbers of the classes.
        access: ``score``, ``label`` or ``gradient``: what the target tells.
        source: Where codes are moved: ``adversarial`` for E', or a control.
        norm: Of the ball in which a flip counts, pixels in [0, 1].
        eps: Its radius; None for any distance.
        max_queries: Most rows sent to the target for the candidates of one image.
        project: Move candidates that are outside onto the ball; the projected image is asked.
        filter_model: Folder of a classifier that has to keep the label; ``auto`` for the bundled one where the target
            is bundled too, ``none`` for no filter.
        decoding: ``decoded`` or ``residual``, see ``MoveConfig.output``.
        seed: Of all draws.
        device: Where a target from a folder runs; None for a GPU if there is one.
        batch_size: Images that are attacked together.

    Raises:
        ValueError: If the task is another one, an option is out of range, or a part cannot be loaded or does not fit.
    """
    if task != TASK:
        raise ValueError(f"expected the task {TASK}, got {task!r}")
    config = AttackImagesConfig(
        target=os.fspath(target) if isinstance(target, NAMES) else "given",
        adversary=os.fspath(model) if isinstance(model, NAMES) else "given",
        access=access,
        source=source,
        norm=norm,
        eps=eps,
        max_queries=max_queries,
        project=project,
        filter_model=(os.fspath(filter_model),),
        judge="none",
        decoding=decoding,
        seed=seed,
        device=device,
        chunk_size=batch_size,
    )
    adversary = _adversary(model)
    given = None if isinstance(target, NAMES) else _as_target(target, label_names, adversary.config.num_classes)
    loaded = assemble(config, given_target=given, given_adversary=adversary)
    return ImageAttackPipeline(loaded.target, loaded.attack, adversary.config.image_shape, batch_size=batch_size)


@dataclass(frozen=True)
class _Read:
    """One input: its bytes and class, which may be unknown as yet, or what is wrong with it."""

    index: int
    image: Tensor | None
    label: int | None
    message: str | None = None


class ImageAttackPipeline:
    """Attack images; made by `pipeline`.

    Called with one image, it returns a dict; with a list, a tuple or a batch (an array or tensor of four dimensions), a
    list; with any other iterable, an iterator that takes images as it goes.  An image is a PIL image, an array or
    tensor of bytes or of floats in [0, 1], or the path of a file (see ``read_image``); or a dict with ``image`` and
    ``label`` (a name or number).  Without a label an image is attacked from the target's own prediction.

    The dict has the fields of ``ImageAttackResult``, all of plain JSON types.  With ``return_image`` it has moreover
    ``adversarial_image`` and ``reconstruction_image``, PIL images (``pil``) or uint8 arrays [height, width] or [height,
    width, 3] (``array``); ``adversarial_image`` is None where no flip was found.

    One image that cannot be read is a ValueError that names it; among many it comes back with ``status`` ``error``,
    an empty ``label`` and the reason as ``message``, and the others are attacked.  So does, alone or among many, an
    image without a label about which the target raises.

    Args:
        target: Metered; its ``counts`` tell what was asked.
        attack: What is done to images.
        image_shape: Channels, height, width.
        batch_size: Images that are attacked together.
    """

    def __init__(
        self,
        target: MeteredImageTarget,
        attack: Any,
        image_shape: tuple[int, int, int],
        *,
        batch_size: int = 64,
    ) -> None:
        self.target, self._attack = target, attack
        self._image_shape, self._batch_size = image_shape, batch_size

    def __call__(self, images: Any, *, return_image: ReturnedImage | None = None) -> Any:
        """Attack one image, or many; see the class.

        Raises:
            ValueError: If a single image cannot be read, or ``return_image`` is none of its choices.
        """
        if return_image not in (None, "pil", "array"):
            raise ValueError(f"expected return_image pil or array, got {return_image!r}")
        if isinstance(images, (Tensor, np.ndarray)) and images.ndim == 4:
            images = list(images)
        if isinstance(images, (list, tuple)):
            return list(self._attack_all(images, return_image))
        if _is_one(images):
            read = self._read(0, images)
            if read.message is not None:
                raise ValueError(read.message)
            (result,) = self._attack_batch([read], return_image)
            return result
        if not isinstance(images, Iterable):
            raise ValueError(f"expected an image, or an iterable of images, got {type(images).__name__}")
        return self._attack_all(images, return_image)

    def _attack_all(self, images: Iterable[Any], return_image: ReturnedImage | None) -> Iterator[dict[str, Any]]:
        read = (self._read(i, given) for i, given in enumerate(images))
        while batch := list(islice(read, self._batch_size)):
            yield from self._attack_batch(batch, return_image)

    def _read(self, index: int, given: Any) -> _Read:
        name = f"image {index}"
        try:
            image, label = split_given(given, name=name)
            pixels = read_image(image, self._image_shape, name=name)
            number = None if label is None else read_label(label, self.target.label_names, name=name)
        except ValueError as error:
            return _Read(index, None, None, str(error))
        return _Read(index, pixels, number)

    def _attack_batch(self, batch: Sequence[_Read], return_image: ReturnedImage | None) -> list[dict[str, Any]]:
        """Return a dict for each input of a batch, in order."""
        batch = self._labelled(batch)
        readable = [read for read in batch if read.message is None]
        found = {}
        if readable:
            images = torch.stack([read.image for read in readable if read.image is not None])
            labels = torch.tensor([read.label for read in readable], dtype=torch.int64)
            data = ImageSet(images, labels, self.target.label_names, "given", "test")
            chunk = attack_chunk(data, range(len(data)), self.target, self._attack)
            for i, read in enumerate(readable):
                result = replace(chunk.results[i], index=read.index)
                found[read.index] = _to_dict(result, chunk.adversarials[i], chunk.reconstructions[i], return_image)
        for read in batch:
            if read.message is not None:
                result = ImageAttackResult(read.index, "", None, "error", message=read.message)
                found[read.index] = _to_dict(result, None, None, return_image)
        return [found[read.index] for read in batch]

    def _labelled(self, batch: Sequence[_Read]) -> list[_Read]:
        """Return the inputs, those without a label with the class that the target sees, or with its error."""
        images = [read.image for read in batch if read.image is not None and read.label is None]
        answers = iter(predict_labels(torch.stack(images), self.target) if images else ())
        return [read if read.image is None or read.label is not None else _told(read, next(answers)) for read in batch]


def _told(read: _Read, answer: int | str) -> _Read:
    """Return an input with what the target says about it: a class number, or an error."""
    return replace(read, message=answer) if isinstance(answer, str) else replace(read, label=answer)


def _to_dict(
    result: ImageAttackResult,
    adversarial: Tensor | None,
    reconstruction: Tensor | None,
    return_image: ReturnedImage | None,
) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(to_line(result))
    if return_image is not None:
        is_there = adversarial is not None and line["distance"] is not None
        line["adversarial_image"] = _shown(adversarial, return_image) if is_there else None
        line["reconstruction_image"] = _shown(reconstruction, return_image)
    return line


def _shown(image: Tensor | None, kind: ReturnedImage) -> Any:
    if image is None:
        return None
    array = (image[0] if len(image) == 1 else image.movedim(0, -1)).contiguous().numpy()
    if kind == "array":
        return array
    from PIL import Image

    return Image.fromarray(array)


def _is_one(given: Any) -> bool:
    """Tell whether something is an image, or a dict about one, rather than many of them."""
    from PIL import Image

    return isinstance(given, (*NAMES, Mapping, Tensor, np.ndarray, Image.Image))


def _adversary(model: str | os.PathLike[str] | ImageAdversary) -> ImageAdversary:
    if isinstance(model, ImageAdversary):
        return model.eval()
    return ImageAdversary.from_pretrained(BUNDLED_ADVERSARY if model == "bundled" else os.fspath(model))


def _as_target(
    target: ImageTarget | nn.Module | Callable[[Tensor], object], label_names: Sequence[str] | None, num_classes: int
) -> ImageTarget:
    if isinstance(target, ImageTarget):
        return target
    names = tuple(label_names) if label_names is not None else tuple(map(str, range(num_classes)))
    if isinstance(target, nn.Module):
        return ModuleTarget(target, names)
    if callable(target):
        return CallableTarget(target, names)
    raise ValueError(f"expected a folder, an ImageTarget, a module or a function, got {type(target).__name__}")
