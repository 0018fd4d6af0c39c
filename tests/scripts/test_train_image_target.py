import gzip
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from images_ext.targets.loading import load_image_target

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_image_target.py"


def write_idx(folder: Path, prefix: str, number: int) -> None:
    """Write digits in the published format: a bright row whose height is the label."""
    labels = torch.arange(number) % 10
    images = torch.zeros(number, 28, 28, dtype=torch.uint8)
    images[torch.arange(number), 4 + 2 * labels] = 200
    shape = struct.pack(">IIII", 2051, number, 28, 28)
    (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(shape + images.numpy().tobytes()))
    names = struct.pack(">II", 2049, number) + labels.to(torch.uint8).numpy().tobytes()
    (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(names))


def test_script_trains_a_judge_prints_its_card_and_hides_paths(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_idx(tmp_path, "train", 2200)
    write_idx(tmp_path, "t10k", 20)
    output = tmp_path / "judge"
    options = ["--dataset", "mnist", "--data", str(tmp_path), "--kind", "reference", "--width", "0.125"]
    assert script.main([*options, "--epochs", "1", "--seed", "3", "--output", str(output)]) == 0
    card = (output / "README.md").read_text()
    assert card.strip() in capsys.readouterr().out
    assert "Seed: 3" in card
    assert str(tmp_path) not in card
    assert load_image_target(output).label_names == tuple("0123456789")


def test_options_reach_the_training(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken: dict[str, Any] = {}

    def train(*arguments: object, **options: object) -> None:
        taken.update({"training": arguments[3], **options})
        (tmp_path / "README.md").write_text("")

    write_idx(tmp_path, "train", 10)
    write_idx(tmp_path, "t10k", 10)
    monkeypatch.setattr("images_ext.training.target.train_image_target", train)
    options = ["--dataset", "mnist", "--data", str(tmp_path), "--output", str(tmp_path)]
    assert script.main([*options, "--training", "plain", "--batch-size", "16", "--resume"]) == 0
    assert (taken["training"].attack, taken["training"].batch_size, taken["is_resumed"]) == (None, 16, True)
    assert [attack.num_steps for attack in taken["evaluation"].attacks.values()] == [40, 40]
    assert script.main([*options, "--last-images", "256", "--attacked", "7", "--learning-rate", "0.1"]) == 0
    training = taken["training"]
    assert (training.num_last_images, training.learning_rate, taken["evaluation"].num_attacked) == (256, 0.1, 7)


def test_missing_data_is_one_line_and_exit_code_two(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "nowhere")
    assert script.main(["--dataset", "mnist", "--data", missing, "--output", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert "nowhere" in shown.err
