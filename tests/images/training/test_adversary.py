"""The loop of three stages: order, exact resumption, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from images_ext.model import ImageAdversary
from images_ext.targets.metering import MeteredImageTarget
from images_ext.training.adversary import ImageAdversaryRun, train_image_adversary
from images_ext.training.adversary_config import AdversaryTrainingConfig
from images_ext.training.attacker import Attacker
from images_ext.training.image_problem import DecodedImages, ImageBatch
from tests.images.test_model import tiny_config, tiny_model
from tests.images.training.builders import Stripes, some_images
from textsem.latent.configuration import LearnerConfig

CONFIG = AdversaryTrainingConfig(
    reconstruction_steps=4,
    manifold_steps=2,
    adversarial_steps=3,
    batch_size=8,
    adversarial_batch_size=6,
    warmup_steps=2,
    learner=LearnerConfig(num_particles=2, num_inner_updates=2, perturbation_input="features", epsilon=100.0),
    surrogate_channels=(3,),
    surrogate_hidden=(),
    surrogate_warmup_steps=2,
    surrogate_batch_size=8,
    exploration_batches=2,
    answers_kept=20,
)


def make_run(folder: Path, *, num_modes: int = 1, **changes: Any) -> ImageAdversaryRun:
    config, model = replace(CONFIG, **changes), tiny_model(num_modes=num_modes)
    attacker = Attacker(MeteredImageTarget(Stripes()), model, config) if config.adversarial_steps else None
    return ImageAdversaryRun(model, some_images(), config, folder, attacker=attacker)


def weights(model: ImageAdversary) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def test_stages_come_in_order_and_only_the_last_asks(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert [run.phase(step) for step in range(run.num_steps)] == ["reconstruction"] * 4 + ["perturbed"] * 2 + [
        "adversarial"
    ] * 3
    train_image_adversary(run, checkpoint_every=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 10))
    assert ["fit" in line for line in lines] == [False] * 4 + [True] * 5
    assert ["flip_rate" in line for line in lines] == [False] * 6 + [True] * 3
    assert run.attacker is not None
    assert run.attacker.counts()["training"]["rows_sent"] == 2 * 6 + 3 * 3 * 6


@pytest.mark.parametrize("num_modes", [1, 2])
def test_a_resumed_run_ends_with_the_same_weights(num_modes: int, tmp_path: Path) -> None:
    whole = train_image_adversary(make_run(tmp_path / "whole", num_modes=num_modes), checkpoint_every=100)
    for step in (3, 5, 8):  # within each stage
        folder = tmp_path / f"cut_{step}"
        first = make_run(folder, num_modes=num_modes)
        while first.progress.step < step:
            first.progress.add(first.step(first.progress.step))
            first.progress.step += 1
        first.save()
        second = make_run(folder, num_modes=num_modes)
        assert torch.equal(
            weights(train_image_adversary(second, is_resumed=True, checkpoint_every=100)), weights(whole)
        )
        assert second.attacker is not None
        assert second.attacker.counts()["training"]["rows_sent"] == 2 * 6 + 3 * 3 * 6


def test_several_modes_are_assigned_and_learn_with_their_gate(tmp_path: Path) -> None:
    run = make_run(tmp_path, num_modes=2, manifold_steps=0)
    start = run.model.label_shift.detach().clone()
    model = train_image_adversary(run, checkpoint_every=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert ["modes_in_use" in line for line in lines] == [False] * 4 + [True] * 3
    assert model.mode_gate.weight.any()
    changed = (model.label_shift != start).any(dim=1)
    assert changed[:3].any()
    assert changed[3:].any()


def test_before_the_attack_all_modes_learn_alike(tmp_path: Path) -> None:
    run = make_run(tmp_path, num_modes=2, adversarial_steps=0)
    start = run.model.label_shift.detach().clone()
    changed = (train_image_adversary(run).label_shift != start).any(dim=1)
    assert changed[:3].any()
    assert changed[3:].any()


def test_e_prime_is_where_e_is_when_the_first_stage_ends_and_leaves_it_after(tmp_path: Path) -> None:
    for steps, is_equal in ((0, True), (1, False)):
        run = make_run(tmp_path, manifold_steps=steps, adversarial_steps=0)
        train_image_adversary(run)
        xi = torch.randn(2, 50)
        assert torch.equal(run.model.recognition(xi), run.model.recognition_adv(xi)) == is_equal


def test_the_bank_holds_features_and_classes_of_training_images(tmp_path: Path) -> None:
    run = make_run(tmp_path, manifold_steps=0, adversarial_steps=0)
    model = train_image_adversary(run)
    with torch.no_grad():
        features = model.features(run.images.pixels(slice(None)))
    for row, label in zip(model.bank_features, model.bank_labels, strict=True):
        place = (features - row).abs().sum(dim=1).argmin()
        torch.testing.assert_close(features[place], row)
        assert run.images.labels[place] == label


def test_time_is_up_after_the_batch_that_passes_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    train_image_adversary(run, max_minutes=0.0)
    assert run.progress.step == 1
    resumed = make_run(tmp_path)
    resumed.resume()
    assert resumed.progress.step == 1


def test_other_settings_data_and_shapes_are_refused(tmp_path: Path) -> None:
    train_image_adversary(make_run(tmp_path), max_minutes=0.0)
    with pytest.raises(ValueError, match=r"config\.seed of 0, got 1"):
        make_run(tmp_path, seed=1).resume()
    with pytest.raises(ValueError, match="expected an attacker for 3 adversarial_steps, got None"):
        ImageAdversaryRun(tiny_model(), some_images(), CONFIG, tmp_path, attacker=None)
    with pytest.raises(ValueError, match=r"expected images of shape \(1, 8, 8\) and 4 classes, got \(1, 8, 8\) and 3"):
        ImageAdversaryRun(
            ImageAdversary(tiny_config(num_classes=4)),
            some_images(),
            replace(CONFIG, adversarial_steps=0),
            tmp_path,
            attacker=None,
        )
    with pytest.raises(ValueError, match="expected checkpoint_every of at least 1, got 0"):
        train_image_adversary(make_run(tmp_path), checkpoint_every=0)


def test_what_is_attacked_in_training_is_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, decoding="residual", project=True)
    seen: list[ImageBatch] = []
    adversarial = run.problem.adversarial

    def record(outputs: DecodedImages, batch: ImageBatch) -> torch.Tensor:
        seen.append(batch)
        return adversarial(outputs, batch)

    monkeypatch.setattr(run.problem, "adversarial", record)
    train_image_adversary(run, checkpoint_every=100)
    assert len(seen) == 3 * 2
    assert all(batch.residual is not None and batch.ball is not None for batch in seen)
