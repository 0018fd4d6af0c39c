"""What answers about some candidates say about others: Gaussian-process regression of the label's lead."""

import torch
from torch import Tensor

__all__ = ["predict_lead"]

NOISE = 1e-2  # variance of the answers that no point explains, in units of their variance
MIN_SCALE = 1e-6  # below it answers or distances are all alike


def predict_lead(points: Tensor, leads: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Predict the lead of candidates from the leads of points that were asked.

        mean = m + s k^T (K + NOISE I)^-1 (f - m) / s,   variance = s^2 (1 - k^T (K + NOISE I)^-1 k),
        k(a, b) = exp(-|a - b|^2 / (2 h)),   h = mean squared distance between points

    m and s are mean and deviation of the leads.  With a single point, or points all alike, nothing can be learnt:
    every candidate gets the mean.

    Args:
        points: [points, numbers].
        leads: f, [points].
        candidates: [candidates, numbers].

    Returns:
        Mean and standard deviation, [candidates] each, in the unit of the leads.
    """
    points, candidates, leads = points.double(), candidates.double(), leads.double()
    mean, deviation = leads.mean(), leads.std(correction=0)
    squared = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    h = squared.sum() / max(1, len(points) * (len(points) - 1))
    if deviation < MIN_SCALE or h < MIN_SCALE:
        return mean.expand(len(candidates)).clone(), deviation.expand(len(candidates)).clone()
    kernel = (-squared / (2 * h)).exp() + NOISE * torch.eye(len(points), dtype=torch.float64)
    across = (-torch.cdist(candidates, points, compute_mode="donot_use_mm_for_euclid_dist").square() / (2 * h)).exp()
    factor = torch.linalg.cholesky(kernel)
    solved = torch.cholesky_solve(((leads - mean) / deviation)[:, None], factor)
    explained = torch.linalg.solve_triangular(factor, across.T, upper=False).square().sum(dim=0)
    spread = deviation * (1 - explained).clamp_min(0).sqrt()
    return mean + deviation * (across @ solved)[:, 0], spread
