"""What a part of the image extension must be able to do to be plugged in.  Knows nothing of the rest.

Pixels are float32 in [0, 1], [batch, channels, height, width]; a part that wants another scale makes it itself.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["GradientImageTarget", "ImageTarget"]


@runtime_checkable
class ImageTarget(Protocol):
    """A black-box classifier g of images: forward only."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns of ``predict``."""
        ...

    def predict(self, pixels: Tensor) -> Tensor:
        """Return class probabilities [batch, classes], float32 on the CPU without a gradient.

        Args:
            pixels: In [0, 1], [batch, channels, height, width].
        """
        ...


@runtime_checkable
class GradientImageTarget(ImageTarget, Protocol):
    """A target in the same process, so that Eq. 6 and PGD can be differentiated through it."""

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes], differentiable in ``pixels``.

        Args:
            pixels: In [0, 1], [batch, channels, height, width].
        """
        ...
