"""A flat world: codes are the first two coordinates of a point, and E' moves each code by one step to the right."""

import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversary, PointAdversaryConfig

STEP = 0.1
TINY = PointAdversaryConfig(
    width=8,
    feature_dim=5,
    particle_hidden=(6,),
    batch_size=16,
    reconstruction_steps=3,
    manifold_steps=2,
    adversarial_steps=2,
    evolution_pairs=2,
)


class FlatAdversary(PointAdversary):
    """Codes [particles, batch, 2] with a little of each particle in them, so that particles differ."""

    def __init__(self) -> None:
        super().__init__(TINY)
        self.initialise(torch.Generator().manual_seed(0))

    def codes(self, points: Tensor, theta: Tensor, theta_adv: Tensor) -> tuple[Tensor, Tensor]:
        z = points[:, :2] + 1e-4 * torch.arange(len(theta))[:, None, None] * torch.tensor([1.0, -1.0])
        return z, z + torch.tensor([STEP, 0.0])

    def decode(self, codes: Tensor) -> Tensor:
        return torch.nn.functional.pad(codes, (0, 1))


def logits_of_half_space(points: Tensor, *, direction: Tensor, offset: float) -> Tensor:
    """Class 1 of 4 where direction . x > offset, else class 0; logits [rows, 4]."""
    height = points @ direction - offset
    low = torch.full_like(height, -9.0)
    return torch.stack([-height, height, low, low], dim=-1)
