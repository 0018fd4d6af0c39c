import json
from collections import Counter
from pathlib import Path

import pytest

from textsem.data.stream import stream_nli
from textsem.evaluation.hostile_files import write_delimited, write_lines, write_parquet
from textsem.evaluation.hostile_rows import KINDS, LONG_KINDS, ORDINARY, UNLABELLED, HostileRow, draw_rows

# No row of these can be attacked.
ALWAYS_BAD = {"no text", "wrong labels", "odd labels", "lone surrogates", "no objects", "no UTF-8"}
NUM_ROWS = 360


@pytest.fixture(scope="module")
def rows() -> list[HostileRow]:
    return draw_rows(NUM_ROWS, seed=3)


def test_seed_alone_decides(rows: list[HostileRow]) -> None:
    assert [row.line for row in draw_rows(NUM_ROWS, seed=3)] == [row.line for row in rows]
    assert [row.line for row in draw_rows(NUM_ROWS, seed=4)] != [row.line for row in rows]


def test_third_is_ordinary_and_every_kind_is_there(rows: list[HostileRow]) -> None:
    kinds = Counter(row.kind for row in rows)
    assert kinds[ORDINARY] == NUM_ROWS // 3
    assert set(kinds) == {ORDINARY, *KINDS}
    assert min(kinds.values()) >= 8
    assert set(Counter(row.kind for row in draw_rows(800, seed=0))) == {ORDINARY, *KINDS, *LONG_KINDS}


def test_ordinary_row_says_what_it_means(rows: list[HostileRow]) -> None:
    for row in rows:
        assert b"\n" not in row.line
        if row.kind == ORDINARY:
            assert json.loads(row.line) == row.values


def test_rows_without_a_label_are_dropped_and_no_others(rows: list[HostileRow], tmp_path: Path) -> None:
    data = stream_nli(str(write_lines(tmp_path / "rows.jsonl", rows)))
    (chunk,) = data.chunks(NUM_ROWS)
    asked = [row for row in rows if row.kind != UNLABELLED]
    assert len(chunk) == len(asked)
    assert data.dropped_unlabelled == NUM_ROWS - len(asked)
    for i, row in enumerate(asked):
        if row.kind == ORDINARY or row.kind in ALWAYS_BAD:
            assert (i in chunk.problems) == (row.kind != ORDINARY), row
        if row.kind == ORDINARY:
            assert {"premise": chunk.premises[i], "hypothesis": chunk.hypotheses[i], "label": chunk.labels[i]} == (
                row.values
            )


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_other_formats_hold_the_same_rows(suffix: str, rows: list[HostileRow], tmp_path: Path) -> None:
    told = [row for row in rows if row.values is not None]
    write = write_parquet if suffix == "parquet" else write_delimited
    data = stream_nli(str(write(tmp_path / f"rows.{suffix}", told)))
    (chunk,) = data.chunks(NUM_ROWS)
    asked = [row for row in told if row.kind != UNLABELLED]
    assert (len(chunk), data.dropped_unlabelled) == (len(asked), len(told) - len(asked))
    for row, premise in zip(asked, chunk.premises, strict=True):
        if row.kind in (ORDINARY, "emoji", "line ends", "markup", "right to left"):
            assert row.values is not None
            assert premise == row.values["premise"]
