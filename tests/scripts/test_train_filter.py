import json
import os
import subprocess
import sys
from pathlib import Path

from tests.targets.fakes import save_tiny_bert
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.text.labels import LABEL_NAMES

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_filter.py"


def write_pairs(path: Path, *subjects: str) -> Path:
    rows = [
        {"premise": f"a {subject} is sleeping", "hypothesis": f"the {subject} is running", "label": label}
        for subject in subjects
        for label in LABEL_NAMES
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*options: object) -> "subprocess.CompletedProcess[str]":
    root = SCRIPT.parent.parent
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, options)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=600,
        check=False,
    )


def test_script_joins_data_trains_saves_and_hides_paths(tmp_path: Path) -> None:
    base = save_tiny_bert(tmp_path / "base", names=("entailment", "neutral", "contradiction"))
    first, second = write_pairs(tmp_path / "one.jsonl", "man", "dog"), write_pairs(tmp_path / "two.jsonl", "woman")
    output = tmp_path / "filter"
    options = ["--base", base, "--data", first, second, "--dev-data", first, "--output", output, "--limit", 5]
    done = run(*options, "--batch-size", 4, "--seed", 7, "--precision", "float32")
    assert done.returncode == 0, done.stderr
    card = (output / "README.md").read_text()
    assert card.strip() in done.stdout
    assert "Training data: one.jsonl, two.jsonl" in card
    assert '"num_pairs": 8' in card  # five of the six, and three
    assert "Seed: 7" in card
    assert str(tmp_path) not in card
    assert HuggingFaceTarget(str(output)).predict(["a man"], ["the dog"]).shape == (1, 3)


def test_script_ends_with_one_line_about_what_is_wrong(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "one.jsonl", "man")
    done = run("--base", tmp_path, "--data", data, "--dev-data", data, "--output", tmp_path / "filter")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: expected an encoder with its tokenizer in")
