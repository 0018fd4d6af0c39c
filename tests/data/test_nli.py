import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from textsem.data.nli import NliData, load_nli, nli_from_table
from textsem.data.stream import NliStream
from textsem.data.table import Table


def table(labels: Sequence[object], class_names: tuple[str, ...] | None = None) -> Table:
    columns = {
        "premise": [f"Premise {i}." for i in range(len(labels))],
        "hypothesis": [f"Hypothesis {i}." for i in range(len(labels))],
        "label": labels,
    }
    return Table("here", "test", columns, tuple(columns), {} if class_names is None else {"label": class_names})


@pytest.mark.parametrize(
    "labels",
    [
        ["entailment", "neutral", "contradiction"],
        ["Entailment", "NEUTRAL", " contradiction "],
        ["e", "N", "c"],
        [0, 1, 2],
        ["0", "1", "2"],
        [0.0, 1.0, 2.0],
        ["0.0", "1.0", "2.0"],
    ],
)
def test_labels_in_any_spelling_are_the_three(labels: Sequence[object]) -> None:
    assert nli_from_table(table(labels)).labels == (0, 1, 2)


def test_named_classes_are_mapped_by_their_names() -> None:
    names = ("contradiction", "entailment", "neutral")
    assert nli_from_table(table([0, 1, 2], names)).labels == (2, 0, 1)


def test_label_order_says_what_bare_numbers_mean() -> None:
    assert nli_from_table(table([0, 1, 2]), label_order=["c", "e", "n"]).labels == (2, 0, 1)
    numbered = table([0, 1, 2], ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert nli_from_table(numbered, label_order=["n", "c", "e"]).labels == (1, 2, 0)
    with pytest.raises(ValueError, match="label_order"):
        nli_from_table(numbered)


def test_unlabelled_rows_are_dropped_and_counted() -> None:
    data = nli_from_table(table([-1, "neutral", "-", None, "", "-1", float("nan"), "e"]))
    assert data.hypotheses == ("Hypothesis 1.", "Hypothesis 7.")
    assert data.labels == (1, 0)
    assert data.dropped_unlabelled == 6


def test_limit_counts_labelled_pairs_only() -> None:
    data = nli_from_table(table(["-", "e", "-", "n", "c", "-"]), limit=2)
    assert (data.hypotheses, data.labels) == (("Hypothesis 1.", "Hypothesis 3."), (0, 1))
    assert data.dropped_unlabelled == 2
    assert len(nli_from_table(table(["-", "e", "-", "n", "c", "-"]), limit=0)) == 3
    with pytest.raises(ValueError, match="limit >= 0"):
        load_nli("a.csv", limit=-1)


@pytest.mark.parametrize("label", ["maybe", 3, True, 1.5, "2.5", -2, ["neutral"], float("inf")])
def test_unknown_label_names_row_and_mend(label: object) -> None:
    with pytest.raises(ValueError, match=r"column 'label', row 2 of 'here'.*rename or remove") as error:
        nli_from_table(table(["neutral", label]))
    assert repr(label) in str(error.value)


def test_missing_column_names_what_was_found_and_expected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sentence1,conclusion,gold_label\nA.,B.,neutral\n")
    with pytest.raises(ValueError, match="no hypothesis") as error:
        load_nli(str(path))
    message = str(error.value)
    assert "premise, hypothesis, label or sentence1, sentence2, gold_label" in message
    assert "got sentence1, conclusion, gold_label" in message


def test_rows_without_a_sentence_are_kept_and_marked(tmp_path: Path) -> None:
    rows = [
        {"premise": "A.", "hypothesis": "B.", "label": "e"},
        {"premise": None, "hypothesis": "B.", "label": "n"},
        {"premise": "A.", "hypothesis": 7, "label": "c"},
        {"premise": "A.", "hypothesis": "  ", "label": "c"},
        {"hypothesis": "unlabelled"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load_nli(str(path))
    assert data.labels == (0, 1, 2, 2)
    assert data.dropped_unlabelled == 1
    assert sorted(data.problems) == [1, 2, 3]
    assert "text as premise in row 2" in data.problems[1]
    assert "text as hypothesis in row 3" in data.problems[2]
    assert "got 7: " in data.problems[2]
    assert (data.premises[1], data.hypotheses[2]) == ("", "")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"premise": ', r"JSON object on line 3 of .*a\.jsonl"),
        ("a.jsonl", '["A", "B", "neutral"]', r"JSON object on line 3 of .*a\.jsonl"),
        ("a.csv", "A, b.,C.,neutral", "expected 3 fields on line 3 of .*, got 4"),
        ("a.csv", '"A.,B.,neutral', "well-formed fields on line 3"),
        ("a.csv", b"caf\xe9,B.,neutral", "0xE9 at position 4, which is no UTF-8 text"),
        ("a.csv", "A.,B.,maybe", r"row 2 \(line 3\) of .*got 'maybe'"),
        ("a.csv", "A.,B.,not_entailment", "got not_entailment for pair 2: data of two classes can be attacked, but"),
    ],
)
def test_nothing_is_learnt_from_a_row_without_one_of_the_three_labels(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    good = b'{"premise": "A.", "hypothesis": "B.", "label": "e"}\n' if name == "a.jsonl" else b"A.,B.,e\n"
    head = b"\n" if name == "a.jsonl" else b"premise,hypothesis,label\n"
    bad = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(head + good + bad + b"\n" + good)
    with pytest.raises(ValueError, match=message):
        load_nli(str(tmp_path / name))


def test_problem_of_a_late_row_keeps_its_position() -> None:
    rows = table(["e"] * 3000)
    rows = dataclasses.replace(rows, columns={**rows.columns, "premise": ["x"] * 2500 + [None] + ["x"] * 499})
    assert list(nli_from_table(rows).problems) == [2500]


@pytest.mark.parametrize("size", [1, 2, 4, 5, 9])
def test_chunks_are_those_of_a_stream(size: int) -> None:
    rows = table(["e", "n", "-", "c", "e", "n"])
    columns = {**rows.columns, "hypothesis": ["x", " ", "x", "x", None, "x"]}
    rows = dataclasses.replace(rows, columns=columns)
    chunks = list(nli_from_table(rows).chunks(size))
    assert chunks == list(NliStream(rows).chunks(size))
    assert [chunk.start + i for chunk in chunks for i in chunk.problems] == [1, 3]
    with pytest.raises(ValueError, match="at least one pair"):
        list(nli_from_table(rows).chunks(0))


def test_only_unlabelled_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one labelled pair in 'here', got 2 unlabelled rows"):
        nli_from_table(table(["-", -1]))


def test_digest_depends_on_content_and_order_alone() -> None:
    def digest(labels: Sequence[object], source: str = "here", split: str = "test") -> str:
        changed = dataclasses.replace(table(labels), source=source, split=split)
        return nli_from_table(changed).identity.sha256

    assert digest(["e", "n"]) == digest([0, 1], source="elsewhere", split="dev")
    assert digest(["e", "n"]) != digest(["n", "e"])
    assert digest(["e", "n"]) != digest(["e", "n", "n"])
    # json lines, so that anyone can recompute it: printf '["Premise 0.", "Hypothesis 0.", 0]\n' | sha256sum
    assert digest(["e"]) == "8b5fbcd6fcd285b52d34972c979717233b88fd5a811238087ce8344b3596fa4f"


def test_identity_says_what_was_read() -> None:
    data: NliData = nli_from_table(table(["e", "-", "c"]))
    assert dataclasses.asdict(data.identity) | {"sha256": ""} == {
        "source": "here",
        "split": "test",
        "rows": 2,
        "sha256": "",
    }
