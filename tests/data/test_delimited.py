import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.data import delimited
from textsem.data.delimited import open_delimited, split_fields
from textsem.data.table import Row

HEADER = "premise,hypothesis,label\n"


def rows(path: Path, content: str | bytes, *, tabs: bool = False) -> list[Row]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_delimited(path, source="here", split=None, tabs=tabs).rows())


def values(row: Row) -> list[object]:
    return list(row.values.values())


@pytest.mark.parametrize("delimiter", [",", "\t"])
@given(fields=st.lists(st.text(), min_size=1), data=st.data())
def test_fields_are_those_that_the_csv_module_wrote(delimiter: str, fields: list[str], data: st.DataObject) -> None:
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    sink = io.StringIO()
    csv.writer(sink, delimiter=delimiter, quoting=quoting).writerow(fields)  # type: ignore[arg-type]
    first, *others = sink.getvalue().split("\n")
    lines = iter([line + "\n" for line in others[:-1]])
    assert split_fields(first + "\n", delimiter, lambda: next(lines, None)) == fields
    assert next(lines, None) is None


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('a "b" c,d"\n', ['a "b" c', 'd"']),  # marks inside a field that does not begin with one are text
        (",,\r\n", ["", "", ""]),
        ('"",""""\r', ["", '"']),
        ("a,b", ["a", "b"]),
        ('a,"b"', ["a", "b"]),
    ],
)
def test_fields_of_one_line_agree_with_the_csv_module(line: str, fields: list[str]) -> None:
    assert split_fields(line, ",", lambda: None) == fields
    assert next(csv.reader(io.StringIO(line, newline=""))) == fields


def test_field_of_megabytes_is_read(tmp_path: Path) -> None:
    sentence = "word, " * 1_000_000 + 'word, "x" \n' * 10_000  # the csv module's own limit is 131,072 characters
    (row,) = rows(tmp_path / "a.csv", HEADER + '"' + sentence.replace('"', '""') + '",B,neutral\n')
    assert values(row) == [sentence, "B", "neutral"]


@pytest.mark.parametrize("bad", ['"open,B,neutral', '"a"b,B,neutral', 'A,"open', 'A,B,neutral"\n"x'])
@pytest.mark.parametrize("after", ["", 'A,"C, ""c""",neutral\n', "A,C,neutral\n"])
def test_open_quotation_mark_costs_its_own_line_alone(tmp_path: Path, bad: str, after: str) -> None:
    found = rows(tmp_path / "a.csv", f"{HEADER}A,B,neutral\n{bad}\nD,E,neutral\n{after}F,G,neutral\n")
    sound = [values(row)[0] for row in found if row.problem is None]
    broken = [row for row in found if row.problem is not None]
    assert sound[-2 - bool(after) :] == ["D", *(["A"] if after else []), "F"]
    (row,) = broken
    line = 3 + bad.count("\n")
    assert f"expected well-formed fields on line {line} of" in str(row.problem)
    assert "a quotation mark at character" in str(row.problem)
    assert row.place == f"row {line - 1} (line {line}) of {str(tmp_path / 'a.csv')!r}"


def test_open_quotation_mark_does_not_swallow_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD_CHARACTERS", 100)
    bad, *others = rows(tmp_path / "a.csv", HEADER + '"A,B,neutral\n' + "A,B,neutral\n" * 50 + '",B,neutral\n')
    assert bad.problem is not None
    assert [row.problem for row in others[:-1]] == [None] * 50
    assert others[-1].problem is not None


@pytest.mark.parametrize(("line", "count"), [("A,B", 2), ("A", 1), ("A, b,C,neutral", 4)])
def test_row_with_other_fields_is_one_bad_row(tmp_path: Path, line: str, count: int) -> None:
    first, bad, last = rows(tmp_path / "a.csv", f"{HEADER}A,B,neutral\n\n{line}\r\nC,D,neutral\r\n")
    assert (values(first), values(last)) == (["A", "B", "neutral"], ["C", "D", "neutral"])
    assert bad.values == {}
    assert f"expected 3 fields on line 4 of {str(tmp_path / 'a.csv')!r}, got {count}: put" in str(bad.problem)


def test_fields_that_nobody_reads_may_be_missing_at_the_end(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "a.csv", "id,premise,hypothesis,label,x,y\n1,A,B,neutral\n")
    assert row.problem is None
    assert row.values == {"id": "1", "premise": "A", "hypothesis": "B", "label": "neutral"}


def test_quotation_marks_of_glue_files_are_text(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.tsv", 'sentence1\tsentence2\tlabel\n"Open\tB "b"\tx\nA\tB\n', tabs=True)
    assert values(found[0]) == ['"Open', 'B "b"', "x"]
    assert "fields with tabs inside" in str(found[1].problem)
    (row,) = rows(tmp_path / "a.csv", 'sentence1,sentence2,label\n"A, a",B,x\n')
    assert values(row) == ["A, a", "B", "x"]


def test_bytes_that_are_no_utf8_are_told_and_their_row_kept(tmp_path: Path) -> None:
    first, bad, last = rows(tmp_path / "a.csv", HEADER.encode() + b'A,B,neutral\n"x\ncaf\xe9",B,neutral\nC,D,neutral\n')
    assert (first.problem, last.problem) == (None, None)
    assert values(bad) == ["x\ncaf\udce9", "B", "neutral"]
    assert "on line 3 of" in str(bad.problem)
    assert "the byte 0xE9 at position 4, which is no UTF-8 text: save the file as UTF-8" in str(bad.problem)


def test_text_keeps_what_only_looks_like_a_line_end(tmp_path: Path) -> None:
    text = "a\u2028b\x85c\x0c\0d\re"
    (row,) = rows(tmp_path / "a.csv", f"\ufeff\n{HEADER}{text},{text},neutral\r\n")
    assert values(row) == [text, text, "neutral"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header and rows in .*, got an empty file"),
        (b" \n\r\n", "expected a header and rows in .*, got an empty file"),
        (HEADER.encode("utf-16"), "line 1 of .*0xFF at position 1, which is no UTF-8 text.*it is the header"),
        (b'"premise,hypothesis\n', "line 1 of .*a quotation mark at character 1 .*it is the header"),
    ],
)
def test_file_without_header_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rows(tmp_path / "a.csv", content)
