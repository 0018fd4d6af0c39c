"""Algorithm 2 on images: what lies between pixels and the losses of Eq. 6."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from images_ext.attacks.candidates import Ball
from images_ext.attacks.projection import onto_ball
from images_ext.model import ImageAdversary
from textsem.latent.objective import NORMS, Norm
from textsem.latent.posterior import sample_mixture

__all__ = ["AdversarialTerm", "DecodedImages", "ImageBatch", "ImageProblem", "with_residual"]


@dataclass(frozen=True)
class ImageBatch:
    """Images and their classes.

    Args:
        pixels: In [0, 1], [batch, channels, height, width].
        labels: y, [batch].
        residual: x - dec(z), what the decoder cannot draw of x and the target is shown all the same, shape of
            ``pixels``; None where x' = dec(z').
        ball: In which what is shown is brought; None for dec(z') wherever it is.
        modes: Which of its ways out of y E' is to take, [batch]; None where it has one.
        features: Of the pixels, [batch, feature], where the extractor is held still; None: see ``features_of``.
    """

    pixels: Tensor
    labels: Tensor
    residual: Tensor | None = None
    ball: Ball | None = None
    modes: Tensor | None = None
    features: Tensor | None = None

    def features_of(self, model: ImageAdversary) -> Tensor:
        """Return features of the pixels, [batch, feature]: the known ones, else from the extractor, differentiable."""
        return model.features(self.pixels) if self.features is None else self.features

    def shown(self, decoded: Tensor) -> Tensor:
        """Return x' as the target is shown it, [..., batch, channels, height, width], of dec(z'); differentiable."""
        images = decoded if self.residual is None else (decoded + self.residual).clamp(0, 1)
        if self.ball is None:
            return images
        limit = torch.full((len(self.pixels), 1, 1, 1), _INSIDE * self.ball.epsilon).to(self.pixels)
        return onto_ball(images, self.pixels, self.ball.norm, limit)


@dataclass(frozen=True)
class DecodedImages:
    """Outputs of the decoder.

    Args:
        codes: [..., batch, latent].
        pixels: In [0, 1], [..., batch, channels, height, width].
    """

    codes: Tensor
    pixels: Tensor


_INSIDE = 0.999  # of the radius: the gate is strict

AdversarialTerm = Callable[[DecodedImages, ImageBatch], Tensor]


@torch.no_grad()
def with_residual(model: ImageAdversary, batch: ImageBatch, generator: torch.Generator) -> ImageBatch:
    """Return the batch with x - dec(z), z drawn from E's mixture."""
    theta, _ = model.draw_particles(model.config.num_particles, generator)
    codes = sample_mixture(model.codes(batch.features_of(model), theta), generator=generator)[0]
    return replace(batch, residual=batch.pixels - model.decode(codes))


class ImageProblem:
    """The ``Problem`` of Algorithm 2 for an ``ImageAdversary``.

    Args:
        model: Its extractor and decoder are trained.
        adversarial_term: The second term of Eq. 6, from surrogate, target or estimate; None where it is not wanted.
        norm: Of x' - x in Eq. 6, flattened, in pixels of [0, 1]; the gate reads it (reading 20).
        reconstruction_norm: What the reconstructions of x and x' are trained by.
    """

    def __init__(
        self,
        model: ImageAdversary,
        adversarial_term: AdversarialTerm | None = None,
        *,
        norm: Norm = "l2",
        reconstruction_norm: Norm = "l2",
    ) -> None:
        self.model = model
        self.adversarial_term = adversarial_term
        self.norm, self.reconstruction_norm = NORMS[norm], NORMS[reconstruction_norm]

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return what learns beside eta and eta'."""
        groups = {
            "extractor": list(self.model.extractor.parameters()),
            "decoder": list(self.model.decoder.parameters()),
        }
        if self.model.config.perturbation_condition == "label":
            groups["condition"] = [self.model.label_shift]
        return groups

    def features(self, batch: ImageBatch) -> Tensor:
        """Return features [batch, feature] of the clean images."""
        return batch.features_of(self.model)

    def condition(self, inputs: Tensor, batch: ImageBatch) -> Tensor:
        """Return what E' reads: ``inputs`` [..., batch, in], shifted by the label where E' is conditioned on it."""
        return self.model.condition(inputs, batch.labels, batch.modes)

    def decode(self, codes: Tensor) -> DecodedImages:
        """Return the images of codes [..., batch, latent]."""
        return DecodedImages(codes, self.model.decode(codes))

    def reencode(self, outputs: DecodedImages) -> Tensor:
        """Return features [..., batch, feature] of decoded images (Algorithm 1)."""
        features = self.model.features(outputs.pixels.flatten(0, -4))
        return features.reshape(*outputs.codes.shape[:-1], -1)

    def reconstruction(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return |x - x~| in ``reconstruction_norm``, [..., batch]."""
        return self.reconstruction_norm((outputs.pixels - batch.pixels).flatten(-3))

    def distance(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return |x - x'| in ``norm``, which the gate compares with epsilon, [..., batch]; x' is what is shown."""
        return self.norm((batch.shown(outputs.pixels) - batch.pixels).flatten(-3))

    def adversarial(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return the second term of Eq. 6, [batch]; lower = more fooled.

        Raises:
            ValueError: If the problem was made without an adversarial term.
        """
        if self.adversarial_term is None:
            raise ValueError("expected an adversarial term for the adversarial phase, got None")
        return self.adversarial_term(DecodedImages(outputs.codes, batch.shown(outputs.pixels)), batch)
