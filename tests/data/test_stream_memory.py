"""A pass over the data holds little more than a chunk of it."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from textsem.data.stream import stream_nli

ROWS, TEXT = 3_000, "word " * 400
COLUMNS = {"premise": [f"{TEXT}{i}" for i in range(ROWS)], "hypothesis": ["B, b."] * ROWS, "label": [1] * ROWS}


def write_jsonl(path: Path) -> None:
    rows = zip(*COLUMNS.values(), strict=True)
    path.write_text("".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows))


def write_csv(path: Path) -> None:
    path.write_text("premise,hypothesis,label\n" + "".join(f'"{TEXT}{i}","B, b.",1\n' for i in range(ROWS)))


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table(COLUMNS), path, use_dictionary=False, compression="none")


def write_saved(path: Path) -> None:
    datasets.Dataset.from_dict(COLUMNS).save_to_disk(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.jsonl", write_jsonl), ("a.csv", write_csv), ("a.parquet", write_parquet), ("saved", write_saved)],
)
def test_memory_does_not_grow_with_the_data(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    stream = stream_nli(str(tmp_path / name))
    held = most_held = 0
    before = pyarrow.total_allocated_bytes()
    tracemalloc.start()
    for chunk in stream.chunks(64):
        held += len(chunk)
        most_held = max(most_held, pyarrow.total_allocated_bytes() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held == ROWS
    # Of 6 MB; a chunk has 130 kB, and arrow a batch and its buffers.
    assert peak < 1_500_000
    assert most_held < 4_000_000
