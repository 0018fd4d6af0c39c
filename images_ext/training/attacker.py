"""The target's side of training: who is asked, what is learnt from the answers, where Eq. 6's gradient comes from."""

from typing import Any

import torch
from torch import Tensor, nn

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from images_ext.protocols import ImageTarget
from images_ext.targets.metering import MeteredImageTarget
from images_ext.training.adversary_config import AdversaryTrainingConfig
from images_ext.training.image_problem import AdversarialTerm, DecodedImages, ImageBatch
from images_ext.training.surrogate import EvolutionTerm, GradientTerm, Surrogate
from textsem.latent.posterior import sample_mixture

__all__ = ["Attacker"]


class Attacker:
    """Ask the target about x', distil the answers, and supply the adversarial term (METHOD section 3).

    Args:
        target: Counts every query, all of them in phase ``training``.
        model: The adversary whose images are asked.
        config: Settings.
        keeper: A classifier other than the target that has to keep the label: where it follows x', the surrogate learns
            that nothing was gained, so that E' looks for what changes the target's mind alone.  None for any flip.

    Raises:
        ValueError: If the target has other classes, its own gradient is wanted without gradient access, or a keeper
            is given where no surrogate learns.
    """

    def __init__(
        self,
        target: MeteredImageTarget,
        model: ImageAdversary,
        config: AdversaryTrainingConfig,
        keeper: ImageTarget | None = None,
    ) -> None:
        num_classes = model.config.num_classes
        for name, part in (("target", target), ("keeper", keeper)):
            if part is not None and len(part.label_names) != num_classes:
                raise ValueError(f"expected a {name} of {num_classes} classes, got {len(part.label_names)}")
        if keeper is not None and config.adversarial_gradient != "surrogate":
            raise ValueError(f"expected a surrogate beside a keeper, got gradient {config.adversarial_gradient!r}")
        if config.adversarial_gradient == "target" and target.access != "gradient":
            raise ValueError(f"expected gradient access for the target's own gradient, got {target.access} access")
        self.target, self.config, self.keeper = target, config, keeper
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

    def _make_term(self, model: ImageAdversary) -> AdversarialTerm:
        config, loss = self.config, self.config.fooling_loss
        if config.adversarial_gradient == "surrogate":
            return GradientTerm(self.surrogate, loss=loss)
        if config.adversarial_gradient == "target":
            return GradientTerm(self.target, loss=loss)
        return EvolutionTerm(
            model,
            self.target,
            loss=loss,
            num_pairs=config.evolution_pairs,
            sigma=config.evolution_sigma,
            generator=self.generator,
        )

    def term(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return the second term of Eq. 6, [batch]; what it asks of the target counts as training."""
        with self.target.counting("training"):
            return self._term(outputs, batch)

    def before_batch(self, images: ImageSet) -> None:
        """Warm the surrogate up on the labels of the training images, once; no query is spent on that."""
        if self.is_warm or self.config.adversarial_gradient != "surrogate":
            return
        for _ in range(self.config.surrogate_warmup_steps):
            rows = torch.randint(len(images), (self.config.surrogate_batch_size,), generator=self.generator)
            gold = nn.functional.one_hot(images.labels[rows], images.num_classes).float()
            self.surrogate.fit(images.pixels(rows), gold)
        self.is_warm = True

    def after_batch(self, model: ImageAdversary, batch: ImageBatch, generator: torch.Generator) -> dict[str, float]:
        """Ask the target about x and x' of this batch and take distillation steps; return what was seen.

        Args:
            model: The adversary.
            batch: All rows.
            generator: Draws particles.
        """
        labels, epsilon = batch.labels, self.config.learner.epsilon
        images = to_bytes(torch.cat([batch.pixels, self._perturbed(model, batch, generator)]))
        clean, adversarial = to_pixels(images).chunk(2)
        with self.target.counting("training"):
            answers = self.target.predict(torch.cat([clean, adversarial]))
        before, after = answers.argmax(dim=-1).chunk(2)
        was_right = before == labels
        is_flipped = was_right & (after != labels)
        distance = self.config.distance((adversarial - clean).flatten(1))
        num_right = max(int(was_right.sum()), 1)
        values = {
            "flip_rate": is_flipped.sum().item() / num_right,
            "flip_rate_inside": (is_flipped & (distance < epsilon)).sum().item() / num_right,
            "distance_adv": distance.mean().item(),
        }
        if self.keeper is not None:
            kept = self.keeper.predict(adversarial).argmax(dim=-1) == labels
            is_gained = torch.cat([torch.ones_like(kept), kept])
            gold = nn.functional.one_hot(torch.cat([labels, labels]), answers.shape[1]).to(answers)
            answers = torch.where(is_gained[:, None], answers, gold)
            values["flip_rate_kept"] = (is_flipped & kept).sum().item() / num_right
        if self.config.adversarial_gradient == "surrogate":
            self.surrogate.buffer.add(images, answers)
            steps = [self.surrogate.step() for _ in range(self.config.surrogate_steps)]
            values["surrogate"] = sum(steps) / max(len(steps), 1)
        return values

    @torch.no_grad()
    def _perturbed(self, model: ImageAdversary, batch: ImageBatch, generator: torch.Generator) -> Tensor:
        """Return pixels of x', [batch, channels, height, width]."""
        theta, theta_adv = model.draw_particles(self.config.learner.num_particles, generator)
        features = model.features(batch.pixels)
        codes = model.perturb(model.codes(features, theta), features, theta_adv, batch.labels)
        return model.decode(sample_mixture(codes, generator=generator)[0])

    def state(
        self,
        modules: dict[str, nn.Module],
        optimizers: dict[str, torch.optim.Optimizer],
        generators: dict[str, torch.Generator],
    ) -> dict[str, Any]:
        """Add what has a state to the three dicts, and return the rest as plain types and tensors."""
        modules["surrogate"] = self.surrogate.network
        optimizers["surrogate"] = self.surrogate.optimizer
        generators["attacker"] = self.generator
        return {"buffer": self.surrogate.buffer.state(), "is_warm": self.is_warm, "counts": self.counts()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what was asked of the target, by phase."""
        return {phase: count.to_dict() for phase, count in self.target.counts.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the plain types from ``state``; the rest was restored in place."""
        self.surrogate.buffer.restore(state["buffer"])
        self.is_warm = state["is_warm"]
        self.target.restore_counts(state["counts"])
