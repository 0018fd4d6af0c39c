"""Files that are whole or not there, on a disk that is full and in a folder that may not be written to."""

import errno
import os
from pathlib import Path

import pytest

from textsem.runs.whole_files import LineFile, check_writable, cut_torn_line, write_json, write_whole

LINES = b'{"index": 0}\n{"index": 1}\n'


class FullDisk:
    """Stands in for an unbuffered file: takes so many bytes, then no more."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self.room = file, room

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, content: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(len(content), self.room, 5)
        self.room -= taken
        self._file.write(content[:taken])  # type: ignore[attr-defined]
        return taken


@pytest.mark.parametrize(("room", "kept"), [(0, 0), (12, 0), (13, 1), (14, 1), (25, 1)])
def test_full_disk_keeps_whole_lines_and_says_how_to_go_on(tmp_path: Path, room: int, kept: int) -> None:
    path = tmp_path / "r.jsonl"
    file = LineFile(path)
    file.append(LINES)
    file._file = FullDisk(file._file, room)  # type: ignore[assignment]
    with pytest.raises(
        OSError, match=rf"could not write {path}: No space left .*; free space, then .* --resume"
    ) as told:
        file.append(LINES)
    assert told.value.errno == errno.ENOSPC
    assert path.read_bytes() == LINES + b"".join(LINES.splitlines(keepends=True)[:kept])


def test_short_writes_are_completed(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "r.jsonl")
    file._file = FullDisk(file._file, 10**6)  # type: ignore[assignment]
    file.append(LINES)
    file.close()
    assert (tmp_path / "r.jsonl").read_bytes() == LINES


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_device_that_is_full_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").symlink_to("/dev/full")
    file = LineFile(tmp_path / "r.jsonl")
    with pytest.raises(OSError, match="No space left on device; free space"):
        file.append(LINES)


def test_failure_to_reach_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    file = LineFile(tmp_path / "r.jsonl")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error; see that it can be written to"):
        file.append(LINES)


def test_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "r.jsonl"
    with pytest.raises(FileNotFoundError, match=f"could not write {path}"):
        LineFile(path)


@pytest.mark.parametrize("content", [b"", b"a\n", b"a\nbc", b"bc", b"a\n" * 9 + b"x" * 30])
def test_torn_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("textsem.runs.whole_files.BLOCK", 4)
    (tmp_path / "r.jsonl").write_bytes(content)
    cut_torn_line(tmp_path / "r.jsonl")
    assert (tmp_path / "r.jsonl").read_bytes() == content[: content.rfind(b"\n") + 1]
    cut_torn_line(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, to: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "summary.json"
    write_json(path, {"n": 1})
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=f"could not write {path}: No space left"):
        write_whole(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]
    assert path.read_bytes() == b'{\n  "n": 1\n}\n'


def test_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run"
    with pytest.raises(
        NotADirectoryError, match=rf"expected a folder that files can be written to, got {folder}: .*; "
    ):
        check_writable(folder)

    # The tests may run as a user that no permission stops.
    def refuse(**options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("textsem.runs.whole_files.TemporaryFile", refuse)
    with pytest.raises(OSError, match=rf"got {tmp_path}: Read-only file system; name another output folder"):
        check_writable(tmp_path)
