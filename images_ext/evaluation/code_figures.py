"""How E' moves codes of images: reading 21's noise, whether z' still looks like z, and what moves are compared with."""

from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from images_ext.attacks.move_config import MoveConfig
from images_ext.model import ImageAdversary
from textsem.latent.gram_schmidt import orthonormal_rows
from textsem.latent.manifold import latent_noise_levels
from textsem.latent.moves import local_neighbours, move_as_far, unit
from textsem.runs.two_samples import marginal_overlap, mean_discrepancy

__all__ = ["CodeMove", "CodedImages", "class_share", "code_images", "code_moves", "measure_move", "noise_levels"]

BATCH_SIZE = 64  # images that are encoded together
MIN_LENGTH = 1e-6  # of a move, in units of the code's length: below it there is no direction to speak of


@dataclass(frozen=True, eq=False)
class CodedImages:
    """Images as codes of every particle.

    Args:
        clean: Z, [particles, images, latent].
        adversarial: Z', same shape.
        neighbours: Ways from each image's mean code to its neighbours in the bank, [images, neighbours, latent].
        particle: One particle an image (Eq. 3: draws, never means), [images].
        noise: Standard normal, [images, latent].
    """

    clean: Tensor
    adversarial: Tensor
    neighbours: Tensor
    particle: Tensor
    noise: Tensor

    def drawn(self, codes: Tensor, shift: int = 0) -> Tensor:
        """Return the code of each image's own particle, or of the one ``shift`` places on, [images, latent]."""
        M, B = codes.shape[:2]
        return codes[(self.particle + shift) % M, torch.arange(B)]


@dataclass(frozen=True, eq=False)
class CodeMove:
    """Codes before and after a move, one row an image, both [images, latent]."""

    before: Tensor
    after: Tensor


@torch.no_grad()
def code_images(model: ImageAdversary, pixels: Tensor, labels: Tensor, *, num_particles: int, seed: int) -> CodedImages:
    """Encode images and perturb their codes.

    Args:
        model: A trained adversary.
        pixels: In [0, 1], [images, channels, height, width].
        labels: [images].
        num_particles: M.
        seed: Draws particles and noise.
    """
    generator = torch.Generator().manual_seed(seed)
    theta, theta_adv = model.draw_particles(num_particles, generator)
    features = torch.cat([model.features(part) for part in torch.split(pixels, BATCH_SIZE)])
    clean = model.codes(features, theta)
    bank = model.codes(model.bank_features, theta).mean(dim=0)
    K = min(MoveConfig().num_neighbours, clean.shape[-1], len(bank) - 1)
    parts = [local_neighbours(part, bank, num_neighbours=K) for part in torch.split(clean.mean(dim=0), BATCH_SIZE)]
    return CodedImages(
        clean=clean,
        adversarial=model.perturb(clean, features, theta_adv, labels),
        neighbours=torch.cat(parts),
        particle=torch.randint(num_particles, (len(pixels),), generator=generator),
        noise=torch.randn(len(pixels), clean.shape[-1], generator=generator),
    )


def noise_levels(clean: Tensor, adversarial: Tensor) -> dict[str, float]:
    """Return the latent noise level of reading 21, its mean and deviation over batches of 64.

    Args:
        clean: Z, [particles, images, latent], at least one image.
        adversarial: Z', same shape.
    """
    levels = latent_noise_levels(clean, adversarial)
    absolute = [level.absolute for level in levels]
    return {
        "absolute": mean(absolute),
        "deviation": stdev(absolute) if len(absolute) > 1 else 0.0,
        "relative": mean(level.relative for level in levels),
    }


def code_moves(coded: CodedImages, *, is_spherical: bool) -> dict[str, CodeMove]:
    """Return the move of E' and what it is compared with.

    Args:
        coded: Images as codes.
        is_spherical: Whether codes lie on a sphere, which noise must not leave either.

    Returns:
        By name: ``adversarial`` (z' of E'), ``isotropic`` (as far as E', any direction), ``clean`` (the same image's
        code of E's next particle; left out where there is but one), ``unmoved``.
    """
    z, z_adv = coded.drawn(coded.clean), coded.drawn(coded.adversarial)
    moves = {
        "adversarial": CodeMove(z, z_adv),
        "isotropic": CodeMove(z, move_as_far(z, z_adv, coded.noise, is_spherical=is_spherical)),
    }
    if len(coded.clean) > 1:
        moves["clean"] = CodeMove(z, coded.drawn(coded.clean, shift=1))
    return {**moves, "unmoved": CodeMove(z, z)}


def class_share(move: CodeMove, labels: Tensor) -> float:
    """Return how much of a move's direction is the same for all images of a class: |mean of unit moves|^2, mean.

    1: every class has one way, whatever the image; directions that have nothing to do with each other have 1 over the
    images of a class.

    Args:
        move: Codes before and after.
        labels: [images].
    """
    ways = unit(move.after - move.before)
    is_class = torch.nn.functional.one_hot(labels).to(ways)
    means = is_class.mT @ ways / is_class.sum(dim=0).clamp_min(1)[:, None]
    return means[labels].square().sum(dim=1).mean().item()


def measure_move(move: CodeMove, neighbours: Tensor, *, num_permutations: int, seed: int) -> dict[str, Any]:
    """Measure one way of moving codes.

    The two samples are of different images: a random half gives z, the other z', so that rows are independent as the
    tests assume; an image's own z and z' are not.

    Args:
        move: Codes before and after.
        neighbours: Whose span is meant, [images, neighbours, latent].
        num_permutations: Of the MMD's test.
        seed: Draws halves and permutations.

    Returns:
        ``length`` |z' - z| / |z|, mean; ``noise`` of ``noise_levels``; ``marginals`` and ``discrepancy`` of
        ``two_samples``; ``outside_span``: share of |z' - z|^2 outside the neighbours' span, mean; None if nothing
        moved.

    Raises:
        ValueError: If there are fewer than 4 images.
    """
    B = len(move.before)
    if B < 4:
        raise ValueError(f"expected at least 4 images, got {B}")
    generator = torch.Generator().manual_seed(seed)
    halves = torch.randperm(B, generator=generator) < B // 2
    z, z_adv = move.before[halves], move.after[~halves]
    vectors = move.after - move.before
    lengths = vectors.norm(dim=-1) / move.before.norm(dim=-1)
    has_moved = lengths > MIN_LENGTH
    outside = None
    if bool(has_moved.any()):
        within = torch.einsum("bkd,bd->bk", orthonormal_rows(neighbours[has_moved]), unit(vectors[has_moved]))
        outside = float((1 - within.square().sum(dim=-1)).clamp(min=0).mean())
    return {
        "length": float(lengths.mean()),
        "noise": noise_levels(move.before[None], move.after[None]),
        "marginals": asdict(marginal_overlap(z, z_adv)),
        "discrepancy": asdict(mean_discrepancy(z, z_adv, num_permutations=num_permutations, generator=generator)),
        "outside_span": outside,
    }
