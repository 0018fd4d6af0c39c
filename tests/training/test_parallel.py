"""Every training under ``accelerate launch`` on two processes: one outcome, one process's, written once."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training import arae_toys, launched
from tests.training.test_cross_encoder import save_teachable_bert
from tests.training.toys import CONFIG, NETWORK, PAIRS, build_attacker, build_run
from textsem.outputs import QueryCounts
from textsem.processes import Processes
from textsem.training.adversary import train_adversary
from textsem.training.cross_encoder import train_cross_encoder
from textsem.training.meaning import MeaningConfig, distil_meaning
from textsem.training.parallel import add_up_gradients, own_random_numbers
from textsem.training.target import train_target

ROOT = Path(__file__).parents[2]
ALONE = Processes()
Found = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Launched:
    folder: Path
    ranks: tuple[Found, Found]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """Run ``launched.py`` on two processes, about 20 s."""
    folder = tmp_path_factory.mktemp("launched")
    save_teachable_bert(folder / "base")
    launched.whole_run(folder / "begun", ALONE, max_minutes=0.0)
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    command = [sys.executable, *launcher, str(ROOT / "tests" / "training" / "launched.py"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    first, second = (torch.load(folder / f"found_{rank}.pt", weights_only=True) for rank in (0, 1))
    return Launched(folder, (first, second))


def assert_moved_alike(
    found: dict[str, Tensor], alone: dict[str, Tensor], before: dict[str, Tensor], share: float
) -> None:
    """Hold the distance of two outcomes against the way that training went."""
    moved = [name for name, value in before.items() if not torch.equal(alone[name], value)]
    assert moved
    for name in moved:
        if not name.endswith("attention_in.bias"):  # no loss reads a key's bias: Adam makes steps of its rounding
            way = torch.linalg.vector_norm(alone[name] - before[name])
            assert torch.linalg.vector_norm(found[name] - alone[name]) <= share * way, name


def assert_same_moments(found: dict[str, Tensor], alone: dict[str, Tensor]) -> None:
    """Hold Adam's means of the gradients against each other: their size too, which Adam's steps do not show."""
    assert parts(alone, "moment ")
    for name, moment in parts(alone, "moment ").items():
        difference = torch.linalg.vector_norm(found[f"moment {name}"] - moment)
        assert difference <= 2e-3 * torch.linalg.vector_norm(moment), name


def parts(found: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    return {name.removeprefix(kind): value for name, value in found.items() if name.startswith(kind)}


@pytest.mark.slow
def test_processes_hold_the_same_bytes(both: Launched) -> None:
    first, second = both.ranks
    assert first.keys() == second.keys()
    for case, tensors in first.items():
        assert tensors.keys() == second[case].keys()
        for name, value in tensors.items():
            assert torch.equal(value, second[case][name]), (case, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", launched.BATCHES)
def test_a_batch_of_two_processes_is_that_of_one(both: Launched, name: str, tmp_path: Path) -> None:
    """In float32: Gram-Schmidt enlarges rounding of 1e-7 to some 1e-4 of a gradient, Adam to 1e-3 of a weight's way."""
    found, alone = both.ranks[0][name], launched.one_batch(tmp_path, launched.BATCHES[name], ALONE)
    assert_moved_alike(parts(found, "after "), parts(alone, "after "), parts(alone, "before "), share=0.01)
    assert_same_moments(found, alone)
    torch.testing.assert_close(found["losses"], alone["losses"], rtol=2e-3, atol=1e-6)
    assert torch.equal(found["requested"], alone["requested"])


@pytest.mark.slow
def test_runs_of_two_processes_resume_exactly(both: Launched) -> None:
    first = both.ranks[0]
    for whole, resumed in ((first["whole"], first["resumed"]), (first["arae"], first["arae resumed"])):
        assert whole.keys() == resumed.keys()
        for name, value in whole.items():
            if name != "counts":  # a target that is asked again after a stop has forgotten what it answered
                assert torch.equal(resumed[name], value), name
    # With dropout, and shares of three pairs and four: the processes draw different amounts of random numbers.
    weights, again = (both.folder / name / "model.safetensors" for name in ("target", "target stopped"))
    assert weights.read_bytes() == again.read_bytes()


@pytest.mark.slow
def test_another_number_of_processes_takes_a_run_over(both: Launched, tmp_path: Path) -> None:
    """Eleven batches: one process whose first weights are off by 3e-8 ends up to 2.7% of the way off as well."""
    alone, begun = launched.whole_run(tmp_path, ALONE), launched.outcome(build_run(tmp_path))
    before = {name: value for name, value in begun.items() if name.startswith("model.") and "bank" not in name}
    from_two = launched.whole_run(both.folder / "handed on", ALONE, is_resumed=True)
    for found in (both.ranks[0]["whole"], both.ranks[0]["taken over"], from_two):
        assert found["step"] == alone["step"] == 11
        assert torch.equal(found["generator"], alone["generator"])
        assert found["counts"][0] == alone["counts"][0]
        assert found["answers"].shape == alone["answers"].shape
        assert_moved_alike(found, alone, before, share=0.08)


@pytest.mark.slow
def test_an_arae_of_two_processes_is_that_of_one(both: Launched, tmp_path: Path) -> None:
    """Seven batches of five; Adam alone enlarges what is rounded."""
    found, alone = both.ranks[0]["arae"], launched.arae_run(tmp_path / "arae", ALONE)
    assert_moved_alike(parts(found, "after "), parts(alone, "after "), parts(alone, "before "), share=0.01)
    assert_same_moments(found, alone)
    assert torch.equal(found["generator"], alone["generator"])
    for name, codes in parts(alone, "recent ").items():
        torch.testing.assert_close(found[f"recent {name}"], codes, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_main_process_alone_writes(both: Launched, tmp_path: Path) -> None:
    train_adversary(build_run(tmp_path / "whole"), checkpoint_every=2)
    train_target(PAIRS, PAIRS, NETWORK, launched.TARGET, tmp_path / "target")
    train_cross_encoder(str(both.folder / "base"), PAIRS, PAIRS, launched.CROSS_ENCODER, tmp_path / "encoder")
    launched.arae_run(tmp_path / "arae", ALONE)
    for name in ("whole", "target", "encoder", "arae"):
        found, expected = both.folder / name, tmp_path / name
        assert sorted(path.name for path in found.iterdir()) == sorted(path.name for path in expected.iterdir())
        lines = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (found, expected)]
        assert len(lines[0]) == len(lines[1])
    assert "| processes | 2 |" in (both.folder / "target" / "README.md").read_text()
    assert "processes" not in (tmp_path / "target" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["target", "encoder"])
def test_classifiers_of_two_processes_are_those_of_one(both: Launched, name: str, tmp_path: Path) -> None:
    """Without dropout; twelve steps of Adam, or six, make up to 1e-4 of a weight out of rounding."""

    def weights(processes: Processes) -> dict[str, Tensor]:
        if name == "target":
            return launched.target_weights(tmp_path, processes)
        return launched.encoder_weights(str(both.folder / "base"), tmp_path, processes)

    alone = weights(ALONE)
    for key, value in both.ranks[0][name].items():
        torch.testing.assert_close(value, alone[key], rtol=1e-3, atol=1e-4, msg=key)


def test_more_processes_than_rows_of_a_batch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a row of every batch for each of 5 processes, got 4"):
        build_run(tmp_path, processes=Processes(0, 5))
    with pytest.raises(ValueError, match="expected a row of every batch for each of 7 processes, got 6"):
        arae_toys.build_run(tmp_path, processes=Processes(0, 7))


def test_distilling_a_sentence_encoder_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Processes, "current", lambda: Processes(0, 2))
    with pytest.raises(ValueError, match="expected one process for distilling a sentence encoder, got 2"):
        distil_meaning(None, None, [], MeaningConfig())  # type: ignore[arg-type]


def test_counts_of_a_resumed_run_go_to_the_main_process_alone(tmp_path: Path) -> None:
    """Or their sum would grow with every stop."""
    model = build_run(tmp_path).model
    asked = []
    for rank in (0, 1):
        attacker = build_attacker(model, CONFIG, processes=Processes(rank, 2))
        counts = {phase: QueryCounts(7, 6, 5, 1).to_dict() for phase in ("training", "attack")}
        attacker.restore({"buffer": attacker.surrogate.buffer.state(), "is_warm": True, "counts": counts})
        assert attacker.is_warm
        asked.append(attacker.target.counts["training"].rows_sent)
    assert asked == [6, 0]


class Twins(Processes):
    """Two processes that bring the same."""

    def sum(self, tensor: Tensor) -> Tensor:
        return 2 * tensor


def test_gradients_and_losses_add_up_and_unused_parameters_stay_without() -> None:
    used, unused, frozen = (nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(3))
    frozen.requires_grad_(False)
    loss = used.square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert add_up_gradients([used, unused, frozen], loss, Twins(0, 2)) == 10.0
    assert used.grad is not None
    assert used.grad.tolist() == [4.0, 8.0]
    assert unused.grad is None
    assert frozen.grad is None


def test_processes_drop_out_differently_and_a_lone_one_as_ever() -> None:
    def drawn(seed: int, step: int, processes: Processes) -> float:
        torch.manual_seed(5)
        own_random_numbers(seed, step, processes)
        return torch.rand(()).item()

    torch.manual_seed(5)
    untouched = torch.rand(()).item()
    assert drawn(0, 3, ALONE) == untouched
    several = [drawn(seed, step, Processes(rank, 2)) for seed in (0, 1) for step in (0, 1) for rank in (0, 1)]
    assert len({*several, untouched}) == 9
    assert several[0] == drawn(0, 0, Processes(0, 2))
