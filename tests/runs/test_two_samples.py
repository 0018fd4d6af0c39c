import math

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from textsem.runs.intervals import ks_statistic
from textsem.runs.two_samples import holm, marginal_overlap, mean_discrepancy, squared_mmd


def normal(rows: int, dim: int, *, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + shift


def naive_mmd(a: Tensor, b: Tensor, h: float) -> float:
    def k(x: Tensor, y: Tensor) -> float:
        return math.exp(-float((x - y).square().sum()) / h)

    n, m = len(a), len(b)
    first = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    second = sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    between = sum(k(x, y) for x in a for y in b) / (n * m)
    return first + second - 2 * between


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04; the last may not fall below the third.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_marginals_agree_with_scipy_and_with_the_package() -> None:
    a, b = normal(80, 5, seed=0), normal(60, 5, seed=1)
    b[:, 0] += 2.0
    b[:, 3] -= 0.5
    found = marginal_overlap(a, b)
    tests = [ks_2samp(a[:, k].numpy(), b[:, k].numpy(), method="asymp") for k in range(5)]
    assert found.statistics == pytest.approx([test.statistic for test in tests])
    assert found.statistics == pytest.approx([ks_statistic(a[:, k], b[:, k]) for k in range(5)])
    assert found.median == pytest.approx(sorted(found.statistics)[2])
    assert found.largest == pytest.approx(found.statistics[0])
    p_values = [float(test.pvalue) for test in tests]
    assert p_values[0] * 5 < 0.05
    assert found.share_significant == sum(p < 0.05 for p in holm(p_values)) / 5


def test_marginals_of_one_distribution_are_hardly_ever_significant() -> None:
    shares = [
        marginal_overlap(normal(60, 20, seed=s), normal(60, 20, seed=100 + s)).share_significant for s in range(20)
    ]
    # Any false one in at most 5% of 20 comparisons, of which 4 or more have a chance of 1.6%.
    assert sum(share > 0 for share in shares) < 4
    assert marginal_overlap(normal(60, 20, seed=0), normal(60, 20, seed=1, shift=3.0)).share_significant == 1.0


@pytest.mark.parametrize("sizes", [(7, 7), (5, 9)])
def test_estimate_agrees_with_a_naive_loop(sizes: tuple[int, int]) -> None:
    a, b = normal(sizes[0], 3, seed=0), normal(sizes[1], 3, seed=1, shift=0.7)
    found = mean_discrepancy(a, b, num_permutations=3, generator=generator(), bandwidth=2.5)
    assert found.squared == pytest.approx(naive_mmd(a, b, 2.5), abs=1e-12)
    assert found.bandwidth == 2.5


def test_divisions_are_estimated_together_as_apart() -> None:
    rows = normal(9, 2, seed=0)
    kernel = (-torch.cdist(rows, rows).square()).exp()
    first = torch.stack([torch.arange(9) % 2 == 0, torch.arange(9) < 4], dim=1)
    together = squared_mmd(kernel, first.double())
    apart = [naive_mmd(rows[first[:, k]], rows[~first[:, k]], 1.0) for k in range(2)]
    torch.testing.assert_close(together, torch.tensor(apart, dtype=torch.float64))


def test_shifted_gaussians_come_near_the_closed_form() -> None:
    """E k of two standard normals delta apart is (1 + 4/h)^(-d/2) exp(-|delta|^2 / (h + 4))."""
    d, shift, h = 3, 0.8, 6.0
    exact = 2 * (1 + 4 / h) ** (-d / 2) * (1 - math.exp(-d * shift**2 / (h + 4)))
    estimates = [
        mean_discrepancy(
            normal(300, d, seed=s), normal(300, d, seed=50 + s, shift=shift), num_permutations=1, generator=generator(),
            bandwidth=h,
        ).squared
        for s in range(20)
    ]  # fmt: skip
    mean = sum(estimates) / 20
    error = (sum((e - mean) ** 2 for e in estimates) / 19 / 20) ** 0.5
    assert abs(mean - exact) < 3 * error
    assert 3 * error < 0.1 * exact


def test_equal_distributions_give_zero_on_average_and_shifted_ones_the_least_p_value() -> None:
    found = [
        mean_discrepancy(normal(60, 4, seed=s), normal(60, 4, seed=99 + s), num_permutations=99, generator=generator())
        for s in range(20)
    ]
    estimates = [f.squared for f in found]
    assert min(estimates) < 0 < max(estimates)
    assert abs(sum(estimates) / 20) < 3 * (sum(e**2 for e in estimates) / 20 / 20) ** 0.5
    # Uniform p-values: 5 or more of 20 below 0.05 have a chance of 0.3%.
    assert sum(f.p_value <= 0.05 for f in found) < 5
    far = mean_discrepancy(
        normal(60, 4, seed=0), normal(60, 4, seed=1, shift=1.0), num_permutations=99, generator=generator()
    )
    assert far.p_value == pytest.approx(0.01)


def test_bandwidth_is_the_median_of_squared_distances() -> None:
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [7.0]])
    # 1, 9, 49, 4, 36, 16, each twice; torch takes the lower of both middle values.
    assert mean_discrepancy(a, b, num_permutations=1, generator=generator()).bandwidth == pytest.approx(9.0)


@pytest.mark.parametrize("shapes", [((3, 2), (3, 4)), ((1, 2), (3, 2)), ((3,), (3,))])
def test_samples_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="expected two samples"):
        mean_discrepancy(torch.zeros(shapes[0]), torch.zeros(shapes[1]), num_permutations=1, generator=generator())


def test_rows_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a bandwidth above 0, got 0\.0"):
        mean_discrepancy(torch.zeros(3, 2), torch.zeros(3, 2), num_permutations=1, generator=generator())
