import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from textsem.protocols import TargetError
from textsem.runs.endings import FAILED, INTERRUPTED, NOBODY_READS, end, explain

ROOT = Path(__file__).parents[2]
FULL = OSError(errno.ENOSPC, "No space left on device")


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize("code", [0, 1])
def test_work_that_ends_well_keeps_its_code(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda: code) == code
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("expected a limit,\n  got none"), "expected a limit, got none"),
        (TargetError("expected an answer, got none"), "expected an answer, got none; nothing is kept"),
        (FloatingPointError("expected a finite loss"), "expected a finite loss"),
        (ImportError("expected spaCy"), "expected spaCy"),
        (SafetensorError("file is cut off"), "file is cut off"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jsonl"), "a.jsonl: No such file or directory"),
        (OSError("not found on the hub"), "not found on the hub"),
        (MemoryError(), "memory is full: MemoryError; a smaller batch needs less"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate"),
            "memory is full: CUDA out of memory. Tried to allocate; a smaller batch needs less",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_code_two(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(raising(error)) == FAILED
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"error: {message}\n")


@pytest.mark.parametrize("error", [KeyError("label"), RuntimeError("shapes differ"), AssertionError()])
def test_defect_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        end(raising(error))


@pytest.mark.parametrize(
    "error", [FULL, OSError(errno.EDQUOT, "Disk quota exceeded"), SafetensorError("I/O error: No space left on device")]
)
def test_full_disk_tells_what_is_kept(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(raising(error), kept="--resume continues") == FAILED
    shown = capsys.readouterr().err
    assert shown.startswith("error: the disk is full: ")
    assert shown.endswith("; free space; --resume continues\n")


def test_message_that_tells_the_mend_already_is_not_told_twice() -> None:
    text = "could not write a.jsonl: No space left on device; free space, then continue with --resume"
    assert explain(OSError(errno.ENOSPC, text), kept="--resume continues") == text


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("place", ["run/results.jsonl", "run", "."])
def test_folder_that_is_not_writable_is_named(number: int, place: str, tmp_path: Path) -> None:
    output, file = tmp_path / "run", tmp_path / place
    assert explain(OSError(number, "Not allowed", str(file)), output=output) == (
        f"cannot write to the folder {output}: {file}: Not allowed; name another one with --output"
    )


def test_file_elsewhere_that_may_not_be_read_is_not_the_output_folder_s_fault(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "data.jsonl"))
    assert explain(error, output=tmp_path / "run") == f"{tmp_path / 'data.jsonl'}: Permission denied"


def test_ctrl_c_tells_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(raising(KeyboardInterrupt()), kept="--resume continues") == INTERRUPTED
    assert capsys.readouterr().err == "interrupted; --resume continues\n"


def run_in_process(work: str) -> "subprocess.Popen[str]":
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # tests in the background inherit that it is not
    code = f"import os, signal, sys, time\n{heard}\nfrom textsem.runs.endings import end\n{work}\n"
    code += "sys.exit(end(work, kept='kept'))"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_process_with_one_line(number: signal.Signals) -> None:
    with run_in_process("def work():\n    print('begun', flush=True)\n    time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, shown = process.communicate(timeout=30)
    assert (process.returncode, shown) == (INTERRUPTED, "interrupted; kept\n")


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_closed_pipe_ends_without_a_word(unbuffered: dict[str, str]) -> None:
    work = "def work():\n    sys.stdin.readline()\n    print('x' * 100)\n    return 0"
    code = f"import sys\nfrom textsem.runs.endings import end\n{work}\nsys.exit(end(work))"
    reading, writing = os.pipe()
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": writing, "stderr": subprocess.PIPE, "text": True}
    # With a buffer nothing is written before the end, and the pipe is found closed only there.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment | unbuffered, **options) as process:
        os.close(writing)
        os.close(reading)
        _, shown = process.communicate("go\n", timeout=30)
    assert (process.returncode, shown) == (NOBODY_READS, "")


def test_signal_s_own_handler_is_put_back_and_others_are_left_alone() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    end(lambda: 0)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:

        def work() -> int:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            return 0

        assert end(work) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
