"""Algorithm 2 on images: what lies between pixels and the losses of Eq. 6."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from images_ext.model import ImageAdversary
from textsem.latent.objective import NORMS, Norm

__all__ = ["AdversarialTerm", "DecodedImages", "ImageBatch", "ImageProblem"]


@dataclass(frozen=True)
class ImageBatch:
    """Images and their classes.

    Args:
        pixels: In [0, 1], [batch, channels, height, width].
        labels: y, [batch].
    """

    pixels: Tensor
    labels: Tensor


@dataclass(frozen=True)
class DecodedImages:
    """Outputs of the decoder.

    Args:
        codes: [..., batch, latent].
        pixels: In [0, 1], [..., batch, channels, height, width].
    """

    codes: Tensor
    pixels: Tensor


AdversarialTerm = Callable[[DecodedImages, ImageBatch], Tensor]


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
        return self.model.features(batch.pixels)

    def condition(self, inputs: Tensor, batch: ImageBatch) -> Tensor:
        """Return what E' reads: ``inputs`` [..., batch, in], shifted by the label where E' is conditioned on it."""
        return self.model.condition(inputs, batch.labels)

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
        """Return |x - x'| in ``norm``, which the gate compares with epsilon, [..., batch]."""
        return self.norm((outputs.pixels - batch.pixels).flatten(-3))

    def adversarial(self, outputs: DecodedImages, batch: ImageBatch) -> Tensor:
        """Return the second term of Eq. 6, [batch]; lower = more fooled.

        Raises:
            ValueError: If the problem was made without an adversarial term.
        """
        if self.adversarial_term is None:
            raise ValueError("expected an adversarial term for the adversarial phase, got None")
        return self.adversarial_term(outputs, batch)
