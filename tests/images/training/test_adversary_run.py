"""From options to a folder: what is written, what is put into the preset, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from images_ext.training import adversary_run
from images_ext.training.adversary_report import measure_adversary
from images_ext.training.adversary_run import ImageAdversaryJob, run_image_adversary_job
from tests.images.test_model import tiny_model
from tests.images.training.builders import Stripes, some_images

JOB = ImageAdversaryJob(
    dataset="mnist",
    data=None,
    limit=None,
    held_out=6,
    preset=None,
    target=Path("runs/some_target"),
    keeper=(),
    access="score",
    gradient=None,
    start_from=None,
    output=Path("out"),
    reconstruction_steps=2,
    manifold_steps=1,
    adversarial_steps=1,
    num_particles=2,
    code_noise=None,
    norm="linf",
    decoding=None,
    project=None,
    epsilon=0.7,
    adversarial_weight=2.5,
    recognition_rate_adv=7e-3,
    common_rate_adv=9e-2,
    decoder_rate=0.0,
    extractor_rate=None,
    condition="none",
    num_modes=None,
    seed=3,
    resume=False,
    max_minutes=None,
    checkpoint_every=1,
    machine="a test",
    command="python scripts/train_image_adversary.py --dataset mnist",
)


@pytest.fixture(autouse=True)
def made_up_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, location: object, split: str, *, limit: int | None) -> ImageSet:
        assert (name, split) == ("mnist", "train")  # the test part is never read
        return some_images(24)

    monkeypatch.setattr(adversary_run, "load_images", load)
    monkeypatch.setattr(adversary_run, "load_image_target", lambda folder: Stripes())


def job(folder: Path, **changes: Any) -> ImageAdversaryJob:
    return replace(JOB, output=folder, **changes)


def test_given_options_replace_those_of_the_preset_and_others_stay() -> None:
    shapes = JOB.shapes(some_images())
    training, learner = shapes.training, shapes.training.learner
    assert (training.norm, learner.epsilon, learner.adversarial_weight) == ("linf", 0.7, 2.5)
    assert (learner.num_particles, shapes.model.num_particles, training.seed) == (2, 2, 3)
    assert (learner.recognition_rate_adv, learner.common_rate_adv, learner.decoder_rate) == (7e-3, 9e-2, 0.0)
    assert (shapes.model.perturbation_condition, shapes.model.num_modes) == ("none", 1)
    plain = replace(JOB, norm=None, epsilon=None, condition=None, target=None).shapes(some_images())
    assert (plain.training.norm, plain.model.perturbation_condition) == ("l2", "label")
    assert plain.model.num_modes == replace(JOB, condition="label").shapes(some_images()).model.num_modes > 1
    assert replace(JOB, condition=None, num_modes=7).shapes(some_images()).model.num_modes == 7
    assert plain.training.adversarial_steps == 0
    assert JOB.shapes(some_images()).training.reconstruction_steps == 2
    assert replace(JOB, start_from=Path("x")).shapes(some_images()).training.reconstruction_steps == 0


def test_the_folder_holds_model_metrics_and_a_card_without_a_path_of_this_machine(tmp_path: Path) -> None:
    folder = run_image_adversary_job(job(tmp_path / "run", target=tmp_path / "some_target"))
    model = ImageAdversary.from_pretrained(folder)
    assert model.bank_features.any()
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 4
    card = (folder / "README.md").read_text()
    assert f"- rows sent to the target in training: {200 * 64 + 3 * 18}" in card  # of 18 images no batch is of 64
    assert "- reconstruction l2: " in card
    assert "- latent noise: " in card
    assert str(tmp_path) not in card


def test_a_second_run_starts_from_the_autoencoder_of_a_first(tmp_path: Path) -> None:
    first = run_image_adversary_job(job(tmp_path / "first", target=None, manifold_steps=0))
    second = run_image_adversary_job(job(tmp_path / "second", start_from=first, manifold_steps=0, adversarial_steps=1))
    lines = [json.loads(line) for line in (second / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["adversarial"]
    with pytest.raises(ValueError, match="expected an adversary of the shapes of this preset in"):
        run_image_adversary_job(job(tmp_path / "third", start_from=first, condition="label"))


def test_a_keeper_without_a_target_and_too_many_held_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a target beside a keeper, got none"):
        run_image_adversary_job(job(tmp_path, target=None, keeper=[Path("x")]))
    with pytest.raises(ValueError, match="expected held-out images between 1 and 23, got 24"):
        run_image_adversary_job(job(tmp_path, held_out=24))


def test_measures_are_zero_for_a_perturbation_that_moves_nothing() -> None:
    model = tiny_model(perturbation_condition="none").eval()
    model.start_perturbation()
    found = measure_adversary(model, some_images(10), seed=0)
    assert found["latent_noise"] == found["latent_noise_relative"] == 0
    assert found["code_spread"] == found["code_spread_adv"] > 0
    assert 0 < found["reconstruction_l2"] < 8
    assert found["reconstruction_rms"] == pytest.approx(found["reconstruction_l2"] / 8, abs=1e-5)


def test_particles_of_e_prime_that_have_become_one_are_told() -> None:
    model = tiny_model().eval()
    with torch.no_grad():
        model.recognition_adv.get_parameter("layers.2.weight").zero_()  # noise reaches no weight of a particle
    found = measure_adversary(model, some_images(10), seed=0)
    assert found["code_spread_adv"] < 1e-5 < found["code_spread"]


def test_measured_distance_is_that_of_the_decoded_draws() -> None:
    model, images = tiny_model().eval(), some_images(3)
    model.config = replace(model.config, num_particles=1)  # one particle: the mixture has one component
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        theta, _ = model.draw_particles(1, generator)
        pixels = images.pixels(slice(None))
        decoded = model.decode(model.codes(model.features(pixels), theta)[0])
    expected = (decoded - pixels).flatten(1).norm(dim=1).mean().item()
    assert measure_adversary(model, images, seed=7)["reconstruction_l2"] == pytest.approx(expected, abs=1e-5)


def test_linear_paths_start_at_the_principal_components_of_training_images_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[torch.Tensor] = []

    def start(model: ImageAdversary, pixels: torch.Tensor, *, seed: int) -> None:
        assert seed == 3
        seen.append(pixels)

    monkeypatch.setattr(adversary_run, "start_at_principal_components", start)
    run_image_adversary_job(job(tmp_path / "paper", preset="paper", target=None, manifold_steps=0))
    assert not seen
    assert not caplog.records  # it has no such paths
    run_image_adversary_job(job(tmp_path / "few", target=None, manifold_steps=0))
    assert not seen
    assert "18 images have no 100 principal components" in caplog.text
    shapes = JOB.shapes(some_images())
    monkeypatch.setattr(adversary_run, "load_images", lambda *_, **__: some_images(124))
    changed = replace(shapes, training=replace(shapes.training, principal_images=110, adversarial_steps=0))
    monkeypatch.setattr(ImageAdversaryJob, "shapes", lambda self, images: changed)
    run_image_adversary_job(job(tmp_path / "principal", target=None))
    (pixels,) = seen
    training_images = {row.numpy().tobytes() for row in some_images(124).pixels(slice(0, 118))}
    assert len(pixels) == 110
    assert {row.numpy().tobytes() for row in pixels} <= training_images
