import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from images_ext.attacks.pgd import PgdConfig
from images_ext.targets.loading import load_image_target
from images_ext.targets.reference import ReferenceNetwork
from images_ext.training.target import TargetEvaluation, build_network, train_image_target
from images_ext.training.target_config import ImageTargetTrainingConfig
from tests.images.targets.networks import TINY_REFERENCE, TINY_RESIDUAL
from tests.images.training.target_images import striped

PLAIN = ImageTargetTrainingConfig(num_epochs=2, batch_size=8, num_dev_images=10, num_watched=0)
EVALUATION = TargetEvaluation(
    {"small": PgdConfig(0.1, 0.05, num_steps=2, num_restarts=2), "large": PgdConfig(0.1, 0.1, num_steps=1)},
    num_attacked=6,
)


def train(
    folder: Path, *, machine: str = "any", is_resumed: bool = False, minutes: float | None = None
) -> dict[str, Any]:
    return train_image_target(
        striped(50),
        striped(20, seed=1, split="test"),
        TINY_REFERENCE,
        PLAIN,
        folder,
        evaluation=EVALUATION,
        command="train this",
        machine=machine,
        is_resumed=is_resumed,
        max_minutes=minutes,
    )


def test_folder_holds_model_figures_and_card(tmp_path: Path) -> None:
    metrics = train(tmp_path, machine="this one")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
    ]
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert metrics["is_finished"] is True
    card = (tmp_path / "README.md").read_text()
    for expected in (
        "`train this`",
        "Machine: this one",
        "| clean accuracy |",
        "| 20 |",
        "| 6 |",
        "| under PGD, linf 0.1, 2 steps of 0.05, 2 random starts |",
        "| and under PGD, linf 0.1, 1 steps",
    ):
        assert expected in card
    assert load_image_target(tmp_path).label_names == ("top", "middle", "bottom")


def test_same_seed_gives_the_same_weights_whatever_the_global_one(tmp_path: Path) -> None:
    found: list[bytes] = []
    for name in ("one", "two"):
        torch.manual_seed(len(found))
        before = torch.get_rng_state()
        train(tmp_path / name)
        assert torch.equal(torch.get_rng_state(), before)
        found.append((tmp_path / name / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_stopped_training_is_measured_told_and_resumed(tmp_path: Path) -> None:
    straight = train(tmp_path / "straight")
    stopped = train(tmp_path / "stopped", minutes=0.0)
    assert stopped["is_finished"] is False
    assert "Stopped after 1 of 10 steps." in (tmp_path / "stopped" / "README.md").read_text()
    resumed = train(tmp_path / "stopped", is_resumed=True)
    assert resumed["test"] == straight["test"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("straight", "stopped")]
    assert weights[0] == weights[1]


def test_nothing_to_resume_from_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a training state to resume from"):
        train(tmp_path, is_resumed=True)


def test_images_of_another_shape_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    config = replace(TINY_REFERENCE, image_shape=(1, 9, 8))
    with pytest.raises(ValueError, match=r"expected 3 classes of images \(1, 9, 8\), got 3 of \(1, 8, 8\) in stripes"):
        train_image_target(striped(50), striped(5), config, PLAIN, tmp_path / "new", evaluation=EVALUATION, command="")
    assert not (tmp_path / "new").exists()


def test_config_says_which_network_is_built() -> None:
    assert isinstance(build_network(TINY_REFERENCE, seed=0), ReferenceNetwork)
    first, second = (build_network(TINY_RESIDUAL, seed=seed).head.weight for seed in (0, 1))
    assert not torch.equal(first, second)
