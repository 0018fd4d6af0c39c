import math

import pytest
import torch

from images_ext.attacks.regression import NOISE, predict_lead


def points(num: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(num, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_two_points_by_hand() -> None:
    # h is the squared distance itself, so that k = e^(-1/2) between the two.
    asked, leads = torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 3.0])
    mean, deviation = predict_lead(asked, leads, torch.tensor([[0.0], [1.0], [1000.0]]))
    k, diagonal = math.exp(-0.5), 1 + NOISE
    # K^-1 (-1, 1) = (-1, 1) / (diagonal - k)
    assert mean.tolist() == pytest.approx([2 + (k - 1) / (diagonal - k), 2.0, 2.0])
    at_first = 1 - (diagonal - 2 * k * k + k * k * diagonal) / (diagonal**2 - k**2)
    assert deviation.tolist()[0] == pytest.approx(math.sqrt(at_first))
    assert deviation.tolist()[2] == pytest.approx(1.0)


def test_points_that_were_asked_are_nearly_known() -> None:
    asked = points(12)
    leads = asked @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    mean, deviation = predict_lead(asked, leads, asked)
    torch.testing.assert_close(mean, leads, atol=0.2, rtol=0)
    assert (deviation < 0.15 * leads.std()).all()


def test_smooth_lead_is_ranked_well_where_nothing_was_asked() -> None:
    slope = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    asked, others = points(30), points(100, seed=1)
    mean, _ = predict_lead(asked, asked @ slope, others)
    ranks = torch.stack([mean, others @ slope]).argsort(dim=1).argsort(dim=1).double()
    assert float(torch.corrcoef(ranks)[0, 1]) > 0.95


@pytest.mark.parametrize(("asked", "leads"), [(points(1), [4.0]), (points(1).expand(3, 3), [3.0, 4.0, 5.0])])
def test_nothing_is_learnt_from_one_point(asked: torch.Tensor, leads: list[float]) -> None:
    mean, deviation = predict_lead(asked, torch.tensor(leads), points(5, seed=2))
    assert mean.tolist() == [4.0] * 5
    assert len(set(deviation.tolist())) == 1
