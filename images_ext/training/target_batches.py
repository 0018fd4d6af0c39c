"""What a target's training step sees: augmented and perturbed images."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from images_ext.attacks.pgd import PgdConfig, pgd_steps, random_start

__all__ = ["StoredPerturbations", "mirrored", "perturbed", "shifted"]


def shifted(pixels: Tensor, *, max_shift: int, generator: torch.Generator) -> Tensor:
    """Move each image by whole places, up to ``max_shift`` each way; what comes in repeats the border.

    Args:
        pixels: [batch, channels, height, width].
        max_shift: 0 gives the images back.
        generator: Draws the moves.
    """
    batch, _, height, width = pixels.shape
    if max_shift == 0:
        return pixels
    padded = F.pad(pixels, (max_shift,) * 4, mode="replicate")
    moves = torch.randint(0, 2 * max_shift + 1, (2, batch, 1), generator=generator)
    rows, columns = moves[0] + torch.arange(height), moves[1] + torch.arange(width)
    moved = padded.movedim(1, -1)[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.movedim(-1, 1).contiguous()


def mirrored(pixels: Tensor, *, generator: torch.Generator) -> Tensor:
    """Mirror each image, left to right, with probability one half."""
    is_mirrored = torch.rand(len(pixels), 1, 1, 1, generator=generator) < 0.5
    return torch.where(is_mirrored, pixels.flip(-1), pixels)


def perturbed(network: nn.Module, pixels: Tensor, labels: Tensor, *, start: Tensor, config: PgdConfig) -> Tensor:
    """Attack a batch against the network as it stands, in evaluation mode, so that no running mean learns from it.

    Args:
        network: Left in training mode.
        pixels: [batch, channels, height, width].
        labels: [batch].
        start: First iterates.
        config: Norm, radius, step size, number of steps.
    """
    network.eval()
    try:
        return pgd_steps(network, pixels, labels, start=start, config=config)
    finally:
        network.train()


class StoredPerturbations:
    """Where each training image's last attack ended (Zheng et al. 2020), in half precision.

    Args:
        shape: Images, channels, height, width.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.values = torch.zeros(shape, dtype=torch.float16)
        self.is_known = torch.zeros(shape[0], dtype=torch.bool)

    def start(self, places: Tensor, pixels: Tensor, *, config: PgdConfig, generator: torch.Generator) -> Tensor:
        """Return the first iterates of a batch: its stored ones, or random ones where there are none yet.

        A stored one may lie outside a ball that shrank, or by float16's rounding; the first step brings it back.
        """
        fresh = random_start(pixels, config=config, generator=generator)
        stored = (pixels + self.values[places].float()).clamp(0.0, 1.0)
        return torch.where(self.is_known[places][:, None, None, None], stored, fresh)

    def keep(self, places: Tensor, difference: Tensor) -> None:
        """Store x' - x of a batch."""
        self.values[places] = difference.half()
        self.is_known[places] = True
