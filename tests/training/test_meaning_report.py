"""What a distillation writes: the table, one word in the config, one section of the card."""

import json
from pathlib import Path

import pytest
import torch

from tests.builders import build_tiny_adversary
from textsem.model import TextAdversary
from textsem.text.meaning import MEANING_FILE, MeaningTable
from textsem.training.meaning import DistilledMeaning, MeaningConfig
from textsem.training.meaning_report import save_meaning

DESCRIPTION = {"Encoder": "toy", "Data": "none", "Command": "`python scripts/distil_meaning.py`", "Machine": "a toy"}


def distilled(cosine: float = 0.5) -> DistilledMeaning:
    vectors = torch.randn(44, 3, generator=torch.Generator().manual_seed(0)).half()
    return DistilledMeaning(MeaningTable(vectors), {"swaps": 12, "held_out_cosine": cosine, "pearson": None})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path)
    (tmp_path / "README.md").write_text("# An adversary\n\nSettings:\n\n```json\n{}\n```\n")
    return tmp_path


def test_adversary_has_the_table_afterwards_and_nothing_else_changes(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    result = distilled()
    save_meaning(result, folder, MeaningConfig(), DESCRIPTION)
    loaded = TextAdversary.from_pretrained(folder)
    assert loaded.meaning is not None
    assert torch.equal(loaded.meaning.vectors, result.table.vectors)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert set(after) == {*before, MEANING_FILE}
    assert {name for name in before if before[name] != after[name]} == {"config.json", "README.md"}
    # As if it had been saved with the table.
    loaded.save_pretrained(folder / "again")
    assert (folder / "again" / "config.json").read_bytes() == after["config.json"]
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".") or "partial" in path.name]


def test_card_gains_one_section_which_a_second_run_replaces(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    save_meaning(distilled(), folder, MeaningConfig(), DESCRIPTION)
    first = (folder / "README.md").read_text()
    assert first.startswith(card)
    shown = ("| held out cosine | 0.500 |", "| swaps | 12 |", "| pearson | - |", "- Encoder: toy", "- Machine: a toy")
    assert all(line in first.splitlines() for line in (*shown, "- Seed: 0", "## Meaning table"))
    (folder / "README.md").write_text(first + "\n## Another section\n\nText.\n")
    save_meaning(distilled(0.75), folder, MeaningConfig(seed=4), DESCRIPTION)
    second = (folder / "README.md").read_text()
    assert second.startswith(card)
    assert second.count("## Meaning table") == 1
    assert "| held out cosine | 0.750 |" in second
    assert "0.500" not in second
    assert "- Seed: 4" in second
    assert second.count("## Another section\n\nText.\n") == 1


def test_folder_without_a_card_gets_the_section_alone(folder: Path) -> None:
    (folder / "README.md").unlink()
    save_meaning(distilled(), folder, MeaningConfig(), DESCRIPTION)
    assert (folder / "README.md").read_text().startswith("## Meaning table\n\n")


def test_settings_of_the_card_are_those_of_the_run(folder: Path) -> None:
    save_meaning(distilled(), folder, MeaningConfig(dim=7, ridge=0.5), DESCRIPTION)
    line = next(x for x in (folder / "README.md").read_text().splitlines() if x.startswith("- Settings: "))
    assert MeaningConfig(**json.loads(line.removeprefix("- Settings: ").strip("`"))) == MeaningConfig(dim=7, ridge=0.5)


def test_failure_while_writing_the_table_leaves_the_folder_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def fail(self: MeaningTable, folder: str) -> None:
        (Path(folder) / MEANING_FILE).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(MeaningTable, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        save_meaning(distilled(), folder, MeaningConfig(), DESCRIPTION)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert TextAdversary.from_pretrained(folder).meaning is None
