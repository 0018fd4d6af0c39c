from collections.abc import Callable

import pytest
import torch

from textsem.latent.shells import (
    HybridShrinkingSearch,
    IterativeStochasticSearch,
    Shell,
    ShellSearch,
    draw_in_shell,
)


def visited(search: ShellSearch, closest_flip: Callable[[Shell], float | None]) -> list[tuple[float, float]]:
    """Return inner and outer radius of each shell, given what flips in it."""
    shells, found = search.shells(), []
    shell = next(shells)
    while True:
        found.append((round(shell.inner, 6), round(shell.outer, 6)))
        try:
            shell = shells.send(closest_flip(shell))
        except StopIteration:
            return found


def beyond(boundary: float) -> Callable[[Shell], float | None]:
    """Everything beyond a radius flips, and the draws miss nothing."""
    return lambda shell: max(shell.inner, boundary) if boundary < shell.outer else None


def never(shell: Shell) -> None:
    return None


def test_iterative_search_grows_until_the_first_flip() -> None:
    search = IterativeStochasticSearch(step=0.1, max_radius=2.0)
    assert visited(search, beyond(0.25)) == [(0.0, 0.1), (0.1, 0.2), (0.2, 0.3)]


@pytest.mark.parametrize(("step", "num_shells"), [(0.1, 7), (0.01, 70), (0.3, 3), (0.7, 1)])
def test_iterative_search_ends_at_the_largest_radius(step: float, num_shells: int) -> None:
    shells = visited(IterativeStochasticSearch(step=step, max_radius=0.7), never)
    assert len(shells) == num_shells
    assert shells[0][0] == 0
    assert [outer for _, outer in shells[:-1]] == [inner for inner, _ in shells[1:]]
    assert shells[-1][1] == 0.7


def test_hybrid_search_halves_shrinks_and_walks_inward() -> None:
    # (0, 2] and (1, 2] without a flip, then one at 1.6; (0.8, 1.6] has one at 1, (0.5, 1] none, (0.75, 1] none, and
    # (0.875, 1] is thinner than a step.
    answers = iter([None, 1.6, 1.0, None, None, 0.85, None, 0.75, None, None])
    search = HybridShrinkingSearch(step=0.2, upper_bound=2.0, num_inward=2)
    assert visited(search, lambda shell: next(answers)) == [
        *[(0.0, 2.0), (1.0, 2.0), (0.8, 1.6), (0.5, 1.0), (0.75, 1.0)],
        *[(0.8, 1.0), (0.6, 0.8), (0.6, 0.8), (0.4, 0.6), (0.4, 0.6)],
    ]


def test_hybrid_search_without_a_flip_walks_below_its_upper_bound() -> None:
    search = HybridShrinkingSearch(step=0.5, upper_bound=2.0, num_inward=3)
    assert visited(search, never) == [(0.0, 2.0), (1.0, 2.0), (1.5, 2.0)] + 3 * [(1.5, 2.0)]


def test_hybrid_search_ends_at_the_code_itself() -> None:
    shells = visited(HybridShrinkingSearch(step=0.1, upper_bound=0.4, num_inward=3), beyond(0.0))
    assert shells[-1][0] == 0.0
    assert len(shells) < 12


def test_draws_fill_their_shell_and_come_closest_first() -> None:
    code = torch.tensor([3.0, 0.0, 4.0])
    generator = torch.Generator().manual_seed(0)
    codes, radii = draw_in_shell(code, Shell(0.2, 0.3), num_draws=4000, generator=generator)
    distances = (codes - code).norm(dim=1).double()
    torch.testing.assert_close(distances, 5 * radii, rtol=0, atol=1e-5)
    assert torch.equal(radii, radii.sort().values)
    assert 0.2 < radii[0] < 0.2005
    assert 0.2995 < radii[-1] <= 0.3
    # Uniform in radius: a quarter holds a quarter (standard error 0.007); and no direction has more than another.
    assert abs(float((radii < 0.225).double().mean()) - 0.25) < 0.03
    mean_direction = ((codes - code) / distances[:, None]).mean(dim=0)
    assert mean_direction.norm() < 0.05  # 1 / sqrt(4000) = 0.016


@pytest.mark.parametrize(
    ("search", "values", "message"),
    [
        (IterativeStochasticSearch, {"step": 0.0}, "expected step > 0, got 0.0"),
        (IterativeStochasticSearch, {"num_draws": 0}, "expected num_draws >= 1, got 0"),
        (IterativeStochasticSearch, {"max_radius": 0.05}, r"expected max_radius of at least a step \(0.1\), got 0.05"),
        (IterativeStochasticSearch, {"max_radius": float("inf")}, r"expected max_radius of at least .*, got inf"),
        (HybridShrinkingSearch, {"upper_bound": 0.05}, r"expected upper_bound of at least a step \(0.1\), got 0.05"),
        (HybridShrinkingSearch, {"num_inward": -1}, "expected num_inward >= 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(search: type, values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(**values)
