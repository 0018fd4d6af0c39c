"""Ways in which codes are moved, side by side: E', its candidates, and what they are to be compared with."""

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from textsem.attacks.manifold import ManifoldConfig
from textsem.evaluation.codes import mean_noise_level
from textsem.latent.moves import DIRECTIONS, CodeBatch, move_as_far, move_codes, unit
from textsem.runs.two_samples import marginal_overlap, mean_discrepancy

__all__ = ["CodeMove", "MoveFigures", "code_moves", "measure_move", "share_outside_span"]

MIN_LENGTH = 1e-6  # of a move, in units of the code's length: below it there is none, and no direction to speak of


@dataclass(frozen=True)
class CodeMove:
    """Codes before and after a move, one row a sentence, each of one particle (Eq. 3: draws, never means).

    Args:
        before: z, [sentences, latent].
        after: z', same shape.
    """

    before: Tensor
    after: Tensor


@dataclass(frozen=True)
class MoveFigures:
    """What is told about a move.

    Args:
        length: |z' - z| of a sentence over |z|, mean.
        noise_absolute: |Z' - Z|_2 / sqrt(B), spectral, mean over batches of 64 (reading 21).
        noise_relative: |Z' - Z|_2 / |Z|_2, likewise.
        ks_statistics: Two-sample statistic of each dimension, z against z'.
        ks_median: Their median.
        ks_largest: Their largest.
        ks_share_significant: Dimensions that differ at 0.05 after Holm.
        mmd_squared: Unbiased MMD^2 of z and z', RBF kernel of median bandwidth.
        mmd_p_value: From permutations.
        outside_span: Share of |z' - z|^2 outside the span of the neighbours' basis, mean over sentences; None where
            nothing moved.
    """

    length: float
    noise_absolute: float
    noise_relative: float
    ks_statistics: tuple[float, ...]
    ks_median: float
    ks_largest: float
    ks_share_significant: float
    mmd_squared: float
    mmd_p_value: float
    outside_span: float | None

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON types."""
        return {**asdict(self), "ks_statistics": list(self.ks_statistics)}


def code_moves(batch: CodeBatch, *, is_spherical: bool) -> dict[str, CodeMove]:
    """Move every sentence's code in each way that is compared.

    Args:
        batch: One candidate a sentence; its ``noise_weight`` is not read.
        is_spherical: Whether codes lie on a sphere, which noise must not leave either.

    Returns:
        By name: ``adversarial`` (z' of E'), ``candidates`` (as the attack moves it: its noise weights and scales in
        turn), ``isotropic`` (as far as E', any direction), ``clean`` (the same sentence's code of E's next particle;
        left out where there is but one).
    """
    z, z_adv = (batch.of_particle(codes)[:, 0] for codes in (batch.clean, batch.adversarial))
    noise = DIRECTIONS["isotropic"](batch)[:, 0]
    moves = {
        "adversarial": CodeMove(z, z_adv),
        "candidates": CodeMove(z, _candidates(batch)),
        "isotropic": CodeMove(z, move_as_far(z, z_adv, noise, is_spherical=is_spherical)),
    }
    M = len(batch.clean)
    if M > 1:
        others = replace(batch, particle=(batch.particle + 1) % M)
        moves["clean"] = CodeMove(z, others.of_particle(batch.clean)[:, 0])
    return moves


def _candidates(batch: CodeBatch, config: ManifoldConfig | None = None) -> Tensor:
    """Return one candidate of E' a sentence, [sentences, latent]; weights and scales of the attack in turn."""
    config = config or ManifoldConfig()
    z = batch.of_particle(batch.clean)[:, 0]
    weights = torch.tensor(config.noise_weights)
    directions = [DIRECTIONS["adversarial"](replace(batch, noise_weight=w[None]))[:, 0] for w in weights]
    steps = torch.linspace(0, 1, config.num_scales)
    scales = config.min_scale * (config.max_scale / config.min_scale) ** steps
    row = torch.arange(len(z))
    chosen = torch.stack(directions)[row // config.num_scales % len(weights), row]
    return move_codes(z, chosen, scales[row % config.num_scales])


def share_outside_span(vectors: Tensor, basis: Tensor) -> Tensor:
    """Return the share of each vector's squared length outside the span of its own basis.

        1 - |U v|^2 / |v|^2

    Args:
        vectors: z' - z, none of them zero, [sentences, latent].
        basis: U, orthonormal rows or zeros (``orthonormal_rows``), [sentences, neighbours, latent].

    Returns:
        0 within the span, 1 orthogonal to it, [sentences]; a random direction has 1 - K / d on average.
    """
    within = torch.einsum("bkd,bd->bk", basis, unit(vectors))
    return (1 - within.square().sum(dim=-1)).clamp(min=0.0)


def measure_move(move: CodeMove, basis: Tensor, *, seed: int, num_permutations: int) -> MoveFigures:
    """Measure one way of moving codes.

    The two samples are of different sentences: a random half gives z, the other z', so that rows are independent as
    the tests assume; a sentence's own z and z' are not.

    Args:
        move: Codes before and after.
        basis: Of the span of each code's neighbours, [sentences, neighbours, latent].
        seed: Draws halves and permutations.
        num_permutations: Of the MMD's test.

    Raises:
        ValueError: If there are fewer than 4 sentences.
    """
    B = len(move.before)
    if B < 4:
        raise ValueError(f"expected at least 4 sentences, got {B}")
    generator = torch.Generator().manual_seed(seed)
    halves = torch.randperm(B, generator=generator) < B // 2
    noise = mean_noise_level(move.before[None], move.after[None])
    z, z_adv = move.before[halves], move.after[~halves]
    overlap = marginal_overlap(z, z_adv)
    discrepancy = mean_discrepancy(z, z_adv, num_permutations=num_permutations, generator=generator)
    vectors = move.after - move.before
    lengths = vectors.norm(dim=-1) / move.before.norm(dim=-1)
    has_moved = lengths > MIN_LENGTH
    outside = None
    if bool(has_moved.any()):
        outside = float(share_outside_span(vectors[has_moved], basis[has_moved]).mean())
    return MoveFigures(
        float(lengths.mean()),
        noise.absolute,
        noise.relative,
        overlap.statistics,
        overlap.median,
        overlap.largest,
        overlap.share_significant,
        discrepancy.squared,
        discrepancy.p_value,
        outside,
    )
