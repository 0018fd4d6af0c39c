import json
from pathlib import Path

import datasets
import pytest

from textsem.data.nli import NliData, load_nli

ROWS = [
    ("A dog, wet, runs.", 'The dog is "wet".', "entailment"),
    ('"Stop sign here.', "It is Sunday.", "neutral"),
    ("Zoë sleeps.", "Zoë is awake.", "contradiction"),
]
SNLI_COLUMNS = ("gold_label", "sentence1_parse", "sentence1", "sentence2", "label1")


def snli_row(premise: str, hypothesis: str, label: str) -> dict[str, str]:
    return dict(zip(SNLI_COLUMNS, (label, "( ... )", premise, hypothesis, "neutral"), strict=True))


def write_jsonl(path: Path) -> None:
    lines = [json.dumps(dict(zip(("premise", "hypothesis", "label"), row, strict=True))) for row in ROWS]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def write_snli_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(snli_row(*row)) + "\n" for row in ROWS), encoding="utf-8")


def write_csv(path: Path) -> None:
    frame = datasets.Dataset.from_list([{"Premise": p, "Hypothesis": h, "Label": y} for p, h, y in ROWS]).to_pandas()
    frame.to_csv(path, index=False)


def write_tsv(path: Path) -> None:
    frame = datasets.Dataset.from_list([{"premise": p, "hypothesis": h, "label": y} for p, h, y in ROWS]).to_pandas()
    frame.to_csv(path, index=False, sep="\t")


def write_snli_txt(path: Path) -> None:
    lines = ["\t".join(SNLI_COLUMNS), *("\t".join(snli_row(*row).values()) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_parquet(path: Path) -> None:
    names = ["neutral", "contradiction", "entailment"]  # not the package's order
    features = datasets.Features(
        premise=datasets.Value("string"), hypothesis=datasets.Value("string"), label=datasets.ClassLabel(names=names)
    )
    rows = {"premise": [], "hypothesis": [], "label": []}  # type: dict[str, list[object]]
    for premise, hypothesis, label in ROWS:
        rows["premise"].append(premise)
        rows["hypothesis"].append(hypothesis)
        rows["label"].append(names.index(label))
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jsonl", write_jsonl),
        ("snli_1.0_test.jsonl", write_snli_jsonl),
        ("a.csv", write_csv),
        ("a.tsv", write_tsv),
        ("snli_1.0_test.txt", write_snli_txt),
        ("original.tsv", write_snli_txt),
        ("a.parquet", write_parquet),
    ],
)
def test_every_format_gives_the_same_pairs(tmp_path: Path, name: str, write) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / name)
    data: NliData = load_nli(str(tmp_path / name))
    assert list(zip(data.premises, data.hypotheses, data.labels, strict=True)) == [
        (premise, hypothesis, label) for label, (premise, hypothesis, _) in enumerate(ROWS)
    ]
    assert (data.problems, data.dropped_unlabelled, data.notice) == ({}, 0, None)
    assert (data.identity.rows, data.identity.split) == (3, None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"premise,hypothesis,label\n\xff\xfe,B,neutral\n", "0xFF at position 1, which is no UTF-8 text"),
        ("a.parquet", b"premise", "expected a parquet file"),
        ("a.xlsx", b"", "expected a file ending in .parquet"),
    ],
)
def test_file_that_is_not_what_it_claims_is_an_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_nli(str(tmp_path / name))
