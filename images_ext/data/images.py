"""Labelled images of one data set and split, kept as bytes and given as pixels in [0, 1]."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["DIGIT_NAMES", "ImageSet"]

DIGIT_NAMES = tuple("0123456789")
_HIGHEST = 255
_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Hold the images and labels of one split.

    >>> digits = ImageSet(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([3, 7]), DIGIT_NAMES, "mine", "test")
    >>> len(digits), digits.shape, digits.pixels(slice(0, 1)).shape
    (2, (1, 8, 8), torch.Size([1, 1, 8, 8]))

    Args:
        images: Bytes 0 to 255, [images, channels, height, width]; one grey channel or three of RGB.
        labels: Class numbers, [images], int64.
        label_names: The name of each class.
        name: The data set, as tables name it: ``mnist``, ``celeba``, ``svhn``, ``svhn stand-in``, ``drawn digits``.
        split: ``train``, ``dev`` or ``test``.

    Raises:
        ValueError: If a tensor has another type or shape, or a label names no class.
    """

    images: Tensor
    labels: Tensor
    label_names: tuple[str, ...]
    name: str
    split: str

    def __post_init__(self) -> None:
        """Check types, shapes and labels."""
        if self.images.dtype != torch.uint8:
            raise ValueError(f"expected images as uint8 from 0 to 255, got {self.images.dtype}")
        if self.images.ndim != 4 or self.images.shape[1] not in _CHANNELS or 0 in self.images.shape[1:]:
            raise ValueError(f"expected images of shape [n, 1 or 3, height, width], got {list(self.images.shape)}")
        if self.labels.dtype != torch.int64:
            raise ValueError(f"expected labels as int64, got {self.labels.dtype}")
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"expected labels of shape [{len(self.images)}], got {list(self.labels.shape)}")
        num_classes = len(self.label_names)
        outside = ((self.labels < 0) | (self.labels >= num_classes)).nonzero().flatten().tolist()
        if outside:
            first = int(outside[0])
            raise ValueError(
                f"expected labels from 0 to {num_classes - 1}, got {int(self.labels[first])} at image {first} of "
                f"{self.name} {self.split} ({len(outside)} such labels)"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """Number of classes, with or without images."""
        return len(self.label_names)

    def pixels(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """Return the images at some places as float32 in [0, 1], [places, channels, height, width].

        Args:
            indices: Places from 0, [places], or a slice; ``slice(None)`` for all of them.

        Raises:
            ValueError: If a place lies outside.
        """
        return self.images[self._places(indices)].float() / _HIGHEST

    def select(self, indices: Tensor | Sequence[int] | slice) -> "ImageSet":
        """Return the images and labels at some places, in that order.

        Raises:
            ValueError: If a place lies outside.
        """
        places = self._places(indices)
        return replace(self, images=self.images[places], labels=self.labels[places])

    def _places(self, indices: Tensor | Sequence[int] | slice) -> Tensor | slice:
        if isinstance(indices, slice):
            return indices
        places = torch.as_tensor(indices, device=self.images.device)
        if places.numel() == 0:
            places = places.long()
        if places.ndim != 1 or places.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"expected places as integers of shape [places], got {places.dtype} {list(places.shape)}")
        outside = ((places < 0) | (places >= len(self))).nonzero().flatten().tolist()
        if outside:
            raise ValueError(f"expected places from 0 to {len(self) - 1}, got {int(places[int(outside[0])])}")
        return places
