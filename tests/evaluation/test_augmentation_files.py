"""Files of rows: label names, and whole or not at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet
import pytest

from textsem.data.stream import stream_nli
from textsem.evaluation.augmentation_files import BATCH_SIZE, OUTPUT_NAMES, OutputFormat, write_rows

FORMATS: tuple[OutputFormat, ...] = ("parquet", "jsonl", "datasets")


def rows(*labels: str) -> list[dict[str, Any]]:
    return [
        {
            **{"premise": "p", "hypothesis": f"h {i}", "label": label, "origin": "original"},
            **{"original_hypothesis": f"h {i}", "index": i},
        }
        for i, label in enumerate(labels)
    ]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "labels",
    [("neutral",), ("not_entailment", "entailment"), ("not_entailment", "neutral"), ("contradiction", "entailment")],
)
def test_names_come_back_whatever_classes_the_data_has(tmp_path: Path, form: OutputFormat, labels: Any) -> None:
    path = write_rows(tmp_path, form, rows(*labels), labels=set(labels))
    (chunk,) = stream_nli(str(path)).chunks(10)
    assert chunk.labels == labels
    assert not chunk.problems


@pytest.mark.parametrize("form", FORMATS)
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, form: OutputFormat) -> None:
    path = write_rows(tmp_path, form, rows("neutral"), labels=["neutral"])
    before = sorted(tmp_path.rglob("*"))

    def broken() -> Iterator[dict[str, Any]]:
        yield from rows(*["neutral"] * (BATCH_SIZE + 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path, form, broken(), labels=["neutral"])
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list(stream_nli(str(path)).chunks(10))) == 1


def test_other_formats_are_removed_once_the_new_one_is_there(tmp_path: Path) -> None:
    for form in (*FORMATS, *FORMATS):
        write_rows(tmp_path, form, rows("neutral"), labels=["neutral"])
        assert [path.name for path in tmp_path.iterdir()] == [OUTPUT_NAMES[form]]


def test_parquet_is_written_by_batches(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "parquet", rows(*["neutral"] * (2 * BATCH_SIZE + 1)), labels=["neutral"])
    metadata = pyarrow.parquet.read_metadata(path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [BATCH_SIZE, BATCH_SIZE, 1]


def test_no_rows_still_have_their_columns_where_a_format_can_say_so(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "parquet", [], labels=["neutral"])
    assert "label" in pyarrow.parquet.read_schema(path).names
    with pytest.raises(ValueError, match="expected at least one row for a folder of datasets, got none"):
        write_rows(tmp_path, "datasets", [], labels=["neutral"])
    assert list(tmp_path.iterdir()) == [path]


def test_bars_of_datasets_are_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not datasets.are_progress_bars_disabled()
    write_rows(tmp_path, "datasets", rows("neutral"), labels=["neutral"])
    assert not datasets.are_progress_bars_disabled()
    assert capsys.readouterr().err == ""


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected format to be one of parquet, jsonl, datasets, got 'csv'"):
        write_rows(tmp_path, "csv", [], labels=[])  # type: ignore[arg-type]
