"""A target whose answer about a row does not depend on how many rows it was asked about."""

import torch
from torch import Tensor

from images_ext.protocols import GradientImageTarget, ImageTarget

__all__ = ["ROW_MULTIPLE", "ConstantRows"]

# Measured on a two-core x86-64 CPU (float32, one thread): with 1 to 3 rows convolutions and products take other kernels
# and the last bits change; from 4 rows on, and at every position, a row keeps them.
ROW_MULTIPLE = 8


class ConstantRows:
    """Make the rows of every question up to a multiple of ``ROW_MULTIPLE``, below the place where they are counted.

    Args:
        target: Any target; needs ``logits`` only where ``logits`` is called.
    """

    def __init__(self, target: ImageTarget) -> None:
        self._target = target
        self.label_names = target.label_names

    def predict(self, pixels: Tensor) -> Tensor:
        """Return probabilities [batch, classes]; see ``ImageTarget``."""
        return self._target.predict(_filled(pixels))[: len(pixels)]

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes]; see ``GradientImageTarget``.

        Raises:
            ValueError: If the target has none.
        """
        if not isinstance(self._target, GradientImageTarget):
            raise ValueError(f"expected a target with logits, got {type(self._target).__name__}")
        return self._target.logits(_filled(pixels))[: len(pixels)]


def _filled(pixels: Tensor) -> Tensor:
    missing = -len(pixels) % ROW_MULTIPLE
    return torch.cat([pixels, pixels[:1].detach().expand(missing, -1, -1, -1)]) if missing else pixels
