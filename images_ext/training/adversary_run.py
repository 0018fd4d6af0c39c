"""From the options of ``scripts/train_image_adversary.py`` to a folder with a trained adversary and its card."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch

from images_ext.attacks.move_config import Output
from images_ext.data.images import ImageSet
from images_ext.data.loading import DataName, load_images
from images_ext.model import ImageAdversary
from images_ext.targets.loading import load_image_target
from images_ext.targets.metering import MeteredImageTarget
from images_ext.training.adversary import ImageAdversaryRun, train_image_adversary
from images_ext.training.adversary_config import AdversaryTrainingConfig, Preset, preset
from images_ext.training.adversary_report import measure_adversary, write_adversary_card
from images_ext.training.attacker import Attacker
from images_ext.training.principal_start import start_at_principal_components
from textsem.latent.configuration import LearnerConfig
from textsem.latent.objective import Norm

__all__ = ["ImageAdversaryJob", "run_image_adversary_job"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageAdversaryJob:
    """The options of ``scripts/train_image_adversary.py``, one field each; None leaves the preset's value."""

    dataset: DataName
    data: str | None
    limit: int | None
    held_out: int
    preset: str | None
    target: Path | None
    keeper: Sequence[Path]
    access: Literal["score", "label", "gradient"]
    gradient: Literal["surrogate", "evolution", "target"] | None
    start_from: Path | None
    output: Path
    reconstruction_steps: int | None
    manifold_steps: int | None
    adversarial_steps: int | None
    num_particles: int | None
    code_noise: float | None
    norm: Norm | None
    decoding: Output | None
    project: bool | None
    epsilon: float | None
    adversarial_weight: float | None
    recognition_rate_adv: float | None
    common_rate_adv: float | None
    decoder_rate: float | None
    extractor_rate: float | None
    condition: Literal["none", "label"] | None
    num_modes: int | None
    seed: int
    resume: bool
    max_minutes: float | None
    checkpoint_every: int
    machine: str
    command: str

    def shapes(self, images: ImageSet) -> Preset:
        """Return the preset for these images with the given options put in."""
        name = self.preset or ("mnist" if self.dataset == "drawn-digits" else self.dataset)
        found = preset(name, image_shape=images.shape, num_classes=images.num_classes)
        learner: LearnerConfig = replace(found.training.learner, **self._given(LearnerConfig))
        training = replace(found.training, learner=learner, **self._given(AdversaryTrainingConfig))
        if self.start_from is not None:
            training = replace(training, reconstruction_steps=0)
        if self.gradient is not None:
            training = replace(training, adversarial_gradient=self.gradient)
        if self.target is None:
            training = replace(training, adversarial_steps=0)
        model = replace(found.model, num_particles=learner.num_particles)
        if self.condition is not None:
            num_modes = model.num_modes if self.condition == "label" else 1
            model = replace(model, perturbation_condition=self.condition, num_modes=num_modes)
        if self.num_modes is not None:
            model = replace(model, num_modes=self.num_modes)
        return Preset(model, training)

    def _given(self, kind: type) -> dict[str, Any]:
        """Return the options that are fields of a config and were given."""
        names = {field.name for field in fields(kind)}
        return {name: value for name, value in vars(self).items() if name in names and value is not None}


def run_image_adversary_job(job: ImageAdversaryJob) -> Path:
    """Load, train, measure, save; return the folder.

    Raises:
        ValueError: If options exclude each other, or data, target or a state to resume from do not fit.
        FloatingPointError: If a loss is not finite.
    """
    if job.keeper and job.target is None:
        raise ValueError("expected a target beside a keeper, got none")
    images, held_out = _split(load_images(job.dataset, job.data, "train", limit=job.limit), job.held_out)
    shapes = job.shapes(images)
    model = _start(job, shapes, images)
    attacker = None if job.target is None else _attacker(job, model, shapes.training)
    identity = {"target": _name(job.target), "keeper": [_name(keeper) for keeper in job.keeper], "access": job.access}
    identity |= {"start_from": _name(job.start_from)}
    run = ImageAdversaryRun(model, images, shapes.training, job.output, attacker=attacker, identity=identity)
    train_image_adversary(
        run, is_resumed=job.resume, checkpoint_every=job.checkpoint_every, max_minutes=job.max_minutes
    )
    model.save_pretrained(job.output)
    write_adversary_card(
        job.output,
        command=job.command,
        machine=job.machine,
        data={
            "name": images.name,
            "images": len(images),
            "measured on": f"{len(held_out)} others of its training part",
        },
        settings={"training": asdict(shapes.training), "model": asdict(model.config)},
        figures=_figures(run, measure_adversary(model, held_out, seed=job.seed), attacker),
    )
    return job.output


def _name(folder: Path | None) -> str | None:
    """Return the last part of a path: cards and states name no folder of a machine."""
    return None if folder is None else folder.name


def _split(images: ImageSet, held_out: int) -> tuple[ImageSet, ImageSet]:
    """Keep the last images of the training part out of training, to measure on; the test part is not touched."""
    if not 0 < held_out < len(images):
        raise ValueError(f"expected held-out images between 1 and {len(images) - 1}, got {held_out}")
    return images.select(slice(0, len(images) - held_out)), images.select(slice(len(images) - held_out, None))


def _start(job: ImageAdversaryJob, shapes: Preset, images: ImageSet) -> ImageAdversary:
    if job.start_from is None:
        model = ImageAdversary(shapes.model).initialise(torch.Generator().manual_seed(job.seed))
        if shapes.training.principal_images and not job.resume:
            _start_paths(model, images, shapes, job.seed)
        return model
    model = ImageAdversary.from_pretrained(job.start_from).train()
    if model.config != shapes.model:
        wanted, found = asdict(shapes.model), asdict(model.config)
        others = ", ".join(f"{name} {found[name]} for {wanted[name]}" for name in wanted if found[name] != wanted[name])
        raise ValueError(f"expected an adversary of the shapes of this preset in {job.start_from}, got {others}")
    return model


def _start_paths(model: ImageAdversary, images: ImageSet, shapes: Preset, seed: int) -> None:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    pixels = images.pixels(order[: shapes.training.principal_images])
    if len(pixels) > shapes.model.latent_dim:
        start_at_principal_components(model, pixels, seed=seed)
    else:
        told = f"{len(pixels)} images have no {shapes.model.latent_dim} principal components"
        _LOGGER.warning("%s: linear paths start at drawn weights", told)


def _attacker(job: ImageAdversaryJob, model: ImageAdversary, config: AdversaryTrainingConfig) -> Attacker:
    assert job.target is not None
    target = MeteredImageTarget(load_image_target(job.target), access=job.access)
    return Attacker(target, model, config, [load_image_target(keeper) for keeper in job.keeper])


def _figures(run: ImageAdversaryRun, measured: Mapping[str, float], attacker: Attacker | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"batches": run.progress.step, "minutes": round(run.progress.seconds / 60, 1), **measured}
    if attacker is not None:
        figures["rows_sent_to_the_target_in_training"] = attacker.counts()["training"]["rows_sent"]
    return figures
