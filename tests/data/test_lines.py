import os
from pathlib import Path

import pytest

from textsem.data import lines
from textsem.data.lines import Line, read_lines


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    return path


def test_line_ends_at_line_feed_alone(tmp_path: Path) -> None:
    text = "a\u2028b\u0085c\x0bd\x0ce\x1cf\rg\0h"
    path = written(tmp_path, f"{text}\r\n{text}\n{text}".encode())
    assert list(read_lines(path)) == [Line(1, text + "\r\n"), Line(2, text + "\n"), Line(3, text)]


def test_byte_order_mark_at_the_beginning_alone_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")
    assert [line.text for line in read_lines(path)] == ["a\n", "\ufeffb\n"]


def test_line_that_is_no_utf8_is_told_with_its_first_bad_byte(tmp_path: Path) -> None:
    first, bad, last = read_lines(written(tmp_path, b"a\nna\xefve\xff\nc\n"))
    assert (first, last) == (Line(1, "a\n"), Line(3, "c\n"))
    assert bad.text == "na\udcefve\udcff\n"
    assert bad.problem == "the byte 0xEF at position 3, which is no UTF-8 text: save the file as UTF-8"


@pytest.mark.parametrize("length", [8, 9, 16, 100])
def test_line_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    first, long, last = read_lines(written(tmp_path, b"1234567\n" + b"x" * length + b"\nlast"))
    assert (first, last) == (Line(1, "1234567\n"), Line(3, "last"))
    assert (long.number, long.text) == (2, "")
    assert long.problem == "more than 8 bytes without a line break: write a row a line"


def test_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"a file that can be read, got .*: Is a directory; check"):
        list(read_lines(tmp_path))

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, os.strerror(13))

    path = written(tmp_path, b"a\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ValueError, match=r"a file that can be read, got .*a\.txt': Permission denied; check"):
        list(read_lines(path))
