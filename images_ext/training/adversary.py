"""Train an ImageAdversary: autoencoder first, then manifold and attack by Algorithm 2, in three stages of one loop."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from images_ext.training.adversary_config import AdversaryTrainingConfig
from images_ext.training.attacker import Attacker, prepared
from images_ext.training.image_problem import ImageBatch, ImageProblem
from textsem.latent.learner import Learner, train_batch
from textsem.latent.problem import Phase
from textsem.latent.stages import num_stage_steps, phase_of, set_stage_rates, stage_learner
from textsem.latent.state import state_from_tensors, state_to_tensors
from textsem.runs.batch_order import batch_rows
from textsem.runs.checkpoint import TrainingParts
from textsem.runs.training_loop import Progress, train_to_the_end, write_metrics

__all__ = ["ImageAdversaryRun", "train_image_adversary"]

_BANK_BATCH = 256


class ImageAdversaryRun:
    """The loop, and all that a saved state holds.

    Args:
        model: Fresh from ``initialise`` or trained so far; changed in place.
        images: Labelled, of one shape with the model's.
        config: Settings.
        folder: Where states and metrics are saved.
        attacker: Target, surrogate and Eq. 6; None where the third stage has no steps.
        identity: Plain types that must be the same again when the run is resumed, such as the target's name.

    Raises:
        ValueError: If images and model have other shapes or classes, or the third stage has nobody to attack.
    """

    def __init__(
        self,
        model: ImageAdversary,
        images: ImageSet,
        config: AdversaryTrainingConfig,
        folder: Path,
        *,
        attacker: Attacker | None,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        if config.adversarial_steps and attacker is None:
            raise ValueError(f"expected an attacker for {config.adversarial_steps} adversarial_steps, got None")
        if (images.shape, images.num_classes) != (model.config.image_shape, model.config.num_classes):
            expected = f"{model.config.image_shape} and {model.config.num_classes} classes"
            raise ValueError(f"expected images of shape {expected}, got {images.shape} and {images.num_classes}")
        self.model, self.images, self.config, self.folder, self.attacker = model, images, config, folder, attacker
        # Through JSON, since a saved state gives lists where a config has tuples.
        settings = {"config": asdict(config), "model": asdict(model.config), **(identity or {})}
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        self.settings["data"] = hashlib.sha256(images.images.numpy().tobytes()).hexdigest()[:16]
        self.generator = torch.Generator().manual_seed(config.seed + 1)
        parts = (model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv)
        self.learner = Learner(config.learner, *parts)
        self.problem = ImageProblem(
            model,
            None if attacker is None else attacker.term,
            norm=config.norm,
            reconstruction_norm=config.reconstruction_norm,
        )
        self.optimizer = self.learner.make_optimizer(self.problem.parameter_groups())
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.state = self.learner.initial_state(self.generator)
        self.progress = Progress()

    @property
    def num_steps(self) -> int:
        """Batches of all three stages."""
        return num_stage_steps(self.config)

    def phase(self, step: int) -> Phase:
        """Return the stage that a batch belongs to."""
        return phase_of(self.config, step)

    def step(self, step: int) -> dict[str, float]:
        """Train on one batch; T inner updates in the later stages, one in the first."""
        phase, config = self.phase(step), self.config
        set_stage_rates(self.optimizer, self.base_rates, config, step)
        is_first_stage = phase == "reconstruction"
        size, shift = (config.batch_size, 0) if is_first_stage else (config.adversarial_batch_size, 1)
        rows = batch_rows(len(self.images), size, step=step, seed=config.seed + shift)
        batch = ImageBatch(self.images.pixels(rows), self.images.labels[rows])
        if phase == "perturbed" and self.model.config.num_modes > 1:
            # None is better than another yet, and all are to learn from as many images.
            modes = torch.randint(self.model.config.num_modes, batch.labels.shape, generator=self.generator)
            batch = replace(batch, modes=modes)
        if phase == "adversarial" and self.attacker is not None:
            self.attacker.before_batch(self.model, self.images)
            batch = prepared(self.model, batch, config, self.generator)
            batch = self.attacker.assigned(batch, self.generator)
        learner = stage_learner(self.learner, phase)
        self.state, losses = train_batch(
            learner, self.problem, self.optimizer, self.state, batch, phase=phase, generator=self.generator
        )
        if step == config.reconstruction_steps - 1:
            self.model.start_perturbation()
        values = {name: value.item() for name, value in losses.items()}
        if phase == "adversarial" and self.attacker is not None:
            values |= self.attacker.after_batch(self.model, batch, self.generator)
        return values

    def _parts(self) -> tuple[TrainingParts, Any]:
        """Return what has a state of its own, and what the attacker's state is beside that."""
        parts = TrainingParts({"model": self.model}, {"adam": self.optimizer}, {"run": self.generator})
        return parts, None if self.attacker is None else self.attacker.state(parts)

    def save(self) -> None:
        """Write the state that ``resume`` reads, and ``metrics.jsonl``."""
        parts, attack = self._parts()
        extra: dict[str, Any] = {"settings": self.settings, "progress": asdict(self.progress), "attacker": attack}
        extra["learner"] = state_to_tensors(self.state)
        parts.save(self.folder, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        """Put the saved state back.

        Raises:
            ValueError: If there is none, or it belongs to other settings or data; the difference is named.
        """
        extra = self._parts()[0].load(self.folder, settings=self.settings)
        self.progress = Progress(**extra["progress"])
        self.state = state_from_tensors(extra["learner"])
        if self.attacker is not None:
            self.attacker.restore(extra["attacker"])

    def fill_bank(self) -> None:
        """Keep the features and classes of a random choice of training images, as many as the bank holds."""
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(self.config.seed))
        rows = order[torch.arange(self.model.config.bank_size) % len(order)]
        self.model.eval()
        with torch.no_grad():
            parts = [self.model.features(self.images.pixels(part)) for part in torch.split(rows, _BANK_BATCH)]
            self.model.bank_features.copy_(torch.cat(parts))
            self.model.bank_labels.copy_(self.images.labels[rows])


def train_image_adversary(
    run: ImageAdversaryRun, *, is_resumed: bool = False, checkpoint_every: int = 500, max_minutes: float | None = None
) -> ImageAdversary:
    """Run all stages, fill the bank, and return the model in evaluation mode.

    Args:
        run: Model, data and settings.
        is_resumed: Go on from the state in the run's folder.
        checkpoint_every: Batches between saved states.
        max_minutes: Stop after the batch that passes this time; resuming goes on exactly.

    Raises:
        ValueError: If ``checkpoint_every`` is not positive, or there is no state of these settings to resume.
        FloatingPointError: If a loss is not finite.
    """
    train_to_the_end(run, is_resumed=is_resumed, checkpoint_every=checkpoint_every, max_minutes=max_minutes)
    run.fill_bank()
    return run.model.eval()
