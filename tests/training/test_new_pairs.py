import json
from pathlib import Path

import pytest

from textsem.data.nli import load_nli
from textsem.evaluation.augmented_rows import read_new_rows
from textsem.training.new_pairs import NewPairs, new_pairs_file, read_new_pairs, remove_new_pairs, write_new_pairs

PAIRS = NewPairs(
    ("A man sits.", "Ein Hügel,\nzwei Zeilen", 'a "quote" \ud800'),
    ("A man stands.", "Ein Berg", "no quote\u2028"),
    (2, 0, 1),
    ("adversarial", "neighbours", "adversarial"),
    ("A man is sitting.", "Hügel", "quote"),
)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    write_new_pairs(tmp_path, 2, PAIRS)
    found = read_new_pairs(tmp_path, 2)
    assert found == PAIRS
    assert found.sha256() == PAIRS.sha256()


def test_files_are_data_sets_as_augmentation_writes_them(tmp_path: Path) -> None:
    whole = NewPairs(PAIRS.premises[:2], PAIRS.hypotheses[:2], (2, 0), PAIRS.origins[:2], ("", ""))
    write_new_pairs(tmp_path, 0, whole)
    path = new_pairs_file(tmp_path, 0)
    data = load_nli(str(path))
    assert (data.premises, data.hypotheses, data.labels) == (whole.premises, whole.hypotheses, whole.labels)
    assert [(row.hypothesis, row.label, row.origin) for row in read_new_rows(path)] == [
        ("A man stands.", 2, "adversarial"),
        ("Ein Berg", 0, "neighbours"),
    ]


def test_counts_are_by_origin() -> None:
    assert PAIRS.counts() == {"adversarial": 2, "neighbours": 1}


@pytest.mark.parametrize("text", ["{", "[1]\n", json.dumps({"premise": "a"}), PAIRS.text().replace("neutral", "odd")])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    write_new_pairs(tmp_path, 0, PAIRS)
    new_pairs_file(tmp_path, 0).write_text(text)
    with pytest.raises(ValueError, match="expected rows of a training"):
        read_new_pairs(tmp_path, 0)


def test_only_our_files_are_removed(tmp_path: Path) -> None:
    remove_new_pairs(tmp_path)
    for epoch in (0, 11):
        write_new_pairs(tmp_path, epoch, PAIRS)
    other = tmp_path / "new_rows" / "notes.txt"
    other.write_text("mine")
    remove_new_pairs(tmp_path)
    assert list((tmp_path / "new_rows").iterdir()) == [other]
    other.unlink()
    remove_new_pairs(tmp_path)
    assert not (tmp_path / "new_rows").exists()
