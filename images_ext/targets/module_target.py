"""Any network that gives logits, as a target."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from images_ext.targets.answers import check_label_names, check_logits, check_pixels

__all__ = ["ModuleTarget"]

# Rows of one forward pass, so that memory does not grow with the question.
CHUNK_ROWS = 256


class ModuleTarget(nn.Module):
    """Ask a network; the one place where pixels in [0, 1] become what it was trained on.

        logits = module((pixels - mean) / deviation)

    >>> target = ModuleTarget(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), ("cat", "dog"), mean=0.5, deviation=0.25)
    >>> target.predict(torch.zeros(3, 1, 2, 2)).shape
    torch.Size([3, 2])

    Args:
        module: Gives logits [batch, classes]; put into evaluation mode, and asked on the device where it lies.
        label_names: The name of each class.
        mean: One number, or one a channel, on pixels in [0, 1].
        deviation: Likewise, > 0.

    Raises:
        ValueError: If the names are not two or more different ones, or a deviation is not positive.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        module: nn.Module,
        label_names: Sequence[str],
        *,
        mean: float | Sequence[float] = 0.0,
        deviation: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__()
        self.module = module.eval()
        self.label_names = check_label_names(label_names)
        self.register_buffer("mean", _per_channel(mean), persistent=False)
        self.register_buffer("deviation", _per_channel(deviation), persistent=False)
        if not bool((self.deviation > 0).all()):
            raise ValueError(f"expected deviations > 0, got {deviation}")
        first = next(iter(module.parameters()), None)
        if first is not None:
            self.mean, self.deviation = self.mean.to(first.device), self.deviation.to(first.device)

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes], differentiable in ``pixels``, on the module's device.

        Raises:
            ValueError: If pixels are not float in [0, 1] with the module's channels, or an answer is not finite.
            TargetError: If the module gives another number of classes than there are names.
        """
        check_pixels(pixels)
        channels = len(self.mean)
        if channels not in (1, pixels.shape[1]):
            raise ValueError(
                f"expected pixels of {channels} channels, as mean and deviation have, got {pixels.shape[1]}"
            )
        answer = self.module((pixels.to(self.mean.device) - self.mean) / self.deviation)
        return check_logits(answer, num_rows=len(pixels), label_names=self.label_names)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ``logits``."""
        return self.logits(pixels)

    @torch.no_grad()
    def predict(self, pixels: Tensor) -> Tensor:
        """Return probabilities [batch, classes], float32 on the CPU."""
        if len(pixels) == 0:
            return torch.empty(0, len(self.label_names))
        answers = [self.logits(chunk).float().softmax(dim=-1).cpu() for chunk in torch.split(pixels, CHUNK_ROWS)]
        return torch.cat(answers)


def _per_channel(value: float | Sequence[float]) -> Tensor:
    """Return [channels, 1, 1]; one channel stands for all."""
    values = torch.tensor([value] if isinstance(value, (int, float)) else list(value), dtype=torch.float32)
    return values[:, None, None]
