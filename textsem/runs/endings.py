"""How every command ends: an exit code, and where something went wrong one line on standard error."""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

__all__ = ["FAILED", "INTERRUPTED", "NOBODY_READS", "TRAINING_KEPT", "end", "explain"]

FAILED, INTERRUPTED, NOBODY_READS = 2, 130, 141
TRAINING_KEPT = "--resume continues from the last saved state, if there is one"
FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
# Libraries that write with C++ or Rust tell the disk's answer only in words.
FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded")
MEMORY_IN_WORDS = ("out of memory", "can't allocate memory")


def end(work: Callable[[], int], *, output: str | Path | None = None, kept: str = "nothing is kept") -> int:
    """Do a command's work and return its exit code; what a user can mend becomes one line on standard error.

    Wrong options, data, models and files end with 2, Ctrl-C and SIGTERM with 130, a closed pipe behind standard output
    with 141 and no word.  Anything else is a defect of the program and keeps its traceback.

    Args:
        work: Returns the exit code where nothing goes wrong.
        output: The folder that is written into, for messages about it.
        kept: What an interruption or a full disk leaves, and how to go on.
    """
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # names of files and text of users may be anything
        with _terminated_like_interrupted():
            code = work()
            sys.stdout.flush()
    except KeyboardInterrupt:
        _tell(f"interrupted; {kept}")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return NOBODY_READS
    except _mendable() as error:
        if isinstance(error, RuntimeError) and not _is_for_the_user(error):
            raise
        _tell(f"error: {explain(error, output=output, kept=kept)}")
        return FAILED
    return code


def explain(error: Exception, *, output: str | Path | None = None, kept: str = "nothing is kept") -> str:
    """Say in one line what went wrong, and where a file could not be written how to mend it.

    Args:
        error: What was raised.
        output: The folder that is written into.
        kept: What a full disk leaves, and how to go on.
    """
    from textsem.protocols import TargetError

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, TargetError):
        return f"{text}; {kept}"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and error.strerror:
        # Messages of our own say already what to do; the system's have a name beside them.
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        text = " ".join(": ".join([" and ".join(names)] * bool(names) + [error.strerror]).split())
        if number in NOT_WRITABLE and output is not None and any(_lies_in(name, output) for name in names):
            return f"cannot write to the folder {output}: {text}; name another one with --output"
    if (number in FULL or any(words in str(error) for words in FULL_IN_WORDS)) and "free space" not in text:
        return f"the disk is full: {text}; free space; {kept}"
    if isinstance(error, MemoryError) or any(words in text for words in MEMORY_IN_WORDS):
        return f"memory is full: {text}; a smaller batch needs less"
    return text


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, where nobody else has a use for it."""
    is_free = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not is_free:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _mendable() -> tuple[type[Exception], ...]:
    """Return what may be about options, data, models, files or memory, rather than a defect of the program."""
    from safetensors import SafetensorError

    return (OSError, ValueError, ImportError, FloatingPointError, MemoryError, RuntimeError, SafetensorError)


def _is_for_the_user(error: RuntimeError) -> bool:
    """Tell whether a RuntimeError is about a target, memory or the disk."""
    from textsem.protocols import TargetError

    return isinstance(error, TargetError) or any(words in str(error) for words in (*FULL_IN_WORDS, *MEMORY_IN_WORDS))


def _lies_in(name: str, folder: str | Path) -> bool:
    return Path(name).absolute().is_relative_to(Path(folder).absolute()) or Path(folder).absolute().is_relative_to(
        Path(name).absolute()
    )


def _tell(line: str) -> None:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Let what is still to be written to a closed pipe vanish, so that the interpreter's end is quiet too."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # a stream that is no file
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
