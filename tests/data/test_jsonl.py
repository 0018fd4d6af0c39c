import json
from pathlib import Path

import pytest

from textsem.data.jsonl import HEAD_ROWS, open_jsonl
from textsem.data.table import Row

PAIR = {"premise": "A.", "hypothesis": "B.", "label": "neutral"}
GOOD = json.dumps(PAIR).encode()


def rows(path: Path, *lines: bytes) -> list[Row]:
    path.write_bytes(b"\n".join(lines))
    return list(open_jsonl(path, source="here", split=None).rows())


@pytest.mark.parametrize(
    ("line", "got"),
    [
        (b'{"premise": ', r"Expecting value at character 12: mend or remove"),
        (b'{"premise": "A.', "Unterminated string starting at character 13: mend"),
        (b'{"premise": "A."} {}', "Extra data at character 19"),
        (b'["A.", "B.", "neutral"]', r"""'\["A.", "B.", "neutral"\]': write each pair as one object"""),
        (b"null", "'null': write"),
        (b"\xef\xbb\xbf{}", r"'\\ufeff\{\}'"),
        (b"{" + b"\0" * 10 + b"}", "at character 2"),
        (b'{"premise": "na\xefve"}', "the byte 0xEF at position 16, which is no UTF-8 text: save"),
        (b'{"premise": ' + b"[" * 100_000 + b"}", "brackets nested too deeply"),
        (b'{"label": ' + b"9" * 5_000 + b"}", "a number that is too long .*4300"),
        (b"x" * 1_000_000, "xxx'"),
    ],
)
def test_line_that_is_no_object_is_one_bad_row_between_good_ones(tmp_path: Path, line: bytes, got: str) -> None:
    first, bad, last = rows(tmp_path / "a.jsonl", GOOD, b"", line, GOOD)
    assert first.values == last.values == PAIR
    assert (first.problem, bad.values, last.problem) == (None, {}, None)
    assert bad.problem is not None
    with pytest.raises(ValueError, match=r"^expected a JSON object on line 3 of '.*a\.jsonl', got .*" + got):
        raise ValueError(bad.problem)
    assert len(bad.problem) < 300 + len(str(tmp_path))


def test_place_names_row_line_and_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert [row.place for row in rows(path, b"", GOOD, b"   ", GOOD)] == [
        f"row 1 (line 2) of {str(path)!r}",
        f"row 2 (line 4) of {str(path)!r}",
    ]


def test_line_ends_marks_and_control_characters_are_no_trouble(tmp_path: Path) -> None:
    raw = '{"premise": "a\tb\u2028c\x01\0", "hypothesis": "\\u2029\\r\\n", "label": "neutral"}'.encode()
    row, other = rows(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + raw + b"\r", GOOD + b"\r\n")
    assert row.values == {"premise": "a\tb\u2028c\x01\0", "hypothesis": "\u2029\r\n", "label": "neutral"}
    assert other.values == PAIR


def test_columns_are_those_of_the_first_sound_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows(path, b"[]", b'{"a": 1}', b'{"b": 1, "a": 2}', *[b"{}"] * (HEAD_ROWS - 3), b'{"c": 1}', b'{"d": 1}')
    assert open_jsonl(path, source="here", split=None).found == ("a", "b", "c")


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "got an empty file"),
        (b"\n  \n\r\n", "got an empty file"),
        (b'[\n{"premise": "A."\n}\n]', r"none that can be read; the first: .*line 1 of .*got '\['"),
        ('{"premise": "A."}\n'.encode("utf-16"), "the byte 0xFF at position 1"),
    ],
)
def test_file_without_any_object_is_an_error(tmp_path: Path, content: bytes, got: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"expected one JSON object a line in .*a\.json'.*" + got):
        open_jsonl(tmp_path / "a.json", source="here", split=None)
