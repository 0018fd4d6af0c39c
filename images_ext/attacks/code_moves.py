"""The moves of every image: what they share, particles and the bank, is drawn and coded once a run."""

from functools import partial

import torch
from torch import Tensor

from images_ext.attacks.candidates import to_bytes, to_pixels
from images_ext.attacks.image_moves import ImageMoves, decode_codes
from images_ext.attacks.move_config import MoveConfig
from images_ext.model import ImageAdversary
from textsem.latent.moves import local_neighbours

__all__ = ["CodeMoves"]


class CodeMoves:
    """Give every image its moves.

    Args:
        model: A trained adversary, in evaluation mode.
        config: How codes are moved.
    """

    def __init__(self, model: ImageAdversary, config: MoveConfig) -> None:
        self.model, self.config = model, config
        generator = torch.Generator().manual_seed(config.seed)
        with torch.no_grad():
            self._theta, self._theta_adv = model.draw_particles(config.num_particles, generator)
            self._bank = model.codes(model.bank_features, self._theta).mean(dim=0)

    @torch.no_grad()
    def of(self, image: Tensor, label: int, seed: int) -> ImageMoves:
        """Return the moves of one image.

        Args:
            image: Bytes, [channels, height, width].
            label: Class number.
            seed: Of the image.

        Raises:
            ValueError: If the image has another shape than the model's, or its code is not finite.
        """
        if tuple(image.shape) != self.model.config.image_shape:
            raise ValueError(f"expected an image of shape {self.model.config.image_shape}, got {tuple(image.shape)}")
        original = to_pixels(image)
        features = self.model.features(original[None])
        modes = self._modes(features, label)
        clean, adversarial = self._both(features, label, modes)
        if not bool(torch.isfinite(clean).all() and torch.isfinite(adversarial).all()):
            raise ValueError("expected finite codes, got nan or inf")
        K = min(self.config.num_neighbours, clean.shape[-1], len(self._bank))
        return ImageMoves(
            self.model,
            self.config,
            clean=clean,
            adversarial=adversarial,
            neighbours=local_neighbours(clean.mean(dim=0), self._bank, num_neighbours=K),
            original=original,
            ways=partial(self._ways, label=label, modes=modes),
            seed=seed,
            num_modes=len(modes),
        )

    def _modes(self, features: Tensor, label: int) -> Tensor:
        """Return the ways that E' knows out of ``label``, likeliest first, [modes]; controls need none but one."""
        if self.config.direction != "adversarial":
            return torch.zeros(1, dtype=torch.int64)
        scores = self.model.mode_scores(features, torch.tensor([label]))
        return scores[0].argsort(descending=True, stable=True)

    def _ways(self, images: Tensor, *, label: int, modes: Tensor) -> Tensor:
        clean, adversarial = self._both(self.model.features(to_pixels(images)), label, modes)
        return adversarial - clean

    def _both(self, features: Tensor, label: int, modes: Tensor) -> tuple[Tensor, Tensor]:
        """Return Z and Z' [modes x particles, images, latent] of images with one label: particles, mode after mode."""
        labels = torch.full((len(features),), label)
        clean = self.model.codes(features, self._theta)
        parts = [
            self.model.perturb(clean, features, self._theta_adv, labels, mode.expand(len(features))) for mode in modes
        ]
        return clean.repeat(len(modes), 1, 1), torch.cat(parts)

    @torch.no_grad()
    def clean_codes(self, image: Tensor) -> Tensor:
        """Return Z [particles, latent] of one image, bytes [channels, height, width]."""
        return self.model.codes(self.model.features(to_pixels(image)[None]), self._theta)[:, 0]

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the decoder's images of the first particle's clean codes, bytes; one image after the other."""
        rows = [decode_codes(self.model, self.clean_codes(image)[:1])[0] for image in images]
        return to_bytes(torch.stack(rows)) if rows else images
