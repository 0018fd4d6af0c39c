"""What is reported about codes: how far they were moved, and how far the particles are apart."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LatentNoise", "code_spread", "latent_noise_level", "latent_noise_levels"]

# The spectral norm is taken over a batch and grows with it; 64 is the batch of Table 10.
NOISE_BATCH = 64


@dataclass(frozen=True)
class LatentNoise:
    """Latent noise level of App. A, as reading 21 takes it.

    Args:
        absolute: |Z' - Z|_2 / sqrt(B), spectral norm, mean over particles; units of the code.
        relative: |Z' - Z|_2 / |Z|_2, mean over particles; free of the code's arbitrary scale.
    """

    absolute: float
    relative: float


def latent_noise_level(z: Tensor, z_adv: Tensor) -> LatentNoise:
    """Measure how far E' moved the codes of one batch.

    Args:
        z: Clean codes, [particles, batch, latent].
        z_adv: Perturbed codes, same shape.

    Returns:
        Means over particles; average over batches yourself.

    Raises:
        ValueError: If the shapes differ.
    """
    if z.shape != z_adv.shape:
        raise ValueError(f"expected z_adv of shape {list(z.shape)}, got {list(z_adv.shape)}")
    B = z.shape[1]
    moved = torch.linalg.matrix_norm(z_adv.detach() - z.detach(), ord=2)
    size = torch.linalg.matrix_norm(z.detach(), ord=2)
    return LatentNoise((moved / B**0.5).mean().item(), (moved / size).mean().item())


def latent_noise_levels(z: Tensor, z_adv: Tensor) -> list[LatentNoise]:
    """Measure how far E' moved the codes of a data set, batch by batch of 64 (Table 10).

    A last batch that is not full would weigh as much as a full one and is left out; alone it is all there is.

    Args:
        z: Clean codes, [particles, examples, latent], at least one example.
        z_adv: Perturbed codes, same shape.

    Returns:
        One level a batch.
    """
    B = z.shape[1]
    size = min(NOISE_BATCH, B)
    batches = [slice(start, start + size) for start in range(0, B - size + 1, size)]
    return [latent_noise_level(z[:, batch], z_adv[:, batch]) for batch in batches]


def code_spread(codes: Tensor) -> float:
    """Return the spread of a code over particles, relative to the spread over examples (reading 4b).

        sqrt( mean |z_mb - mean_m z_mb|^2 / mean |z_mb - mean_b z_mb|^2 )

    Args:
        codes: [particles, batch, latent].

    Returns:
        0 where all particles agree; about 1 where a particle says as much as an example.
    """
    over_particles = (codes - codes.mean(dim=0, keepdim=True)).square().mean()
    over_examples = (codes - codes.mean(dim=1, keepdim=True)).square().mean()
    return (over_particles / over_examples).sqrt().item()
