import csv
import errno
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.evaluation import exports
from textsem.evaluation.exports import export_results
from textsem.outputs import STATUSES, AttackResult
from textsem.text.labels import LABEL_NAMES, TWO_CLASS_NAMES

SUCCESS = AttackResult(
    index=0,
    premise='A man says "no"',
    hypothesis="two\nlines",
    label="neutral",
    prediction="neutral",
    status="success",
    adversarial="",
    adversarial_prediction="contradiction",
    scores={
        "original": {"entailment": 0.25, "neutral": 0.5, "contradiction": 0.25},
        "adversarial": {"entailment": 0.125, "neutral": 0.125, "contradiction": 0.75},
    },
    queries=3,
    distance=1.5,
    edits=1,
)
ERROR = AttackResult(1, "p", "h", "entailment", None, "error", message="ValueError: no")

TEXTS = ("premise", "hypothesis", "label", "prediction", "status", "adversarial", "adversarial_prediction", "message")


def read_csv(path: Path) -> list[dict[str, Any]]:
    table = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(TEXTS, pyarrow.string()),  # "0" may be a label
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_csv_is_these_very_bytes(tmp_path: Path) -> None:
    assert export_results(tmp_path, [SUCCESS, ERROR], ["csv"]) == [tmp_path / "results.csv"]
    assert (tmp_path / "results.csv").read_bytes().decode() == (
        '"index","premise","hypothesis","label","prediction","status","adversarial","adversarial_prediction",'
        '"score_original_entailment","score_original_neutral","score_original_contradiction",'
        '"score_adversarial_entailment","score_adversarial_neutral","score_adversarial_contradiction",'
        '"queries","distance","edits","message"\n'
        '0,"A man says ""no""","two\nlines","neutral","neutral","success","","contradiction",'
        "0.25,0.5,0.25,0.125,0.125,0.75,3,1.5,1,\n"
        '1,"p","h","entailment",,"error",,,,,,,,,0,,,"ValueError: no"\n'
    )


def test_parquet_has_types_and_nulls(tmp_path: Path) -> None:
    export_results(tmp_path, [SUCCESS, ERROR], ["parquet"])
    table = pyarrow.parquet.read_table(tmp_path / "results.parquet")
    kinds = {name: str(kind) for name, kind in zip(table.schema.names, table.schema.types, strict=True)}
    assert {kinds[name] for name in ("index", "queries", "edits")} == {"int64"}
    assert {kinds[name] for name in ("distance", "score_adversarial_neutral")} == {"double"}
    first, second = table.to_pylist()
    assert (first["adversarial"], second["adversarial"]) == ("", None)
    assert (first["score_adversarial_contradiction"], second["score_original_neutral"]) == (0.75, None)


def test_columns_are_all_fields_of_a_line() -> None:
    names = exports._schema(LABEL_NAMES).names
    assert [name for name in names if not name.startswith("score_")] == [
        field.name for field in fields(AttackResult) if field.name != "scores"
    ]


def test_two_classes_give_two_columns_each(tmp_path: Path) -> None:
    scores = {"original": dict.fromkeys(TWO_CLASS_NAMES, 0.5)}
    export_results(tmp_path, [AttackResult(0, "p", "h", "neutral", "not_entailment", "failed", scores=scores)], ["csv"])
    (row,) = read_csv(tmp_path / "results.csv")
    assert [name for name in row if name.startswith("score_")] == [
        f"score_{which}_{label}" for which in ("original", "adversarial") for label in TWO_CLASS_NAMES
    ]


def test_successes_alone_keep_their_index(tmp_path: Path) -> None:
    results = [ERROR, SUCCESS, AttackResult(2, "p", "h", "neutral", "neutral", "failed")]
    paths = export_results(tmp_path, results, ["parquet", "csv", "parquet"], rows="successes")
    assert [path.name for path in paths] == ["results.parquet", "results.csv"]
    assert [row["premise"] for row in read_csv(paths[1])] == [SUCCESS.premise]
    assert pyarrow.parquet.read_table(paths[0]).to_pylist()[0]["index"] == SUCCESS.index


def test_run_without_lines_gives_a_table_without_rows(tmp_path: Path) -> None:
    csv_path, parquet_path = export_results(tmp_path, [], ["csv", "parquet"])
    assert csv_path.read_text().count("\n") == 1
    assert pyarrow.parquet.read_table(parquet_path).num_rows == 0


def test_rows_of_several_batches_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BATCH_SIZE", 3)
    results = [AttackResult(i, f"p{i}", "h", "neutral", "neutral", "failed") for i in range(10)]
    export_results(tmp_path, results, ["csv", "parquet"])
    assert [row["index"] for row in read_csv(tmp_path / "results.csv")] == list(range(10))
    assert pyarrow.parquet.read_table(tmp_path / "results.parquet")["premise"].to_pylist() == [
        f"p{i}" for i in range(10)
    ]


def test_results_are_never_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = largest = 0

    class Counted(AttackResult):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    class Lazy(Sequence[AttackResult]):
        def __len__(self) -> int:
            return 100

        def __getitem__(self, place: Any) -> Any:
            nonlocal alive, largest
            if place >= 100:
                raise IndexError(place)
            alive += 1
            largest = max(largest, alive)
            return Counted(place, "p", "h", "neutral", "neutral", "failed")

    monkeypatch.setattr(exports, "BATCH_SIZE", 5)
    export_results(tmp_path, Lazy(), ["csv", "parquet"])
    assert largest < 15


texts = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["", "\ud83d", "a\udc00b", "😀", '"', "\r\n", ",", "\0", "=1+1", "\u202e"]
)
numbers = st.floats(0, 1).map(lambda value: round(value, 5))
scores = st.none() | st.fixed_dictionaries(
    {"original": st.fixed_dictionaries(dict.fromkeys(LABEL_NAMES, numbers))},
    optional={"adversarial": st.fixed_dictionaries(dict.fromkeys(LABEL_NAMES, numbers))},
)
any_results = st.lists(
    st.builds(
        AttackResult,
        index=st.integers(0, 2**40),
        premise=texts,
        hypothesis=texts,
        label=texts,
        prediction=st.none() | texts,
        status=st.sampled_from(STATUSES),
        adversarial=st.none() | texts,
        adversarial_prediction=st.none() | texts,
        scores=scores,
        queries=st.integers(0, 100),
        distance=st.none() | numbers,
        edits=st.none() | st.integers(0, 9),
        message=st.none() | texts,
    ),
    min_size=1,
    max_size=4,
)


def held(text: str | None) -> str | None:
    """Return text as UTF-8 can hold it: lone surrogates as escapes, as JSON writes them."""
    if text is None:
        return None
    return "".join(json.dumps(c)[1:-1] if "\ud800" <= c <= "\udfff" else c for c in text)


@given(any_results)
def test_every_text_and_null_comes_back(tmp_path_factory: pytest.TempPathFactory, results: list[AttackResult]) -> None:
    folder = tmp_path_factory.mktemp("export")
    csv_path, parquet_path = export_results(folder, results, ["csv", "parquet"])
    with csv_path.open(newline="", encoding="utf-8") as file:
        plain = list(csv.DictReader(file))
    tables = [read_csv(csv_path), pyarrow.parquet.read_table(parquet_path).to_pylist()]
    assert [len(table) for table in (plain, *tables)] == [len(results)] * 3
    for i, result in enumerate(results):
        for field in fields(AttackResult):
            if field.name == "scores":
                continue
            value = getattr(result, field.name)
            wanted = held(value) if isinstance(value, str) else value
            assert [table[i][field.name] for table in tables] == [wanted] * 2, field.name
            if isinstance(value, str):
                assert plain[i][field.name] == wanted  # the standard library's reader agrees
        for which in ("original", "adversarial"):
            for label in LABEL_NAMES:
                wanted = ((result.scores or {}).get(which) or {}).get(label)
                name = f"score_{which}_{label}"
                assert [table[i].get(name) for table in tables] == [wanted] * 2


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_full_disk_names_the_file_and_keeps_the_old_one(
    tmp_path: Path, name: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = export_results(tmp_path, [SUCCESS], [name])
    before = path.read_bytes()
    open_file = Path.open

    def full(self: Path, *args: Any, **kwargs: Any) -> Any:
        return open_file(Path("/dev/full") if self.name.endswith(".tmp") else self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=f"could not write .*results.{name}: ") as caught:
        export_results(tmp_path, [SUCCESS] * 5000, [name])
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_interruption_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(file: Any, *args: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(exports, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_results(tmp_path, [SUCCESS], ["csv"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formats": ["xml"]}, "expected formats among csv, parquet, got xml"),
        ({"formats": ["csv"], "rows": "some"}, "expected rows to be one of all, successes, got 'some'"),
    ],
)
def test_unknown_choices_are_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export_results(tmp_path, [SUCCESS], **arguments)
