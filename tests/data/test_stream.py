import dataclasses
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest

from textsem.data.defaults import DATA_VARIABLE
from textsem.data.nli import load_nli, nli_from_table
from textsem.data.pairs import PairChunk
from textsem.data.stream import HEAD_LABELS, NliStream, stream_nli
from textsem.data.table import Row, RowStream, Table
from textsem.text.labels import LABEL_NAMES

COLUMNS = ("premise", "hypothesis", "label")
UNLABELLED = (None, "", "-", -1, "-1")


def table(labels: Sequence[object]) -> Table:
    columns = {
        "premise": [f"Premise {i}." for i in range(len(labels))],
        "hypothesis": [f"Hypothesis {i}." for i in range(len(labels))],
        "label": labels,
    }
    return Table("here", "test", columns, COLUMNS, {})


def pairs_of(chunks: Iterator[PairChunk]) -> list[tuple[str, str, str, str | None]]:
    return [
        (*pair, chunk.problems.get(i))
        for chunk in chunks
        for i, pair in enumerate(zip(chunk.premises, chunk.hypotheses, chunk.labels, strict=True))
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_chunks_are_the_pairs_cut_at_a_size(size: int) -> None:
    stream = NliStream(table(["e", "-", "n", "c", None, "maybe", "e", "n", "c"]))
    chunks = list(stream.chunks(size))
    assert [chunk.start for chunk in chunks] == list(range(0, 7, size))
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert list(chain.from_iterable(chunk.labels for chunk in chunks)) == [
        *LABEL_NAMES,
        "maybe",
        *LABEL_NAMES,
    ]
    assert [chunk.start + i for chunk in chunks for i in chunk.problems] == [3]


def test_each_call_reads_from_the_beginning() -> None:
    stream = NliStream(table(["e", "n", "c", "e"]))
    one, other = stream.chunks(2), stream.chunks(3)
    first = [next(one), next(other), *one, *other]
    assert [(chunk.start, len(chunk)) for chunk in first] == [(0, 2), (0, 3), (2, 2), (3, 1)]
    assert pairs_of(stream.chunks(1)) == pairs_of(stream.chunks(4))


def test_what_was_read_is_known_after_a_whole_pass_alone() -> None:
    stream = NliStream(table(["-", "e", "n", "-"]), notice="mind")
    assert (stream.source, stream.split, stream.notice) == ("here", "test", "mind")
    chunks = stream.chunks(1)
    next(chunks)
    for name in ("identity", "dropped_unlabelled"):
        with pytest.raises(RuntimeError, match="expected a pass over all chunks"):
            getattr(stream, name)
    assert len(list(chunks)) == 1
    assert (stream.identity.rows, stream.dropped_unlabelled) == (2, 2)


def test_identity_is_that_of_the_data_in_memory() -> None:
    rows = table(["e", "-", "n", "c", "c"])
    data, stream = nli_from_table(rows), NliStream(rows)
    list(stream.chunks(2))
    assert stream.identity == data.identity
    assert dataclasses.asdict(stream.identity)["rows"] == 4


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_limit_stops_reading(limit: int, size: int) -> None:
    labels = ["-", "e", "maybe", "-", "n", "c", "-"]
    met = 0

    def rows() -> Iterator[Row]:
        nonlocal met
        for row in table(labels).rows():
            met += 1
            yield row

    stream = NliStream(RowStream("here", None, COLUMNS, {}, rows), limit=limit)
    met = 0
    found = pairs_of(stream.chunks(size))
    assert [label for _, _, label, _ in found] == ["entailment", "maybe", "neutral", "contradiction"][:limit]
    assert met == [2, 3, 5, 6, 7][min(limit, 5) - 1]
    assert stream.identity.rows == min(limit, 4)
    assert stream.dropped_unlabelled == [1, 1, 2, 2, 3][min(limit, 5) - 1]


@pytest.mark.parametrize("size", [0, -1])
def test_chunks_of_no_pair_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        next(NliStream(table(["e"])).chunks(size))
    with pytest.raises(ValueError, match="limit >= 0"):
        stream_nli("a.csv", limit=size - 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "premise,conclusion,label\nA,B,e\n", "got premise, conclusion, label: no hypothesis; rename the col"),
        ("a.jsonl", '{"premise": "A", "hypothesis": "B"}\n', "got premise, hypothesis: no label"),
        ("a.csv", "premise,hypothesis,label\n", "at least one labelled pair in .*, got no rows$"),
        (
            "a.csv",
            "premise,hypothesis,label\nA,B,-\nA,B,\n",
            "at least one labelled pair in .*, got 2 unlabelled rows$",
        ),
        (
            "a.csv",
            "premise,hypothesis,label\nA\nA,B,\n",
            "got 1 unlabelled rows and others .* first: expected 3 fields",
        ),
        (
            "a.csv",
            "premise,hypothesis,label\nA,B,yes\nA,B,no\n",
            "only others in the first 2 labelled rows: yes, no; re",
        ),
        ("a.jsonl", "", "got an empty file"),
        ("a.txt", "\n", "got an empty file"),
        ("a.parquet", "PAR1", "expected a parquet file that is whole"),
        ("a.yaml", "", "expected a file ending in .parquet, .jsonl"),
    ],
)
def test_trouble_of_the_whole_file_is_one_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        stream_nli(str(tmp_path / name))


@pytest.mark.parametrize("others", [HEAD_LABELS - 1, HEAD_LABELS])
def test_a_hundred_unknown_labels_at_first_are_another_naming(others: int) -> None:
    rows = table([*(["yes", "no"] * HEAD_LABELS)[:others], "-", "e"])
    if others < HEAD_LABELS:
        assert len(pairs_of(NliStream(rows).chunks(64))) == HEAD_LABELS
        return
    with pytest.raises(
        ValueError, match=r"in column 'label' of 'here', got only others in the first 100 .*: yes, no; "
    ):
        NliStream(rows)


def test_rows_whose_labels_are_known_are_read_though_all_are_bad() -> None:
    rows = table(["e"] * 2 * HEAD_LABELS)
    stream = NliStream(dataclasses.replace(rows, columns={**rows.columns, "premise": [None] * 2 * HEAD_LABELS}))
    assert sum(len(chunk.problems) for chunk in stream.chunks(64)) == 2 * HEAD_LABELS


def test_broken_lines_at_first_are_no_other_naming(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{broken\n" * 2 * HEAD_LABELS + json.dumps(dict(zip(COLUMNS, ("A", "B", "e"), strict=True))))
    assert len(pairs_of(stream_nli(str(path)).chunks(64))) == 2 * HEAD_LABELS + 1


def test_notice_and_source_are_those_of_load_nli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    stream, data = stream_nli(None, limit=5), load_nli(None, limit=5)
    assert stream.notice is not None
    assert (stream.notice, stream.source, stream.split) == (data.notice, data.identity.source, data.identity.split)
    (chunk,) = stream.chunks(5)
    assert chunk == next(data.chunks(5))
    (tmp_path / "x_dev.csv").write_text("premise,hypothesis,label\nA,B,non-entailment\n")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    stream = stream_nli(None, split="dev")
    assert (stream.source, stream.split, stream.notice) == (str(tmp_path), "dev", None)
    assert pairs_of(stream.chunks(9)) == [("A", "B", "not_entailment", None)]
