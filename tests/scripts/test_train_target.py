import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_target.py"


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    rows = [
        {"premise": f"a {animal} sleeps", "hypothesis": hypothesis.format(animal), "label": label}
        for animal in ("dog", "cat", "horse", "bird")
        for hypothesis, label in (("a {} rests", "entailment"), ("a {} dreams", "neutral"), ("no {}", "contradiction"))
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("architecture", ["attention", "paper"])
def test_script_trains_saves_and_hides_paths(
    architecture: str, script: ModuleType, data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from textsem.targets.loading import load_target

    output = tmp_path / "model"
    options = ["--data", str(data_file), "--dev-data", str(data_file), "--test-data", str(data_file)]
    options += ["--architecture", architecture, "--output", str(output), "--epochs", "1", "--batch-size", "4"]
    script.main([*options, "--embedding-dim", "8", "--limit", "9", "--seed", "5"])
    card = (output / "README.md").read_text()
    assert card.strip() in capsys.readouterr().out
    assert "pairs.jsonl, 9 pairs" in card
    assert "pairs.jsonl, 12 pairs" in card
    assert "--seed 5" in card
    assert str(tmp_path) not in card
    assert json.loads((output / "config.json").read_text())["architecture"] == architecture
    assert load_target(str(output)).predict(["a dog sleeps"], ["a dog rests"]).shape == (1, 3)
