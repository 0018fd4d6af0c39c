"""Candidates as bytes: what is asked is what is kept; how far it is from the input, and the seed of an image.

A candidate is rounded to bytes before the target is asked, so that the image in the file is the very one that was
queried, and two candidates that round alike are one.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.latent.objective import NORMS, Norm, gate

__all__ = ["Ball", "image_seed", "measure", "to_bytes", "to_pixels"]

HIGHEST = 255


@dataclass(frozen=True)
class Ball:
    """Where an adversarial image must lie: strictly inside, so that a ball of radius 0 holds none (reading 20).

    Args:
        norm: Of x' - x, all pixels in [0, 1].
        epsilon: Radius; infinite for any distance.
    """

    norm: Norm = "l2"
    epsilon: float = math.inf

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.norm not in NORMS:
            raise ValueError(f"expected norm among {', '.join(NORMS)}, got {self.norm!r}")
        if not self.epsilon >= 0:
            raise ValueError(f"expected epsilon >= 0, got {self.epsilon}")

    def contains(self, distance: Tensor) -> Tensor:
        """Return which distances, in the ball's norm, are inside; of the same shape, bool."""
        return gate(distance, epsilon=self.epsilon)


def to_bytes(pixels: Tensor) -> Tensor:
    """Round pixels in [0, 1] to bytes; any shape.

    Raises:
        ValueError: If one of them is no finite number.
    """
    if not bool(torch.isfinite(pixels).all()):
        raise ValueError("expected finite pixels, got nan or inf")
    return (pixels.detach().clamp(0, 1) * HIGHEST).round().to(torch.uint8).cpu()


def to_pixels(images: Tensor) -> Tensor:
    """Return bytes as float32 in [0, 1], the exact value that a file gives back; any shape."""
    return images.float() / HIGHEST


def measure(images: Tensor, original: Tensor) -> dict[Norm, Tensor]:
    """Measure x' - x in all four norms, in float64, so that bytes decide and not the order of a sum.

    Args:
        images: x' as bytes, [rows, channels, height, width].
        original: x as bytes, [channels, height, width].

    Returns:
        Norm to distances, float64 [rows].
    """
    difference = (images.double() - original.double()).flatten(1) / HIGHEST
    return {name: norm(difference) for name, norm in NORMS.items()}


def image_seed(seed: int, image: Tensor, label: int) -> int:
    """Return the seed of one image, from 0 to 2^63 - 1: a hash of the run's seed, its bytes and label, nothing else.

    Args:
        seed: Of the run.
        image: Bytes, [channels, height, width].
        label: Class number.
    """
    key = hashlib.blake2b(digest_size=8)
    key.update(repr((seed, label, tuple(image.shape))).encode("ascii"))
    key.update(image.contiguous().numpy().tobytes())
    return int.from_bytes(key.digest(), "big") >> 1
