"""One run at a time in a folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from textsem.runs.folder_lock import FolderLock

fcntl = pytest.importorskip("fcntl")


def test_second_run_is_refused_until_the_first_is_released(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(ValueError, match=f"expected a folder that no other run writes to, got {tmp_path}: wait for"):
        FolderLock(tmp_path)
    first.release()
    first.release()
    FolderLock(tmp_path).release()


def test_process_that_ends_lets_the_folder_go(tmp_path: Path) -> None:
    program = f"from pathlib import Path; from textsem.runs.folder_lock import FolderLock; import os, sys; \
lock = FolderLock(Path({str(tmp_path)!r})); print('kept', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "kept\n"
    with pytest.raises(ValueError, match="no other run"):
        FolderLock(tmp_path)
    process.kill()
    process.communicate()
    FolderLock(tmp_path).release()


def test_file_system_without_locks_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    FolderLock(tmp_path)
    FolderLock(tmp_path)
