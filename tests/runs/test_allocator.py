import os
import platform
import subprocess
import sys

import pytest

from textsem.runs.allocator import keep_freed_memory

PROGRAM = """
import ctypes, resource, sys
import torch
from textsem.runs.allocator import keep_freed_memory

# By itself glibc moves this threshold with what it sees, so that some starts of a program show no fault at all.
ctypes.CDLL(None).mallopt(-3, 1 << 16)
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


@pytest.mark.parametrize("answer", [1, 0])
def test_both_thresholds_are_set_and_a_refusal_is_told(monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    class Library:
        gnu_get_libc_version = mallopt = None

    seen: list[tuple[int, int]] = []
    library = Library()
    library.mallopt = lambda *call: seen.append(call) or answer  # type: ignore[assignment,func-returns-value]
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    assert keep_freed_memory() is bool(answer)
    assert [number for number, _ in seen] == [-3, -1]  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    assert all(value >= 1 << 20 for _, value in seen)
