"""Which of its ways out of a class E' takes for which image: hard EM of a mixture, and the gate that learns from it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from images_ext.model import ImageAdversary
from images_ext.training.image_problem import ImageBatch

__all__ = ["ModeAssignment"]

_TIE = 1e-6  # losses that differ by less are one


class ModeAssignment:
    """Give every image of a batch the mode that serves it best, and let the gate learn to name it.

        k(x) = argmin_k l(x'_k),   x'_k = what is shown of dec(z'_k),   gate(x, y) -> k(x)

    A mode that learnt from every image would become the way that is good on average, and all of them that one; so each
    learns from its own images (multiple choice learning: Guzman-Rivera et al. 2012).  Losses have floors: of modes
    that are equally good the image gets the one that the gate finds likeliest.

    Args:
        model: The adversary; its gate is trained.
        num_particles: M, drawn anew for every batch.
        rate: Of Adam.
    """

    def __init__(self, model: ImageAdversary, *, num_particles: int, rate: float) -> None:
        self.model, self.num_particles = model, num_particles
        self.optimizer = torch.optim.Adam(model.mode_gate.parameters(), lr=rate)

    def __call__(
        self, batch: ImageBatch, assess: Callable[[Tensor, ImageBatch], Tensor], generator: torch.Generator
    ) -> ImageBatch:
        """Return the batch with its modes; the gate has taken a step.

        Args:
            batch: With all that decides how x' is shown.
            assess: l: how far images [batch, channels, height, width] of the batch are from what is wanted, [batch].
            generator: Draws particles.
        """
        with torch.no_grad():
            features = batch.features_of(self.model)
            losses = torch.stack([assess(pixels, batch) for pixels in self._every_way(batch, features, generator)], 1)
        scores = self.model.mode_scores(features, batch.labels)
        is_best = losses <= losses.amin(dim=1, keepdim=True) + _TIE
        modes = scores.detach().masked_fill(~is_best, -torch.inf).argmax(dim=1)
        self._teach(nn.functional.cross_entropy(scores, modes))
        return replace(batch, modes=modes)

    def _every_way(self, batch: ImageBatch, features: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Return what is shown of each mode's x' [batch, channels, height, width], of one draw of particles for all."""
        model = self.model
        theta, theta_adv = model.draw_particles(self.num_particles, generator)
        codes, shown = model.codes(features, theta), []
        picks, rows = torch.randint(len(codes), (len(features),), generator=generator), torch.arange(len(features))
        for mode in range(model.config.num_modes):
            modes = torch.full_like(batch.labels, mode)
            adversarial = model.perturb(codes, features, theta_adv, batch.labels, modes)
            shown.append(batch.shown(model.decode(adversarial[picks, rows])))
        return shown

    def _teach(self, loss: Tensor) -> None:
        parameters = list(self.model.mode_gate.parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def figures(self, batch: ImageBatch) -> dict[str, float]:
        """Return how often the gate names an image's mode, and how many modes are in use: exp of their entropy."""
        if batch.modes is None:
            return {}
        guessed = self.model.mode_scores(batch.features_of(self.model), batch.labels).argmax(dim=-1)
        share = torch.bincount(batch.modes, minlength=self.model.config.num_modes) / len(batch.modes)
        return {
            "gate_right": (guessed == batch.modes).float().mean().item(),
            "modes_in_use": torch.special.entr(share).sum().exp().item(),
        }
