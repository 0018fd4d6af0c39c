"""Several processes, here threads that wait for each other, do what one does; on the toy problem, in float64."""

import copy
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.latent.toys import BATCH, ToyProblem, make_learner, normal, start, weights
from textsem.latent.kernels import code_kernel
from textsem.latent.learner import Phase, train_batch
from textsem.latent.objective import evolution_gradient
from textsem.latent.sharing import WHOLE_BATCH, PartOfBatch
from textsem.latent.state import state_to_tensors


class Group:
    """Adds up what ``count`` threads bring, in the order of their ranks."""

    def __init__(self, count: int) -> None:
        self.brought: list[Tensor] = [torch.empty(0)] * count
        self.barrier = threading.Barrier(count, timeout=30)

    def part(self, rank: int) -> PartOfBatch:
        def add(tensor: Tensor) -> Tensor:
            self.brought[rank] = tensor
            self.barrier.wait()
            total = torch.stack(self.brought).sum(dim=0)
            self.barrier.wait()
            return total

        return PartOfBatch(rank, len(self.brought), add)


def in_parallel(count: int, work: Callable[[PartOfBatch], Any]) -> list[Any]:
    """Return what each of ``count`` processes returns."""
    group = Group(count)

    def guarded(rank: int) -> Any:
        try:
            return work(group.part(rank))
        except BaseException:
            group.barrier.abort()  # or the others would wait for the failed one
            raise

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(guarded, range(count)))


@dataclass
class Outcome:
    tensors: dict[str, Tensor]
    decoded: int
    asked: int


def train(share: Any, phase: Phase, *, batches: int = 3, **fields: Any) -> Outcome:
    learner, problem = make_learner(**fields), ToyProblem()
    learner = replace(learner, share=share)
    state, _, generator = start(learner)
    optimizer = learner.make_optimizer(problem.parameter_groups())
    losses: dict[str, Tensor] = {}
    for i in range(batches):
        batch = share.own_rows(BATCH + 0.1 * i)
        state, losses = train_batch(learner, problem, optimizer, state, batch, phase=phase, generator=generator)
    tensors = {"weights": weights(learner, problem), **state_to_tensors(state), **losses}
    return Outcome({**tensors, "generator": generator.get_state()}, problem.decoded, problem.asked)


CASES: list[tuple[Phase, int, dict[str, Any]]] = [
    ("reconstruction", 2, {"code_noise": 0.5}),
    ("clean", 2, {"inversion_examples": 5}),
    ("perturbed", 3, {"direction": "basis", "component_noise": True}),
    ("adversarial", 2, {}),
    ("adversarial", 3, {"kernel_space": "codes", "inversion_examples": 2}),  # fewer examples than processes
    ("adversarial", 2, {"kernel_space": "codes", "num_particles": 1, "svgd_update": "plain"}),
    ("adversarial", 4, {"perturbation_input": "features", "mixture": "mean", "precision_update": "gradient"}),
]


@pytest.mark.parametrize(("phase", "count", "fields"), CASES)
def test_several_processes_do_what_one_does(phase: Phase, count: int, fields: dict[str, Any]) -> None:
    """Nine updates in float64: rounding of 1e-16, much enlarged by Adam's and SVGD's divisions, stays below 1e-9."""
    fields = {"epsilon": 2.2, **fields}
    alone = train(WHOLE_BATCH, phase, **fields)
    several = in_parallel(count, lambda part: train(part, phase, **fields))
    for found in several:
        assert found.tensors.keys() == alone.tensors.keys()
        for name, value in found.tensors.items():
            assert torch.equal(value, several[0].tensors[name]), name
            torch.testing.assert_close(value, alone.tensors[name], rtol=1e-9, atol=1e-11, msg=name)
    assert sum(found.decoded for found in several) == alone.decoded
    assert sum(found.asked for found in several) == alone.asked
    assert bool(alone.asked) == (phase == "adversarial")


def test_the_gate_of_the_case_above_is_open_for_some_rows_alone() -> None:
    assert 0 < train(WHOLE_BATCH, "adversarial", epsilon=2.2).tensors["gate_open"] < 1


def test_gradients_of_the_three_maps_are_those_of_one_process() -> None:
    x, w = normal(5, 3, seed=1), normal(3, seed=2)

    def loss(share: Any) -> tuple[Tensor, Tensor, Tensor]:
        whole, weight = x.clone().requires_grad_(), w.clone().requires_grad_()
        own = share.own_rows(whole.sin()) * share.copied(weight)
        value = (share.all_rows(own, 5).cumsum(dim=0) ** 2).mean() + (weight**2).sum()
        return value.detach(), *torch.autograd.grad(value, [whole, weight])

    expected = loss(WHOLE_BATCH)
    for found in in_parallel(2, loss):
        for value, known in zip(found, expected, strict=True):
            torch.testing.assert_close(value, known)


def test_kernel_on_codes_sums_its_gradient_over_the_processes() -> None:
    theta, inputs, followers = normal(3, 8, seed=1), normal(5, 2, seed=2), normal(3, 5, 4, seed=3)

    def kernel(share: Any) -> tuple[Tensor, Tensor]:
        leaders = theta.clone().requires_grad_()
        own = share.own_rows(inputs) @ share.copied(leaders).reshape(3, 2, 4)
        return code_kernel(leaders, share.all_rows(own, 5, dim=1), followers)

    expected = kernel(WHOLE_BATCH)
    for found in in_parallel(2, kernel):
        torch.testing.assert_close(found, expected)


def test_evolution_takes_the_steps_of_one_process() -> None:
    codes = normal(5, 4, seed=4)

    def gradient(share: Any) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        own = share.own_rows(codes)
        found = evolution_gradient(
            lambda z: z.square().sum(dim=-1), own, num_pairs=2, sigma=0.1, generator=generator, share=share
        )
        whole: Tensor = share.all_rows(found, 5)
        return whole

    expected = gradient(WHOLE_BATCH)
    for found in in_parallel(2, gradient):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_rows_come_together_unchanged(dtype: torch.dtype) -> None:
    rows = (10 * normal(7, 2)).to(dtype)

    def there_and_back(part: PartOfBatch) -> Tensor:
        own = part.own_rows(rows)
        return part.all_rows(own, part.num_rows(len(own)))

    for found in in_parallel(3, there_and_back):
        assert found.dtype == dtype
        assert torch.equal(found, rows)


def test_gradients_are_summed_and_averaged_in_one_message() -> None:
    def both(part: PartOfBatch) -> tuple[list[Tensor], list[Tensor]]:
        own = [torch.full((2, 2), 1.0 + part.rank), torch.tensor(float(part.rank))]
        return part.summed(own), part.averaged(own)

    for summed, averaged in in_parallel(2, both):
        assert [t.tolist() for t in summed] == [[[3.0, 3.0], [3.0, 3.0]], 1.0]
        assert [t.tolist() for t in averaged] == [[[1.5, 1.5], [1.5, 1.5]], 0.5]


def test_rows_of_another_process_are_refused() -> None:
    part = PartOfBatch(1, 2, lambda tensor: tensor)
    with pytest.raises(ValueError, match="expected 3 of 5 rows in process 1, got 2"):
        part.all_rows(torch.zeros(2, 4), 5)


def test_a_lone_process_keeps_its_very_tensors() -> None:
    tensor = copy.deepcopy(BATCH)
    assert WHOLE_BATCH.own_rows(tensor) is tensor
    assert WHOLE_BATCH.all_rows(tensor, len(tensor)) is tensor
    assert WHOLE_BATCH.copied(tensor) is tensor
    assert WHOLE_BATCH.summed([tensor])[0] is tensor
    assert WHOLE_BATCH.averaged([tensor])[0] is tensor
