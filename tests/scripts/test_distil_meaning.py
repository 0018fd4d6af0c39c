import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.builders import build_tiny_adversary
from tests.constraints.fakes import save_tiny_encoder
from textsem.model import TextAdversary

SCRIPT = Path(__file__).parents[2] / "scripts" / "distil_meaning.py"


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Return encoder and data in files."""
    save_tiny_encoder(tmp_path / "encoder")
    rows = [
        {"premise": "p", "hypothesis": f"A {subject} {verb} {place}", "label": "neutral"}
        for subject in ("man", "woman", "dog")
        for verb in ("sleeps", "runs", "is sleeping")
        for place in ("in the park", "outside.", "near a house")
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ["--encoder", str(tmp_path / "encoder"), "--data", str(tmp_path / "pairs.jsonl")]


def test_script_gives_the_folder_its_table_and_hides_paths(
    script: ModuleType, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "adversary"
    build_tiny_adversary(has_trigram=True).save_pretrained(folder)
    given = [*options, "--model", str(folder), "--dim", "7", "--sentences", "20", "--seed", "5", "--machine", "a toy"]
    assert script.main(given) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [figures[name] for name in ("sentences", "held_out_sentences", "swaps")] == [20, 2, 20]
    meaning = TextAdversary.from_pretrained(folder).meaning
    assert meaning is not None
    assert meaning.vectors.shape == (44, 7)
    card = (folder / "README.md").read_text()
    shown = ("- Encoder: encoder, 16 dimensions, bfloat16", "- Seed: 5", "- Machine: a toy", '"dim": 7', '"rows": 27')
    assert all(text in card for text in shown)
    assert "`python scripts/distil_meaning.py --encoder encoder --data pairs.jsonl --model adversary --dim 7 " in card
    assert str(tmp_path) not in card


def test_folder_to_write_into_must_be_named(
    script: ModuleType, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(options) == 2
    assert "error: expected --model, the adversary's folder to write into, got none" in capsys.readouterr().err


def test_folder_that_is_no_adversary_stays_as_it_is(
    script: ModuleType, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert script.main([*options, "--model", str(tmp_path / "empty")]) == 2
    assert "expected an adversary's folder with config.json" in capsys.readouterr().err
    assert not list((tmp_path / "empty").iterdir())
