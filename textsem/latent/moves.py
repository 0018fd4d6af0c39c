"""Moves of a code: which way, and how far.  Every source of candidates that moves codes differs here alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.latent.gram_schmidt import orthonormal_rows

__all__ = ["DIRECTIONS", "CodeBatch", "local_neighbours", "move_as_far", "move_codes", "pair_noise", "unit"]

# A direction shorter than this is rounding and no direction: it becomes zero instead of being blown up to unit length.
MIN_NORM = 1e-5
CONE_SHARPNESS = 2.0  # standard deviation of the log of a neighbour's weight
CONE_TILT = 2.0  # log weight that a neighbour gains for each standard deviation by which E' leads its way
ISOTROPIC_SHARE = 0.7  # of the noise beside the cone: brings what no neighbour has


@dataclass(frozen=True)
class CodeBatch:
    """What a direction may be made of, for a batch of inputs.

    Args:
        clean: Z, codes of E, [particles, batch, latent].
        adversarial: Z', codes of E', [particles, batch, latent].
        neighbours: Ways from each code to its neighbours in the bank, nearest first, [batch, neighbours, latent].
        particle: Which particle each candidate belongs to (one per draw, Eq. 3), [batch, candidates].
        noise: Standard normal numbers of the input's own generator, [batch, candidates, numbers]; as many numbers as
            the larger of the latent dimension and the particles; neighbours are no more than latent dimensions.
        noise_weight: Length of the noise that is added to the adversarial move, in units of that move, [candidates].
    """

    clean: Tensor
    adversarial: Tensor
    neighbours: Tensor
    particle: Tensor
    noise: Tensor
    noise_weight: Tensor

    def of_particle(self, codes: Tensor) -> Tensor:
        """Pick each candidate's particle from ``codes`` [particles, batch, latent]: [batch, candidates, latent]."""
        rows = torch.arange(codes.shape[1])[:, None]
        return codes[self.particle, rows]


def adversarial_directions(batch: CodeBatch) -> Tensor:
    """Return z' - z of E', plus noise that stays where E' leads to and the data are, [batch, candidates, latent].

        d = unit(u + w unit(cone + share n)),   cone = unit(sum_k w_k b_k),   log w_k = tilt a_k + sharpness e_k

    u is the move of E', b_k the way to neighbour k, a_k the standardised cosine of the two, e_k and n noise, w the
    candidate's ``noise_weight``.  E' alone leaves the manifold where that fools the target; on the way to real
    data that lie in its direction it is as successful and keeps closer to them (measured on text, see the README).
    """
    move = unit(batch.of_particle(batch.adversarial) - batch.of_particle(batch.clean))
    agreement = torch.einsum("bcd,bkd->bck", move, unit(batch.neighbours))
    agreement = agreement - agreement.mean(dim=-1, keepdim=True)
    scale = agreement.std(dim=-1, keepdim=True, correction=0)
    cone = _cone(batch, CONE_TILT * agreement / scale.clamp(min=MIN_NORM))
    noise = unit(cone + ISOTROPIC_SHARE * isotropic_directions(batch))
    return unit(move + batch.noise_weight[:, None] * noise)


def cone_directions(batch: CodeBatch) -> Tensor:
    """Return random non-negative mixtures of the ways to the neighbours: E' left out, between the code and real ones.

    Of mixtures with both signs (``basis``) every other component leads away from the data; on text their neighbours are
    less fluent.
    """
    return _cone(batch, torch.zeros(()))


def _cone(batch: CodeBatch, preference: Tensor) -> Tensor:
    """Mix the ways to the neighbours; weights are log-normal, so that two or three neighbours decide.

    Args:
        batch: See ``CodeBatch``.
        preference: Added to the logs of the weights, [batch, candidates, neighbours] or a scalar.
    """
    weights = (preference + CONE_SHARPNESS * batch.noise[..., : batch.neighbours.shape[1]]).exp()
    return unit(torch.einsum("bck,bkd->bcd", weights, unit(batch.neighbours)))


def basis_directions(batch: CodeBatch) -> Tensor:
    """Return noise along the Gram-Schmidt basis of the neighbourhood, of both signs: GBSM without Eq. 6."""
    basis = orthonormal_rows(batch.neighbours)
    return unit(torch.einsum("bck,bkd->bcd", batch.noise[..., : basis.shape[1]], basis))


def clean_directions(batch: CodeBatch) -> Tensor:
    """Return random mixtures of what separates E's particles: samples of the clean posterior, moved on.

    A single particle is separated from nothing: its directions are zero.
    """
    deviation = batch.clean - batch.clean.mean(dim=0)
    return unit(torch.einsum("bcm,mbd->bcd", batch.noise[..., : batch.clean.shape[0]], deviation))


def isotropic_directions(batch: CodeBatch) -> Tensor:
    """Return noise that prefers no direction."""
    return unit(batch.noise[..., : batch.clean.shape[-1]])


def no_directions(batch: CodeBatch) -> Tensor:
    """Return zeros: the clean reconstruction."""
    return torch.zeros_like(batch.of_particle(batch.clean))


DIRECTIONS: dict[str, Callable[[CodeBatch], Tensor]] = {
    "adversarial": adversarial_directions,
    "basis": basis_directions,
    "cone": cone_directions,
    "clean": clean_directions,
    "isotropic": isotropic_directions,
    "reconstruction": no_directions,
}


def unit(vectors: Tensor) -> Tensor:
    """Return vectors of length one, and zero vectors where there was none."""
    norm = vectors.norm(dim=-1, keepdim=True)
    return torch.where(norm > MIN_NORM, vectors / norm.clamp(min=MIN_NORM), 0.0)


def move_codes(codes: Tensor, directions: Tensor, scales: Tensor) -> Tensor:
    """Move codes on the sphere of their own length: the same share of it for every direction.

        z_k = |z| unit(z + s_k |z| t_k),   t_k = unit(d_k - (d_k . z) z / |z|^2)

    Only what is tangent to the sphere counts, so that candidates of all sources lie equally far from z; a direction
    of zeros leaves the code where it is.

    Args:
        codes: z, [..., latent].
        directions: d_k, same shape.
        scales: s_k, [...].

    Returns:
        z_k, same shape, as long as z.
    """
    radius = codes.norm(dim=-1, keepdim=True)
    along = unit(codes)
    tangent = unit(directions - (directions * along).sum(dim=-1, keepdim=True) * along)
    moved: Tensor = radius * unit(along + scales[..., None] * tangent)
    return moved


def move_as_far(z: Tensor, z_adv: Tensor, noise: Tensor, *, is_spherical: bool) -> Tensor:
    """Move codes along noise until they are as far away as others: what a move is compared with.

    On a sphere along its arc, where equal angles are equal distances.

    Args:
        z: [batch, latent].
        z_adv: The others, same shape.
        noise: Where to, same shape; its length does not count.
        is_spherical: Whether codes lie on a sphere, which noise must not leave either.

    Returns:
        [batch, latent].
    """
    if not is_spherical:
        straight: Tensor = z + (z_adv - z).norm(dim=-1, keepdim=True) * unit(noise)
        return straight
    cosine = (unit(z) * unit(z_adv)).sum(dim=-1, keepdim=True).clamp(-1, 1)
    tangent = unit(noise - (noise * unit(z)).sum(dim=-1, keepdim=True) * unit(z))
    moved: Tensor = cosine * z + (1 - cosine.square()).sqrt() * z.norm(dim=-1, keepdim=True) * tangent
    return moved


def local_neighbours(codes: Tensor, bank: Tensor, *, num_neighbours: int) -> Tensor:
    """Return the ways from each code to its neighbours in a frozen bank of training codes, nearest first.

    Sec. 4, "representative local points"; reading 13: at attack time these come from a bank, so that a result does not
    depend on batch mates.  Differences to the code itself span the tangent of the manifold at that code; their
    Gram-Schmidt basis is ``orthonormal_rows`` of them.

    Args:
        codes: [batch, latent].
        bank: [bank, latent].
        num_neighbours: K, at most the size of the bank.

    Returns:
        [batch, K, latent].
    """
    # Matrix products would blur distances near 0, where a code is told from its neighbours.
    distances = torch.cdist(codes, bank, compute_mode="donot_use_mm_for_euclid_dist")
    is_itself = distances < 1e-3 * codes.norm(dim=-1, keepdim=True)
    nearest = distances.masked_fill(is_itself, torch.inf).topk(num_neighbours, largest=False).indices
    return bank[nearest] - codes[:, None]


def pair_noise(
    seeds: Sequence[int], num_candidates: int, num_numbers: int, num_particles: int
) -> tuple[Tensor, Tensor]:
    """Draw particle indices [batch, candidates] and noise [batch, candidates, numbers], each from its own seed."""
    particles, noise = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        particles.append(torch.randint(num_particles, (num_candidates,), generator=generator))
        noise.append(torch.randn(num_candidates, num_numbers, generator=generator))
    return torch.stack(particles), torch.stack(noise)
