"""The data card: its figures are those of the rows, its warning names who consented, and no folder is named."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.augmentation_fakes import KnownMaker, expected_rows, known_rows, write_pairs
from textsem.evaluation.augmentation_run import AugmentNliConfig, augment_nli

NUMBER = 60


def card(tmp_path: Path, maker: KnownMaker | None = None, *, command: str = "a command", **options: Any) -> str:
    data = write_pairs(tmp_path / "pairs.jsonl", known_rows(NUMBER))
    config = AugmentNliConfig(data=data, output=str(tmp_path / "out"), machine="a test", **options)
    augment_nli(config, maker or KnownMaker(), command=command)
    return (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def table(text: str, first: str) -> dict[str, list[str]]:
    """Return the cells after the first of each row of the table whose header begins so."""
    lines = text[text.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    cells = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in lines]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def test_counts_and_balance_are_those_of_the_rows(tmp_path: Path) -> None:
    shown = table(card(tmp_path), "rows")
    labels = shown["rows"][1:-1]
    rows = expected_rows(known_rows(NUMBER))
    groups = {origin: [row for row in rows if row[3] == origin] for origin in {row[3] for row in rows}}
    groups["all"], groups["all new"] = rows, [row for row in rows if row[3] != "original"]
    assert set(groups) == set(shown) - {"rows", "---"}
    for name, group in groups.items():
        expected = []
        for label in labels:
            count = sum(row[2] == label for row in group)
            expected.append(f"{count} ({100 * count / len(group):.1f}%)")
        assert shown[name][1:] == [*expected, str(len(group))]


def test_filters_are_told_with_their_shares(tmp_path: Path) -> None:
    shown = table(card(tmp_path), "filter")
    new = len(expected_rows(known_rows(NUMBER))) - NUMBER
    assert shown["fluency"] == ["180", "30.0%", "600 proposed"]
    dropped = 240 - new
    assert shown["consent"] == [str(dropped), f"{100 * dropped / 240:.1f}%", "240 tried"]


def test_examples_are_rows_and_stay_in_their_cells(tmp_path: Path) -> None:
    text = card(tmp_path)
    rows = {(row[0].replace("|", "\\|"), row[4], row[1], row[2]) for row in expected_rows(known_rows(NUMBER))}
    for origin in ("adversarial", "boundary", "neighbours"):
        lines = text.split(f"## Examples: {origin}\n")[1].split("\n\n")[1].splitlines()[2:]
        assert len(lines) == 10
        for line in lines:
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1]))
            assert cells in rows
            assert cells[2].endswith(origin)


def test_warning_says_on_whose_consent_labels_stand(tmp_path: Path) -> None:
    text = card(tmp_path, KnownMaker(min_margin=0.75))
    assert "the small classifier that comes with textsem" in text
    assert "at least 0.75 nats" in text
    maker = KnownMaker(filter_model="none")
    maker.identity.clear()
    assert "No model and no person has looked at the labels" in card(tmp_path, maker)


def test_card_tells_command_machine_licence_speed_and_no_folder(tmp_path: Path) -> None:
    text = card(tmp_path, command="textsem augment --limit 60")
    for part in ("`textsem augment --limit 60`", "Machine: a test", "inherit its licence", "new rows a second"):
        assert part in text
    assert str(tmp_path) not in text
    assert '"data": "pairs.jsonl"' in text


@pytest.mark.parametrize(("form", "new_only"), [("parquet", False), ("jsonl", True)])
def test_front_matter_tells_datasets_which_file_holds_the_rows(tmp_path: Path, form: Any, new_only: bool) -> None:
    from datasets import load_dataset

    text = card(tmp_path, format=form, new_only=new_only)
    assert text.startswith(f"---\nconfigs:\n- config_name: default\n  data_files: augmented.{form}\n---\n")
    rows = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(rows) == len(expected_rows(known_rows(NUMBER))) - NUMBER * new_only
    assert ("the new rows alone" in text) == new_only
