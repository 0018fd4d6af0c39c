"""How far a code has to move for its image to lie a given distance from x: the decoder knows, no query is spent."""

import torch
from torch import Tensor

__all__ = ["GRID", "scales_that_reach"]

# Shares of the code's length that are tried; on the sphere 8 is 83 degrees.
GRID = tuple(2.0**power for power in range(-6, 4))
_NO_DISTANCE = 1e-12  # below a byte of one pixel in every norm, mean squares of colour images too


def scales_that_reach(distances: Tensor, wanted: Tensor) -> Tensor:
    """Read off at which scales each direction leads to the wanted distances, log by log between those of the grid.

    Args:
        distances: Of the images at each scale of ``GRID``, [directions, grid]; where one is below that of a shorter
            move, as decoders may have it, the shorter one's counts.
        wanted: Distances from x, above 0, [wanted].

    Returns:
        Scales, [directions, wanted]; the grid's ends where no scale is short or long enough.
    """
    grid = torch.tensor(GRID).log()
    known = distances.clamp_min(_NO_DISTANCE).log().cummax(dim=1).values
    aim = wanted.to(known).clamp_min(_NO_DISTANCE).log().expand(len(known), -1).contiguous()
    right = torch.searchsorted(known.contiguous(), aim).clamp(1, len(GRID) - 1)
    low, high = known.gather(1, right - 1), known.gather(1, right)
    share = ((aim - low) / (high - low).clamp_min(_NO_DISTANCE)).clamp(0, 1)
    return (grid[right - 1] + share * (grid[right] - grid[right - 1])).exp()
