"""Which of its ways out of a class E' takes for which image: hard EM of a mixture, and the gate that learns from it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from images_ext.model import ImageAdversary
from images_ext.training.image_problem import ImageBatch
from textsem.latent.posterior import sample_mixture

__all__ = ["ModeAssignment"]


class ModeAssignment:
    """Give every image of a batch the mode that serves it best, and let the gate learn to name it.

        k(x) = argmin_k l(x'_k),   x'_k = what is shown of dec(z'_k),   gate(x, y) -> k(x)

    A mode that learnt from every image would become the way that is good on average, and all of them that one; so each
    learns from its own images (multiple choice learning: Guzman-Rivera et al. 2012).

    Args:
        model: The adversary; its gate is trained.
        num_particles: M, drawn anew for every batch.
        gate_rate: Of Adam.
    """

    def __init__(self, model: ImageAdversary, *, num_particles: int, gate_rate: float) -> None:
        self.num_particles = num_particles
        self.optimizer = torch.optim.Adam(model.gate.parameters(), lr=gate_rate)

    def __call__(
        self,
        model: ImageAdversary,
        batch: ImageBatch,
        assess: Callable[[Tensor, Tensor], Tensor],
        generator: torch.Generator,
    ) -> ImageBatch:
        """Return the batch with its modes; the gate has taken a step.

        Args:
            model: The adversary.
            batch: With all that decides how x' is shown.
            assess: l: how far images [batch, channels, height, width] with labels [batch] are from what is wanted.
            generator: Draws particles.
        """
        with torch.no_grad():
            features = model.features(batch.pixels)
            theta, theta_adv = model.draw_particles(self.num_particles, generator)
            codes, losses = model.codes(features, theta), []
            for mode in range(model.config.num_modes):
                modes = torch.full_like(batch.labels, mode)
                adversarial = model.perturb(codes, features, theta_adv, batch.labels, modes)
                drawn = sample_mixture(adversarial, generator=generator)[0]
                losses.append(assess(batch.shown(model.decode(drawn)), batch.labels))
            modes = torch.stack(losses).argmin(dim=0)
        self._teach(model, features, batch.labels, modes)
        return replace(batch, modes=modes)

    def _teach(self, model: ImageAdversary, features: Tensor, labels: Tensor, modes: Tensor) -> None:
        loss = nn.functional.cross_entropy(model.mode_scores(features, labels), modes)
        parameters = list(model.gate.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def figures(self, model: ImageAdversary, batch: ImageBatch) -> dict[str, float]:
        """Return how often the gate names an image's mode, and how many modes are in use: exp of their entropy."""
        if batch.modes is None:
            return {}
        guessed = model.mode_scores(model.features(batch.pixels), batch.labels).argmax(dim=-1)
        share = torch.bincount(batch.modes, minlength=model.config.num_modes) / len(batch.modes)
        return {
            "gate_right": (guessed == batch.modes).float().mean().item(),
            "modes_in_use": torch.special.entr(share).sum().exp().item(),
        }
