"""Which process this is: alone without accelerate, and one of two under its launcher."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from textsem.processes import Processes

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import atexit
import os
import sys
from pathlib import Path
import torch
from textsem.processes import Processes

# Registered first and so called last.
left = Path(sys.argv[1], "left_" + os.environ["RANK"])
atexit.register(lambda: left.write_text(str(torch.distributed.is_initialized())))
processes = Processes.current()
assert torch.distributed.is_initialized()
assert Processes.current() == processes
total = processes.sum(torch.tensor([[1.0, 10.0 * processes.rank]]).T.contiguous().T)
counted = processes.sum(torch.tensor(processes.rank + 1))
processes.wait()
found = [processes.rank, processes.count, processes.is_main, processes.device, total.tolist(), counted.item()]
Path(sys.argv[1], f"{processes.rank}.txt").write_text(repr(found))
"""


def test_plain_process_is_alone_and_imports_no_accelerate() -> None:
    program = "import sys; from textsem.processes import Processes; p = Processes.current(); p.wait(); p.share(3);"
    program += "assert p == Processes(0, 1); assert p.is_main; print(*sys.modules)"
    plain = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"}
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=plain, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not {"accelerate", "torch"} & set(run.stdout.split())


def test_sum_of_a_lone_process_is_its_own_tensor() -> None:
    tensor = torch.ones(2)
    assert Processes().sum(tensor) is tensor


@pytest.mark.parametrize(("num_rows", "count"), [(7, 1), (7, 2), (8, 2), (3, 4), (0, 2)])
def test_shares_are_neighbours_that_cover_every_row_once(num_rows: int, count: int) -> None:
    shares = [Processes(rank, count).share(num_rows) for rank in range(count)]
    assert [row for share in shares for row in share] == list(range(num_rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("processes", "asked", "placed"),
    [
        (Processes(), "cuda", "cuda"),
        (Processes(1, 2, "cuda:1"), "cuda", "cuda:1"),
        (Processes(1, 2, "cuda:1"), "cpu", "cpu"),
        (Processes(1, 2, "cuda:1"), "cuda:0", "cuda:0"),
        (Processes(1, 2, "cpu"), "cpu", "cpu"),
    ],
)
def test_each_process_gets_a_gpu_of_its_own(processes: Processes, asked: str, placed: str) -> None:
    assert processes.place(asked) == placed


def test_what_only_one_process_can_do_is_refused() -> None:
    Processes().expect_alone("a training")
    with pytest.raises(ValueError, match=r"^expected one process for a training, got 2: run it without accelerate"):
        Processes(1, 2).expect_alone("a training")


def test_missing_accelerate_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ValueError, match="expected accelerate to be installed for 2 processes"):
        Processes.current()


@pytest.mark.slow
def test_two_launched_processes_know_each_other(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    # Not --cpu, with which accelerate's launcher starts a single process unless it is given MPI.
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    command = [sys.executable, *launch, str(program), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    for rank in (0, 1):
        expected = [rank, 2, rank == 0, "cpu", [[2.0, 10.0]], 3]
        assert (tmp_path / f"{rank}.txt").read_text() == repr(expected)
        assert (tmp_path / f"left_{rank}").read_text() == "False"
