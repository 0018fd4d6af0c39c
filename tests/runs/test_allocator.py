import os
import platform
import subprocess
import sys

import pytest

from textsem.runs.allocator import keep_freed_memory

PROGRAM = """
import resource, sys
import torch
from textsem.runs.allocator import keep_freed_memory

print(keep_freed_memory() if sys.argv[1] == "kept" else None)

def use():
    for _ in range(8):
        blocks = [torch.ones(1 << 20) for _ in range(8)]
        del blocks

use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(mode: str, **environment: str) -> tuple[str, int]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], env=clean | environment, capture_output=True, text=True, check=True
    )
    answer, faults = result.stdout.split()
    return answer, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps its own rules")
def test_freed_memory_is_not_faulted_in_again() -> None:
    _, given_back = run("default")
    answer, kept = run("kept")

    assert answer == "True"
    assert given_back > 1000, "the program no longer shows what is to be avoided"
    assert kept < given_back / 20


def test_environment_has_precedence() -> None:
    assert run("kept", MALLOC_ARENA_MAX="2")[0] == "False"


@pytest.mark.parametrize("error", [OSError("no such library"), TypeError("no handle")])
def test_without_a_c_library_nothing_is_set(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(name: object) -> None:
        raise error

    monkeypatch.setattr("ctypes.CDLL", fail)
    assert keep_freed_memory() is False


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False
