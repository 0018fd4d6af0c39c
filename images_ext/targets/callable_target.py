"""Any function from pixels to probabilities, as a target: score or label access alone."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from images_ext.targets.answers import check_label_names, check_pixels, check_probabilities

__all__ = ["CallableTarget"]


class CallableTarget:
    """Ask a function.

    >>> target = CallableTarget(lambda pixels: torch.tensor([[0.25, 0.75]]).expand(len(pixels), 2), ("cat", "dog"))
    >>> target.predict(torch.zeros(1, 1, 2, 2))
    tensor([[0.2500, 0.7500]])

    Args:
        function: Pixels in [0, 1], float32, [batch, channels, height, width], to probabilities [batch, classes]: a
            tensor, or what ``torch.as_tensor`` takes (an array, lists).
        label_names: The name of each class.

    Raises:
        ValueError: If the names are not two or more different ones.
    """

    def __init__(self, function: Callable[[Tensor], object], label_names: Sequence[str]) -> None:
        self.function = function
        self.label_names = check_label_names(label_names)

    def predict(self, pixels: Tensor) -> Tensor:
        """Return probabilities [batch, classes], float32 on the CPU.

        Raises:
            ValueError: If pixels are not float in [0, 1], or a row of the answer is no probabilities.
            TargetError: If the function gives another number of rows or classes.
        """
        check_pixels(pixels)
        if len(pixels) == 0:
            return torch.empty(0, len(self.label_names))
        with torch.no_grad():
            answer = torch.as_tensor(self.function(pixels))
        return check_probabilities(answer, num_rows=len(pixels), label_names=self.label_names)
