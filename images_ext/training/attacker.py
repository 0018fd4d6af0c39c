"""The target's side of training: who is asked, what is learnt from the answers, where Eq. 6's gradient comes from."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from images_ext.attacks.candidates import Ball, to_bytes, to_pixels
from images_ext.attacks.search import FLOOR
from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from images_ext.protocols import GradientImageTarget
from images_ext.targets.metering import MeteredImageTarget
from images_ext.training.adversary_config import AdversaryTrainingConfig
from images_ext.training.image_problem import AdversarialTerm, DecodedImages, ImageBatch, with_residual
from images_ext.training.modes import ModeAssignment
from images_ext.training.surrogate import EvolutionTerm, GradientTerm, Surrogate
from textsem.latent.black_box import Evolution, flips
from textsem.latent.objective import FOOLING_LOSSES
from textsem.latent.posterior import add_code_noise, sample_mixture
from textsem.runs.checkpoint import TrainingParts

__all__ = ["Attacker", "lead", "prepared"]

_OUTSIDE = 1e3  # nats by which an image outside the ball is worse than any inside


def lead(logits: Tensor, labels: Tensor) -> Tensor:
    """Return by how many nats y leads over the best other class, [batch]; below 0 where it does not."""
    is_label = nn.functional.one_hot(labels, logits.shape[-1]).bool()
    own = torch.where(is_label, logits, 0.0).sum(dim=-1)
    return own - logits.masked_fill(is_label, -torch.inf).amax(dim=-1)


def prepared(
    model: ImageAdversary, batch: ImageBatch, config: AdversaryTrainingConfig, generator: torch.Generator
) -> ImageBatch:
    """Return a batch with what decides how the target is shown x' (``decoding`` and ``project``), and with features.

    Args:
        model: The adversary.
        batch: Pixels and labels.
        config: Settings.
        generator: Draws particles.
    """
    if config.learner.extractor_rate == 0:
        with torch.no_grad():
            batch = replace(batch, features=model.features(batch.pixels))
    if config.decoding == "residual":
        batch = with_residual(model, batch, generator)
    return replace(batch, ball=Ball(config.norm, config.learner.epsilon)) if config.project else batch


class Attacker:
    """Ask the target about x', distil the answers, and supply the adversarial term (METHOD section 3).

    Args:
        target: Counts every query, all of them in phase ``training``.
        model: The adversary whose images are asked.
        config: Settings.
        keepers: Classifiers other than the target, our own, that have to keep the label: where the least sure of them
            does not lead by ``keeper_lead`` nats at x', L_x' grows by what is missing, so that E' looks for what
            changes the target's mind alone.  Several are harder to deceive than one.  None for any flip.

    Raises:
        ValueError: If target or keeper has other classes, or the target's own gradient is wanted without gradient
            access.
    """

    def __init__(
        self,
        target: MeteredImageTarget,
        model: ImageAdversary,
        config: AdversaryTrainingConfig,
        keepers: Sequence[GradientImageTarget] = (),
    ) -> None:
        num_classes = model.config.num_classes
        for name, part in (("target", target), *(("keeper", keeper) for keeper in keepers)):
            if len(part.label_names) != num_classes:
                raise ValueError(f"expected a {name} of {num_classes} classes, got {len(part.label_names)}")
        if config.adversarial_gradient == "target" and target.access != "gradient":
            raise ValueError(f"expected gradient access for the target's own gradient, got {target.access} access")
        self.target, self.config, self.keepers = target, config, tuple(keepers)
        self.generator = torch.Generator().manual_seed(config.seed + 2)
        self.surrogate = Surrogate(
            model.config.image_shape,
            num_classes,
            channels=config.surrogate_channels,
            hidden=config.surrogate_hidden,
            learning_rate=config.surrogate_rate,
            batch_size=config.surrogate_batch_size,
            answers_kept=config.answers_kept,
            generator=self.generator,
        )
        self.is_warm = False
        self._term = self._make_term(model)
        self.modes = None
        if model.config.num_modes > 1:
            self.modes = ModeAssignment(model, num_particles=config.learner.num_particles, rate=config.mode_gate_rate)

    def _make_term(self, model: ImageAdversary) -> AdversarialTerm:
        config, loss = self.config, self.config.fooling_loss
        if config.adversarial_gradient == "surrogate":
            return GradientTerm(self.surrogate, loss=loss)
        if config.adversarial_gradient == "target":
            return GradientTerm(self.target, loss=loss)
        evolution = Evolution(loss, config.evolution_pairs, config.evolution_sigma, self.generator)
        return EvolutionTerm(model, self.target, evolution)

    def term(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return the second term of Eq. 6, [batch]; what it asks of the target counts as training."""
        with self.target.counting("training"):
            fooled = self._term(outputs, batch)
        return fooled + self._missing(outputs.pixels, batch.labels)

    def _missing(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return ``keeper_weight`` times the nats that the least sure keeper lacks, [batch]; 0 without keepers."""
        if not self.keepers:
            return pixels.new_zeros(len(labels))
        leads = torch.stack([lead(keeper.logits(pixels), labels) for keeper in self.keepers])
        return self.config.keeper_weight * (self.config.keeper_lead - leads.amin(dim=0)).clamp_min(0)

    def assigned(self, batch: ImageBatch, generator: torch.Generator) -> ImageBatch:
        """Return the batch with the mode that serves each image best, of a model that has several.

        Under evolution strategies, and with the target's own gradient, each mode of each image is a row sent.
        """
        if self.modes is None:
            return batch
        return self.modes(batch, self._assess, generator)

    def _assess(self, pixels: Tensor, batch: ImageBatch) -> Tensor:
        """Return what Eq. 6's second term says of x', shaped as the batch's pixels, [batch]: inside the ball first."""
        distance = self.config.distance((pixels - batch.pixels).flatten(1))
        wanted = self._fooled(pixels, batch.labels) + self._missing(pixels, batch.labels)
        return wanted + _OUTSIDE * (distance >= self.config.learner.epsilon)

    def _fooled(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the second term of Eq. 6 without a gradient, [batch]; asks the target where there is no network."""
        loss, gradient = FOOLING_LOSSES[self.config.fooling_loss], self.config.adversarial_gradient
        if gradient == "surrogate":
            return loss(self.surrogate.logits(pixels), labels)
        if gradient == "target":
            with self.target.counting("training"):
                return loss(self.target.logits(pixels), labels)
        return loss(self._ask(pixels)[1].clamp_min(FLOOR).log(), labels)

    def before_batch(self, model: ImageAdversary, images: ImageSet) -> None:
        """Warm the surrogate up, once: on the labels of the training images, then on answers about their surroundings.

        Args:
            model: The adversary, whose reconstructions with noise on their codes are asked about.
            images: Those of training.
        """
        if self.is_warm or self.config.adversarial_gradient != "surrogate":
            return
        for _ in range(self.config.surrogate_warmup_steps):
            batch = self._some(images, self.config.surrogate_batch_size)
            gold = nn.functional.one_hot(batch.labels, images.num_classes).float()
            self.surrogate.fit(batch.pixels, gold)
        for _ in range(self.config.exploration_batches if self.config.exploration_noise else 0):
            batch = self._some(images, self.config.adversarial_batch_size)
            batch = prepared(model, batch, self.config, self.generator)
            self._distil(*self._ask(self._explored(model, batch)))
        self.is_warm = True

    def _some(self, images: ImageSet, num_rows: int) -> ImageBatch:
        rows = torch.randint(len(images), (num_rows,), generator=self.generator)
        return ImageBatch(images.pixels(rows), images.labels[rows])

    def after_batch(self, model: ImageAdversary, batch: ImageBatch, generator: torch.Generator) -> dict[str, float]:
        """Ask the target about x, x' and surroundings of this batch, take distillation steps; return what was seen.

        x' is of the mode that was assigned, not of the one that the gate would name before any answer.

        Args:
            model: The adversary.
            batch: All rows.
            generator: Draws particles.
        """
        labels, epsilon, B = batch.labels, self.config.learner.epsilon, len(batch.labels)
        asked = [batch.pixels, self._perturbed(model, batch, generator)]
        if self.config.adversarial_gradient == "surrogate" and self.config.exploration_noise:
            asked.append(self._explored(model, batch))
        images, answers = self._ask(torch.cat(asked))
        is_flipped, num_right = flips(answers[: 2 * B], labels)
        distance = self.config.distance((to_pixels(images[B : 2 * B]) - batch.pixels).flatten(1))
        values = {
            "flip_rate": is_flipped.sum().item() / num_right,
            "flip_rate_inside": (is_flipped & (distance < epsilon)).sum().item() / num_right,
            "distance_adv": distance.mean().item(),
        }
        if self.keepers:
            pixels = to_pixels(images[B : 2 * B])
            is_kept = torch.stack([k.predict(pixels).argmax(dim=-1) == labels for k in self.keepers]).all(dim=0)
            values["kept_rate"] = is_kept.sum().item() / B
            values["flip_rate_kept"] = (is_flipped & is_kept & (distance < epsilon)).sum().item() / num_right
        if self.modes is not None:
            values |= self.modes.figures(batch)
        if self.config.adversarial_gradient == "surrogate":
            values["surrogate"] = self._distil(images, answers)
        return values

    def _ask(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Round to bytes and ask; return the bytes and the answers."""
        images = to_bytes(pixels)
        with self.target.counting("training"):
            return images, self.target.predict(to_pixels(images))

    def _distil(self, images: Tensor, answers: Tensor) -> float:
        """Let the surrogate learn from new answers and old ones; return its mean loss, nats a row."""
        self.surrogate.buffer.add(images, answers)
        steps = [self.surrogate.step() for _ in range(self.config.surrogate_steps)]
        return sum(steps) / max(len(steps), 1)

    @torch.no_grad()
    def _perturbed(self, model: ImageAdversary, batch: ImageBatch, generator: torch.Generator) -> Tensor:
        """Return pixels of x', [batch, channels, height, width]."""
        theta, theta_adv = model.draw_particles(self.config.learner.num_particles, generator)
        features = batch.features_of(model)
        codes = model.perturb(model.codes(features, theta), features, theta_adv, batch.labels, batch.modes)
        return batch.shown(model.decode(sample_mixture(codes, generator=generator)[0]))

    @torch.no_grad()
    def _explored(self, model: ImageAdversary, batch: ImageBatch) -> Tensor:
        """Return reconstructions with noise on their codes, [batch, channels, height, width]."""
        theta, _ = model.draw_particles(self.config.learner.num_particles, self.generator)
        codes = sample_mixture(model.codes(batch.features_of(model), theta), generator=self.generator)[0]
        return batch.shown(
            model.decode(add_code_noise(codes, share=self.config.exploration_noise, generator=self.generator))
        )

    def state(self, parts: TrainingParts) -> dict[str, Any]:
        """Add what has a state to ``parts``, and return the rest as plain types and tensors."""
        parts.modules["surrogate"] = self.surrogate.network
        parts.optimisers["surrogate"] = self.surrogate.optimizer
        parts.generators["attacker"] = self.generator
        if self.modes is not None:
            parts.optimisers["mode_gate"] = self.modes.optimizer
        return {"buffer": self.surrogate.buffer.state(), "is_warm": self.is_warm, "counts": self.counts()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what was asked of the target, by phase."""
        return {phase: count.to_dict() for phase, count in self.target.counts.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the plain types from ``state``; the rest was restored in place."""
        self.surrogate.buffer.restore(state["buffer"])
        self.is_warm = state["is_warm"]
        self.target.restore_counts(state["counts"])
