"""Do two samples of codes come from one distribution?  Marginal by marginal, and all dimensions together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["MarginalOverlap", "MeanDiscrepancy", "holm", "marginal_overlap", "mean_discrepancy", "squared_mmd"]

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class MarginalOverlap:
    """Two-sample Kolmogorov-Smirnov tests, one a dimension.

    Args:
        statistics: Largest gap between both empirical distribution functions of each dimension, in [0, 1].
        median: Of the statistics.
        largest: Of the statistics.
        share_significant: Dimensions whose p-value, adjusted after Holm for their number, is below 0.05.
    """

    statistics: tuple[float, ...]
    median: float
    largest: float
    share_significant: float


@dataclass(frozen=True)
class MeanDiscrepancy:
    """Maximum mean discrepancy with its permutation test.

    Args:
        squared: Unbiased estimate of MMD^2; may be below 0.
        p_value: Share of random divisions of the pooled sample with at least as large an estimate, the one at hand
            among them.
        bandwidth: h of the kernel, squared units of the code.
    """

    squared: float
    p_value: float
    bandwidth: float


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, so that the chance of any false one stays below the level.

        adjusted_(i) = max over j <= i of min(1, (n - j + 1) p_(j)),   p_(1) <= ... <= p_(n)

    Holm 1979.

    Example:
        >>> holm([0.04, 0.01, 0.03])
        [0.06, 0.03, 0.06]
    """
    n = len(p_values)
    adjusted, highest = [0.0] * n, 0.0
    for rank, i in enumerate(sorted(range(n), key=lambda k: p_values[k])):
        highest = max(highest, min(1.0, (n - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def marginal_overlap(a: Tensor, b: Tensor) -> MarginalOverlap:
    """Test each dimension apart.

    Args:
        a: First sample, rows independent of each other and of ``b``, [rows, dimensions].
        b: Second sample, [rows of its own, dimensions].

    Raises:
        ValueError: If a sample is empty or the dimensions differ.
    """
    _check(a, b, at_least=1)
    from scipy.stats import ks_2samp

    # The asymptotic p-value: exact ones for hundreds of rows differ by less than the statistic's own steps.
    tests = [ks_2samp(x, y, method="asymp") for x, y in zip(a.T.numpy(), b.T.numpy(), strict=True)]
    statistics = [float(test.statistic) for test in tests]
    adjusted = holm([float(test.pvalue) for test in tests])
    return MarginalOverlap(
        tuple(statistics),
        median=float(np.median(statistics)),
        largest=max(statistics),
        share_significant=sum(p < SIGNIFICANT for p in adjusted) / len(adjusted),
    )


def squared_mmd(kernel: Tensor, is_first: Tensor) -> Tensor:
    """Estimate MMD^2 without bias, for one or many divisions of a pooled sample.

        1/(n(n-1)) sum_{i != j} k(a_i, a_j) + 1/(m(m-1)) sum_{i != j} k(b_i, b_j) - 2/(nm) sum_ij k(a_i, b_j)

    Gretton et al. 2012, Eq. 3.

    Args:
        kernel: k of the pooled sample, [rows, rows].
        is_first: 1 for a row of the first sample, else 0, [rows, divisions]; each sample has 2 rows or more.

    Returns:
        [divisions].
    """
    is_second = 1 - is_first
    n, m, diagonal = is_first.sum(dim=0), is_second.sum(dim=0), kernel.diagonal()
    towards_first, towards_second = kernel @ is_first, kernel @ is_second
    within_first = (is_first * towards_first).sum(dim=0) - diagonal @ is_first
    within_second = (is_second * towards_second).sum(dim=0) - diagonal @ is_second
    between = (is_first * towards_second).sum(dim=0)
    return within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2 * between / (n * m)


def mean_discrepancy(
    a: Tensor, b: Tensor, *, num_permutations: int, generator: torch.Generator, bandwidth: float | None = None
) -> MeanDiscrepancy:
    """Compare two samples in all dimensions together, with k(x, y) = exp(-|x - y|^2 / h).

    Args:
        a: First sample, [rows, dimensions].
        b: Second sample, [rows of its own, dimensions].
        num_permutations: Random divisions that the estimate is held against.
        generator: Draws them.
        bandwidth: h; None for the median of the squared distances between different rows of the pooled sample.

    Raises:
        ValueError: If a sample has fewer than 2 rows, the dimensions differ, or all rows are the same.
    """
    _check(a, b, at_least=2)
    pooled = torch.cat([a, b]).double()
    N = len(pooled)
    squares = torch.cdist(pooled, pooled).square()
    h = bandwidth if bandwidth is not None else float(squares[~torch.eye(N, dtype=torch.bool)].median())
    if not h > 0:
        raise ValueError(f"expected a bandwidth above 0, got {h}")
    own = torch.zeros(N, 1, dtype=torch.float64)
    own[: len(a)] = 1
    orders = [torch.randperm(N, generator=generator) for _ in range(num_permutations)]
    found = squared_mmd((-squares / h).exp(), torch.cat([own, *(own[order] for order in orders)], dim=1))
    # The division at hand counts among the permutations, so that no p-value is 0 (Phipson & Smyth 2010).
    p_value = float((found >= found[0]).double().mean())
    return MeanDiscrepancy(float(found[0]), p_value, h)


def _check(a: Tensor, b: Tensor, *, at_least: int) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < at_least or not a.shape[1]:
        raise ValueError(
            f"expected two samples [rows, dimensions] of {at_least} rows or more and equal dimensions, "
            f"got {list(a.shape)} and {list(b.shape)}"
        )
