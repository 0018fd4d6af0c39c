"""The main job in real processes: two against one, one that dies, one that is interrupted; the same bytes each time."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.attacks.fakes import FakeSource, FakeTarget, fake_data
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.evaluation.run_lines import open_run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
# Not --cpu, with which accelerate's launcher starts a single process unless it is given MPI.
LAUNCH = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0")
NUM_PAIRS = 12

# The command itself, save that its chunks are small, so that a few pairs are many chunks.
COMMAND = """
import sys
from dataclasses import replace
from textsem.commands.attack import main
from textsem.evaluation.run_config import AttackSnliConfig

of_options = AttackSnliConfig.attack_config
AttackSnliConfig.attack_config = lambda config: replace(of_options(config), chunk_size=3)
sys.exit(main())
"""

# A process that dies in the middle of its third chunk.
DYING = """
import os, signal, sys
from tests.attacks.fakes import FakeSource, FakeTarget, fake_data
from textsem.attacks.chunk import AttackConfig
from textsem.attacks.runner import CandidateAttack, run_attack
from textsem.evaluation.run_lines import open_run
from textsem.processes import Processes

processes = Processes.current()
assert processes.count == 2

class Dying(FakeTarget):
    def predict(self, premises, hypotheses):
        if processes.rank == int(sys.argv[2]) and {"premise number 32", "premise number 40"} & set(premises):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().predict(premises, hypotheses)

with open_run(sys.argv[1], {"seed": 0}, resume=False, processes=processes) as lines:
    attack = CandidateAttack(FakeSource(), AttackConfig(max_queries=30, eps=2.5, chunk_size=8))
    run_attack(fake_data(100), Dying(), attack, lines, skip=lines.skip)
    lines.finish()
"""


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "TEXTSEM_SENTENCE_ENCODER"}
    return {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(*arguments: str, largest_file: int = resource.RLIM_INFINITY) -> "subprocess.Popen[str]":
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY)),
    )


def ended(process: "subprocess.Popen[str]", seconds: float = 300) -> tuple[int, str]:
    """Wait for the end; return the exit code and what stands on standard error."""
    try:
        _, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return process.returncode, errors


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("program") / "attack.py"
    path.write_text(COMMAND)
    return str(path)


def options(folder: Path) -> list[str]:
    data = ROOT / "textsem" / "assets" / "demo_pairs.jsonl"
    return ["--data", str(data), "--limit", str(NUM_PAIRS), "--device", "cpu", "--output", str(folder), "--quiet"]


@pytest.fixture(scope="module")
def whole(program: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the lines of one process."""
    folder = tmp_path_factory.mktemp("whole")
    code, errors = ended(start(program, *options(folder)))
    assert code == 0, errors
    return (folder / "results.jsonl").read_bytes()


def test_two_processes_leave_the_file_of_one(program: str, whole: bytes, tmp_path: Path) -> None:
    code, errors = ended(start(*LAUNCH, program, *options(tmp_path)))
    assert code == 0, errors
    assert whole.count(b"\n") == NUM_PAIRS
    assert (tmp_path / "results.jsonl").read_bytes() == whole
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"results.jsonl", "settings.json", "summary.json", "report.html"}
    assert '"num_processes": 2' in (tmp_path / "summary.json").read_text()


def test_interrupted_run_keeps_its_lines_and_is_completed_by_two(program: str, whole: bytes, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    process = start(program, *options(tmp_path))
    while process.poll() is None and not (results.exists() and results.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    code, errors = ended(process)
    assert (code, errors.splitlines()[-1:]) == (
        130,
        ["interrupted; the lines written so far are kept, --resume continues"],
    )
    kept = results.read_bytes()
    assert kept
    assert whole.startswith(kept)
    assert len(kept) < len(whole)
    code, errors = ended(start(*LAUNCH, program, *options(tmp_path), "--resume"))
    assert code == 0, errors
    assert results.read_bytes() == whole


def test_run_without_room_for_its_lines_keeps_whole_ones(program: str, whole: bytes, tmp_path: Path) -> None:
    room = whole.index(b"\n", len(whole) // 2) + 20
    code, errors = ended(start(program, *options(tmp_path), largest_file=room))
    results = tmp_path / "results.jsonl"
    assert (code, errors.splitlines()[-1:]) == (
        2,
        [
            f"error: could not write {results}: File too large; see that it can be written to, then continue with "
            "--resume: what was written before is kept"
        ],
    )
    assert results.read_bytes() == whole[: whole.rindex(b"\n", 0, room) + 1]


@pytest.mark.parametrize("victim", [0, 1])
def test_dead_process_ends_the_others_and_its_lines_are_kept(tmp_path: Path, victim: int) -> None:
    program = tmp_path / "dying.py"
    program.write_text(DYING)
    cut, alone = tmp_path / "cut", tmp_path / "alone"
    code, errors = ended(start(*LAUNCH, str(program), str(cut), str(victim)), seconds=120)
    assert code != 0
    assert "SIGKILL" in errors
    kept = sum(path.read_bytes().count(b"\n") for path in cut.glob("results.part-*.jsonl"))
    assert kept >= 16

    target = FakeTarget()
    attack = CandidateAttack(FakeSource(), AttackConfig(max_queries=30, eps=2.5, chunk_size=8))
    with open_run(alone, {"seed": 0}, resume=False) as lines:
        run_attack(fake_data(100), FakeTarget(), attack, lines, skip=lines.skip)
        lines.finish()
    with open_run(cut, {"seed": 0}, resume=True) as lines:
        statistics = run_attack(fake_data(100), target, attack, lines, skip=lines.skip)
        lines.finish()
    assert statistics.pairs == 100 - kept
    assert (cut / "results.jsonl").read_bytes() == (alone / "results.jsonl").read_bytes()
