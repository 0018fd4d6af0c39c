import json
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from textsem.data.arrow import BATCH_ROWS, open_dataset, open_parquet
from textsem.data.locations import open_rows

COUNT = 3 * BATCH_ROWS + 5
COLUMNS = {
    "premise": [f"premise {i}" for i in range(COUNT)],
    "hypothesis": [f"hypothesis {i}" for i in range(COUNT)],
    "label": [i % 3 for i in range(COUNT)],
}
# "a", two bytes that are no UTF-8, "b"
BROKEN = pyarrow.Array.from_buffers(
    pyarrow.string(),
    3,
    [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0"), pyarrow.py_buffer(b"a\xff\xfeb")],
)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"other": COLUMNS["premise"], **COLUMNS}), path, row_group_size=50)
    return path


def test_parquet_rows_are_those_that_were_written_in_order(parquet: Path) -> None:
    stream = open_parquet(parquet, source="here", split="test")
    assert (stream.source, stream.split) == ("here", "test")
    assert stream.found == ("other", "premise", "hypothesis", "label")
    rows = list(stream.rows())
    assert [row.values for row in rows] == [
        dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)
    ]
    assert rows[99].place == f"row 100 of {str(parquet)!r}"


def test_data_set_of_chosen_rows_is_read_in_its_own_order() -> None:
    chosen = [*range(COUNT - 1, -1, -1)]
    stream = open_dataset(
        datasets.Dataset.from_dict({"other": [0] * COUNT, **COLUMNS}).select(chosen), source="x", split=None
    )
    assert [row.values["premise"] for row in stream.rows()] == [f"premise {i}" for i in chosen]
    assert next(iter(stream.rows())).place == "row 1 of 'x'"


@pytest.mark.parametrize(
    "metadata", ["{", "3", '{"info": {"features": 3}}', '{"info": {"features": {"label": 0}}}', "{}"]
)
def test_metadata_of_others_are_passed_over(tmp_path: Path, metadata: str) -> None:
    table = pyarrow.table(COLUMNS).replace_schema_metadata({"huggingface": metadata})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert open_parquet(tmp_path / "a.parquet", source="here", split=None).class_names == {}


def test_class_names_are_those_that_datasets_reads(tmp_path: Path) -> None:
    features = datasets.Features(
        premise=datasets.Value("string"),
        hypothesis=datasets.Value("string"),
        label=datasets.ClassLabel(names=["not_entailment", "entailment"]),
    )
    path = tmp_path / "a.parquet"
    datasets.Dataset.from_dict({**COLUMNS, "label": [0] * COUNT}, features=features).to_parquet(path)
    read = datasets.Features.from_arrow_schema(pyarrow.parquet.read_schema(path))
    names = open_parquet(path, source="here", split=None).class_names
    assert names == {"label": tuple(read["label"].names)} == {"label": ("not_entailment", "entailment")}
    assert json.loads(pyarrow.parquet.read_schema(path).metadata[b"huggingface"])


def test_text_that_is_no_utf8_is_one_value_of_bytes(tmp_path: Path) -> None:
    columns = {"premise": BROKEN, "hypothesis": ["x", "y", "z"], "label": ["e", None, "c"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    stream = open_parquet(tmp_path / "a.parquet", source="here", split=None)
    assert [row.values["premise"] for row in stream.rows()] == ["a", b"\xff\xfe", "b"]
    assert [row.values["label"] for row in stream.rows()] == ["e", None, "c"]
    saved = open_dataset(datasets.Dataset(pyarrow.table(columns)), source="here", split=None)
    assert [row.values["premise"] for row in saved.rows()] == ["a", b"\xff\xfe", "b"]


@pytest.mark.parametrize("cut", [0, 3, 11, 500, -1, -9])
def test_truncated_parquet_is_an_error_that_names_file_and_mend(parquet: Path, cut: int) -> None:
    parquet.write_bytes(parquet.read_bytes()[:cut])
    with pytest.raises(
        ValueError, match=r"^expected a parquet file that is whole, got '.*a\.parquet': .*; write or f"
    ) as error:
        open_parquet(parquet, source="here", split=None)
    assert "\n" not in str(error.value)


def test_damage_inside_a_parquet_file_is_told_where_it_is_met(parquet: Path) -> None:
    content = bytearray(parquet.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    parquet.write_bytes(bytes(content))
    stream = open_parquet(parquet, source="here", split=None)  # the schema stands at the end
    with pytest.raises(ValueError, match=r"expected a parquet file that is whole, got .*a\.parquet") as error:
        list(stream.rows())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", ["cut", "junk", "gone", "state", "info"])
def test_damaged_saved_data_set_is_an_error_that_names_it(tmp_path: Path, damage: str) -> None:
    datasets.Dataset.from_dict(COLUMNS).save_to_disk(tmp_path)
    (arrow,) = tmp_path.glob("*.arrow")
    if damage == "gone":
        arrow.unlink()
    elif damage in ("cut", "junk"):
        arrow.write_bytes(arrow.read_bytes()[: arrow.stat().st_size // 2] if damage == "cut" else b"junk" * 100)
    else:
        (tmp_path / ("state.json" if damage == "state" else "dataset_info.json")).write_text('{"features": 3}')
    with pytest.raises(
        ValueError, match=r"expected a folder as datasets\.save_to_disk writes it, got .*; save it again"
    ):
        open_rows(str(tmp_path), "test")
