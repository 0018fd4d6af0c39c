"""Files that are whole or not there: nothing half-written is left, and what cannot be written is told by name.

A full disk or a folder that may not be written to raises an OSError whose message names the file and the mend.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

__all__ = ["LineFile", "check_writable", "cut_torn_line", "told_where", "write_json", "write_whole"]

FULL = (errno.ENOSPC, errno.EDQUOT)
BLOCK = 1 << 20


class LineFile:
    """A file that lines are added to; they are on the disk when ``append`` returns.

    Args:
        path: Made if missing, else continued.

    Raises:
        ValueError: If the file ends in a torn line.
        OSError: If it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with told_where(self.path):
            self._file = self.path.open("ab", buffering=0)
        self._size = self.path.stat().st_size
        if self._size and _last_byte(self.path) != b"\n":
            self._file.close()
            raise ValueError(
                f"expected {self.path.name} to end with a whole line, got a torn one; resume the run first"
            )

    def append(self, lines: bytes) -> None:
        """Add whole lines and wait until they are on the disk.

        Raises:
            OSError: If they cannot all be written.  The file then ends with the last whole line that could, and is
                closed.
        """
        written = 0
        try:
            with told_where(self.path):
                while written < len(lines):
                    written += self._file.write(lines[written:])
                os.fsync(self._file.fileno())
        except BaseException:
            self._size += lines.rfind(b"\n", 0, written) + 1
            with suppress(OSError):  # a device, which tests write to, has no length
                self._file.truncate(self._size)
            self.close()
            raise
        self._size += written

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()


def cut_torn_line(path: Path) -> None:
    """Cut off what stands after the last whole line, if the file is there."""
    if not path.exists():
        return
    with told_where(path), path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            file.seek(start)
            place = file.read(end - start).rfind(b"\n")
            if place >= 0:
                end = start + place + 1
                break
            end = start
        if end < size:
            file.truncate(end)
            os.fsync(file.fileno())


def to_json_bytes(content: Any, *, indent: int | None = None) -> bytes:
    """Return JSON in UTF-8; with escapes where a lone surrogate stands, which UTF-8 cannot hold.

    Raises:
        ValueError: If a number is not finite.
    """
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=indent).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, indent=indent).encode("ascii")


def write_whole(path: Path, content: bytes) -> None:
    """Write beside and move over, so that a kill or a full disk leaves the old file or the new one.

    Raises:
        OSError: If it cannot be written.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        with told_where(path):
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, indented, whole or not at all.

    Raises:
        ValueError: If a number is not finite; the message names it.
        OSError: If it cannot be written.
    """
    for name, number in _numbers(content):
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(f"expected finite numbers in {path.name}, got {number} at {name}")
    write_whole(path, to_json_bytes(content, indent=2) + b"\n")


def check_writable(folder: str | Path) -> None:
    """Make a folder and try it, before anything costly is done.

    Raises:
        OSError: If files cannot be made in it; the message names the folder.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder, buffering=0) as probe:
            probe.write(b"\n")
    except OSError as error:
        mend = "free space" if error.errno in FULL else "name another output folder or change its permissions"
        raise type(error)(
            error.errno, f"expected a folder that files can be written to, got {folder}: {error.strerror}; {mend}"
        ) from error


@contextmanager
def told_where(path: Path) -> Iterator[None]:
    """Name the file and the mend in the error of a write that fails."""
    try:
        yield
    except OSError as error:
        mend = "free space" if error.errno in FULL else "see that it can be written to"
        raise type(error)(
            error.errno,
            f"could not write {path}: {error.strerror or error}; {mend}, then continue with --resume: "
            "what was written before is kept",
        ) from error


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _numbers(content: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(content, float):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _numbers(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, (list, tuple)):
        for i, value in enumerate(content):
            yield from _numbers(value, f"{name}[{i}]")
