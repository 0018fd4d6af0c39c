"""The evidence of a tiny adversary: figures that follow from its images, and three whole files."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from images_ext.data.images import ImageSet
from images_ext.evaluation import evidence
from images_ext.evaluation.code_figures import code_images
from images_ext.evaluation.evidence import ImageEvidenceConfig, image_evidence, particle_quality
from images_ext.evaluation.evidence_tables import EVIDENCE_NAMES
from images_ext.targets.callable_target import CallableTarget
from tests.images.test_model import SHAPE, tiny_model

NAMES = ("cat", "dog", "owl")


def data(num: int) -> ImageSet:
    images = torch.randint(0, 256, (num, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet(images, torch.arange(num) % 3, NAMES, "svhn stand-in", "test")


def test_reconstruction_is_measured_on_bytes_image_by_image() -> None:
    model, images = tiny_model(), data(5)
    found = particle_quality(model, images, None, num_particles=2, seed=1)
    clean = code_images(model, images.pixels(slice(None)), images.labels, num_particles=2, seed=1).clean
    decoded = (model.decode(clean) * 255).round()
    errors = ((decoded - images.images) / 255).flatten(2).norm(dim=-1)
    assert found["reconstruction_l2"] == pytest.approx(errors.mean().item(), rel=1e-5)
    assert found["best_reconstruction_l2"] == pytest.approx(errors.min(dim=0).values.mean().item(), rel=1e-5)
    assert found["flips"] is None


def test_flips_are_counted_among_images_that_the_target_has_right() -> None:
    model, images = tiny_model(), data(6)
    originals = {row.numpy().tobytes(): int(label) for row, label in zip(images.images, images.labels, strict=True)}

    def knows_originals(pixels: Tensor) -> Tensor:
        # Right on the first five images, wrong on the sixth, and "cat" for whatever it has not seen.
        rows = (pixels * 255).round().to(torch.uint8)
        classes = [originals.get(row.numpy().tobytes(), 0) for row in rows]
        classes = [0 if torch.equal(row, images.images[5]) else k for row, k in zip(rows, classes, strict=True)]
        return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()

    found = particle_quality(model, images, CallableTarget(knows_originals, NAMES), num_particles=2, seed=1)
    # Labels are 0 1 2 0 1 2: of the five that it has right, the three that are no cat flip.
    assert (found["flips"]["count"], found["flips"]["of"]) == (3, 5)
    assert found["flip_l2"] > 0


def test_closest_flips_of_two_images_have_their_mean_as_median() -> None:
    model, images = tiny_model(), data(2)
    originals = {row.numpy().tobytes(): int(label) for row, label in zip(images.images, images.labels, strict=True)}

    def owl_but_for_originals(pixels: Tensor) -> Tensor:
        rows = (pixels * 255).round().to(torch.uint8)
        classes = [originals.get(row.numpy().tobytes(), 2) for row in rows]
        return torch.nn.functional.one_hot(torch.tensor(classes), 3).float()

    found = particle_quality(model, images, CallableTarget(owl_but_for_originals, NAMES), num_particles=2, seed=1)
    moved = code_images(model, images.pixels(slice(None)), images.labels, num_particles=2, seed=1).adversarial
    decoded = (model.decode(moved) * 255).round()
    closest = ((decoded - images.images) / 255).flatten(2).norm(dim=-1).min(dim=0).values.detach()
    assert abs(float(closest[0] - closest[1])) > 0.01
    assert found["flip_l2"] == pytest.approx(closest.mean().item(), rel=1e-5)


def test_three_whole_files_say_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model().save_pretrained(tmp_path / "adversary", dtype=torch.float32)
    monkeypatch.setattr(evidence, "load_images", lambda *_, limit: data(limit))

    def timed(name: str, particles: tuple[int, ...], **_: Any) -> list[dict[str, Any]]:
        return [{"preset": name, "particles": M, "wall_ms": 1.0, "cpu_ms": 1.0, "cpu_to_5": None} for M in particles]

    monkeypatch.setattr(evidence, "time_updates", timed)
    config = ImageEvidenceConfig(
        dataset="svhn", num_images=12, adversary=str(tmp_path / "adversary"), particles=(1, 2), num_permutations=5,
        repeats=1, num_particles=2, output=str(tmp_path / "out"),
    )  # fmt: skip
    metrics = image_evidence(config)
    assert json.loads((tmp_path / "out" / EVIDENCE_NAMES[0]).read_text()) == json.loads(json.dumps(metrics))
    table = (tmp_path / "out" / EVIDENCE_NAMES[1]).read_text()
    assert "SVHN is a stand-in here" in table
    assert "| SVHN (paper) | 0.033 ± 0.008 | - |" in table
    assert set(metrics["class_share"]) == {"adversarial", "isotropic", "clean"}
    assert f"E' {metrics['class_share']['adversarial']:.3f}, " in table
    assert (tmp_path / "out" / EVIDENCE_NAMES[2]).read_text().startswith("<svg ")
    assert [row["particles"] for row in metrics["particles"]] == [1, 2]
    assert metrics["particles"][0]["spread"] == {"clean": None, "adversarial": None}


def test_images_of_another_shape_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model().save_pretrained(tmp_path / "adversary")
    large = ImageSet(torch.zeros(4, 1, 9, 9, dtype=torch.uint8), torch.zeros(4).long(), NAMES, "mnist", "test")
    monkeypatch.setattr(evidence, "load_images", lambda *_, limit: large)
    with pytest.raises(ValueError, match=r"expected images of the adversary's shape \(1, 8, 8\), got \(1, 9, 9\)"):
        image_evidence(ImageEvidenceConfig(adversary=str(tmp_path / "adversary"), output=str(tmp_path)))


@pytest.mark.parametrize("wrong", [{"num_images": 0}, {"particles": (2, 0)}, {"repeats": 0}])
def test_counts_are_at_least_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected (num_images|particles|repeats) >= 1, got 0"):
        ImageEvidenceConfig(**wrong)
