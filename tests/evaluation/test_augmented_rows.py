"""New rows read back from what ``scripts/augment_nli.py`` writes, in each of its formats."""

from pathlib import Path

import pytest

from textsem.evaluation.augmentation_files import OutputFormat, write_rows
from textsem.evaluation.augmented_rows import AugmentedRow, read_new_rows
from textsem.text.labels import LABEL_NAMES

ROWS = [
    {"premise": "p", "hypothesis": "h", "label": "neutral", "origin": "original", "original_hypothesis": "h"},
    {"premise": "p", "hypothesis": "g", "label": "neutral", "origin": "boundary", "original_hypothesis": "h"},
    {"premise": "q", "hypothesis": "i", "label": "contradiction", "origin": "adversarial", "original_hypothesis": "j"},
]
NEW = [AugmentedRow("p", "g", 1, "h", "boundary"), AugmentedRow("q", "i", 2, "j", "adversarial")]


@pytest.mark.parametrize("form", ["parquet", "jsonl", "datasets"])
def test_new_rows_come_back_and_originals_do_not(tmp_path: Path, form: OutputFormat) -> None:
    path = write_rows(tmp_path, form, [{**row, "index": 0} for row in ROWS], labels=LABEL_NAMES)
    assert read_new_rows(tmp_path) == NEW
    assert read_new_rows(path) == NEW


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a folder of scripts/augment_nli.py"):
        read_new_rows(tmp_path)


def test_missing_column_and_unknown_label_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"premise": "p", "hypothesis": "h", "label": "neutral", "origin": "boundary"}\n')
    with pytest.raises(ValueError, match="got none called original_hypothesis"):
        read_new_rows(path)
    write_rows(tmp_path, "jsonl", [{**ROWS[1], "label": "unsure", "index": 0}], labels=("unsure",))
    with pytest.raises(ValueError, match=r"expected one of entailment, neutral, contradiction in row 1 of .*'unsure'"):
        read_new_rows(tmp_path / "augmented.jsonl")
