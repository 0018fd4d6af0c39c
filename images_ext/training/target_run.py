"""The loop of an image target's training: steps, two stages, and the state that it is resumed from."""

import logging
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from images_ext.attacks.pgd import PgdConfig, random_start
from images_ext.data.images import ImageSet
from images_ext.targets.loading import ImageNetwork, TargetFacts, save_image_target
from images_ext.training.target_batches import StoredPerturbations, mirrored, perturbed, shifted
from images_ext.training.target_config import LARGER_STEPS, ImageTargetTrainingConfig
from images_ext.training.target_evaluation import clean_accuracy, robust_accuracy
from textsem.runs.checkpoint import load_training_state, save_training_state

__all__ = ["ImageTargetProgress", "ImageTargetRun"]

# Enough to watch; the figures at the end come from more steps and starts.
WATCHED_STEPS = 20
_LOGGER = logging.getLogger(__name__)


@dataclass
class ImageTargetProgress:
    """Where a run stands; with weights, optimiser, stored attacks and random state, all that the next step depends on.

    Args:
        step: Steps taken.
        loss_sum: Of the steps since the last line of metrics.
        correct: Perturbed training images that were right since then.
        seen: Training images since then.
        seconds: Time of the steps so far.
        metrics: One entry an epoch, and one for the last stage.
    """

    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    metrics: list[dict[str, Any]] = field(default_factory=list)


class ImageTargetRun:
    """Train a network plainly or on images that are attacked as it learns; hold what a saved state holds.

    Args:
        network: In training mode from here on.
        images: Training images; the last ``config.num_dev_images`` are kept aside and watched.
        config: Settings.
        folder: For the state, and for the model as it stands whenever a state is saved.
        settings: What a state must have been made with to be resumed from.
        checkpoint_every: Steps between two saved states.
    """

    def __init__(
        self,
        network: ImageNetwork,
        images: ImageSet,
        config: ImageTargetTrainingConfig,
        folder: Path,
        *,
        settings: dict[str, Any],
        checkpoint_every: int,
    ) -> None:
        num_train = len(images) - config.num_dev_images
        if num_train < config.batch_size:
            raise ValueError(f"expected {config.num_dev_images + config.batch_size} images or more, got {len(images)}")
        self.network, self.config, self.folder = network.train(), config, folder
        self.settings, self.checkpoint_every = settings, checkpoint_every
        self.train_images = images.select(slice(0, num_train))
        self.dev_images = images.select(slice(num_train, len(images)))
        self.device = next(network.parameters()).device
        self.generator = torch.Generator().manual_seed(config.seed)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.stored = StoredPerturbations((num_train, *images.shape)) if config.attack_start == "previous" else None
        self.progress = ImageTargetProgress()
        self.epoch_steps = num_train // config.batch_size
        self.main_steps = config.num_epochs * self.epoch_steps
        self.num_steps = self.main_steps + min(config.num_last_images, num_train) // config.batch_size

    def save(self) -> None:
        """Write the state, and the model as it stands."""
        extra: dict[str, Any] = {"settings": self.settings, "progress": asdict(self.progress)}
        if self.stored is not None:
            extra["stored"] = {"values": self.stored.values, "is_known": self.stored.is_known}
        save_training_state(
            self.folder, {"network": self.network}, {"adam": self.optimiser}, {"run": self.generator}, extra
        )
        save_image_target(self.folder, self.network, self.facts())

    def facts(self) -> TargetFacts:
        """Return what the checkpoint tells beside the network."""
        images, attack = self.train_images, self.config.last_attack or self.config.attack
        return TargetFacts(
            images.label_names,
            f"{images.name}, {len(images)} images of split {images.split}",
            None if attack is None else attack.norm,
            None if attack is None else attack.epsilon,
        )

    def resume(self) -> None:
        """Put the saved state back.

        Raises:
            ValueError: If there is none or it belongs to other settings.
        """
        extra = load_training_state(
            self.folder,
            {"network": self.network},
            {"adam": self.optimiser},
            {"run": self.generator},
            settings=self.settings,
        )
        self.progress = ImageTargetProgress(**extra["progress"])
        if self.stored is not None:
            self.stored.values, self.stored.is_known = extra["stored"]["values"], extra["stored"]["is_known"]

    def train(self, *, max_minutes: float | None) -> bool:
        """Train to the end (True) or until time is up (False)."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        order = self._order()
        while progress.step < self.num_steps:
            self._step(self._places(order))
            progress.step += 1
            progress.seconds = time.monotonic() - started
            if progress.step % self.epoch_steps == 0 or progress.step in (self.main_steps, self.num_steps):
                self._finish_epoch()
                progress.seconds = time.monotonic() - started
                order = self._order()
                self.save()
            elif progress.step % self.checkpoint_every == 0:
                self.save()
            if max_minutes is not None and progress.seconds > 60.0 * max_minutes and progress.step < self.num_steps:
                self.save()
                return False
        return True

    def learning_rate(self, step: int) -> float:
        """Return the step size of a step, counted from 0: up to the highest, then down to 0 after the last."""
        rise = max(1, int(self.config.rise * self.num_steps))
        return self.config.learning_rate * min((step + 1) / rise, (self.num_steps - step) / (self.num_steps - rise + 1))

    def attack(self, step: int) -> PgdConfig | None:
        """Return the attack of a step: its radius and step size grow together in the first epochs."""
        config = self.config
        if step >= self.main_steps:
            return config.last_attack
        growth = config.epsilon_epochs * self.epoch_steps
        if config.attack is None or step >= growth:
            return config.attack
        share = (step + 1) / (growth + 1)
        return replace(config.attack, epsilon=share * config.attack.epsilon, step_size=share * config.attack.step_size)

    def _order(self) -> Tensor:
        """Return the order of the present epoch, or of the last stage; the same for a run that is resumed."""
        stage = min(self.progress.step, self.main_steps) // self.epoch_steps
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + stage)
        return torch.randperm(len(self.train_images), generator=generator)

    def _places(self, order: Tensor) -> Tensor:
        step, size = self.progress.step, self.config.batch_size
        index = step - self.main_steps if step >= self.main_steps else step % self.epoch_steps
        return order[index * size : (index + 1) * size]

    def _step(self, places: Tensor) -> None:
        step, config = self.progress.step, self.config
        pixels = shifted(self.train_images.pixels(places), max_shift=config.max_shift, generator=self.generator)
        if config.is_mirrored:
            pixels = mirrored(pixels, generator=self.generator)
        pixels, labels = pixels.to(self.device), self.train_images.labels[places].to(self.device)
        attack = self.attack(step)
        if attack is not None:
            pixels = self._perturbed(places, pixels, labels, attack)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(step)
        logits = self.network(pixels)
        loss = F.cross_entropy(logits, labels)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"expected a finite loss, got {loss.item()} at step {step}")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.progress.loss_sum += loss.item() * len(labels)
        self.progress.correct += int((logits.argmax(dim=-1) == labels).sum())
        self.progress.seen += len(labels)

    def _perturbed(self, places: Tensor, pixels: Tensor, labels: Tensor, attack: PgdConfig) -> Tensor:
        is_stored = self.stored is not None and self.progress.step < self.main_steps
        if is_stored and self.stored is not None:
            start = self.stored.start(places, pixels.cpu(), config=attack, generator=self.generator).to(self.device)
        else:
            start = random_start(pixels, config=attack, generator=self.generator)
        x_adv = perturbed(self.network, pixels, labels, start=start, config=attack)
        if is_stored and self.stored is not None:
            self.stored.keep(places, (x_adv - pixels).cpu())
        return x_adv

    def _finish_epoch(self) -> None:
        """Measure on the images kept aside and add a line of metrics."""
        progress, config = self.progress, self.config
        line: dict[str, Any] = {
            "step": progress.step,
            "epoch": round(progress.step / self.epoch_steps, 3),
            "train_loss": progress.loss_sum / progress.seen,
            "train_accuracy": progress.correct / progress.seen,
            "dev_accuracy": clean_accuracy(self.network, self.dev_images),
        }
        attack = config.last_attack or config.attack
        if attack is not None and config.num_watched:
            watched = replace(attack, num_steps=WATCHED_STEPS, step_size=attack.epsilon / LARGER_STEPS)
            line["dev_robust_accuracy"] = robust_accuracy(
                self.network, self.dev_images.select(slice(0, config.num_watched)), watched, seed=config.seed
            )
        line["seconds"] = round(progress.seconds, 1)
        progress.metrics.append(line)
        progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
        _LOGGER.info("%s", ", ".join(f"{name} {value:.4g}" for name, value in line.items()))
