"""A target without networks and a few labelled images, for tests of training."""

import torch
from torch import Tensor

from images_ext.data.images import ImageSet
from images_ext.model import ImageAdversary
from tests.images.test_model import tiny_model

NAMES: tuple[str, ...] = ("a", "b", "c")


class Stripes:
    """Scores three classes by the brightness of three bands of an image; refuses to be differentiated."""

    label_names: tuple[str, ...] = NAMES

    def predict(self, pixels: Tensor) -> Tensor:
        if pixels.requires_grad:
            raise AssertionError("expected a target that is only asked")
        bands = [pixels[:, 0, rows].mean(dim=(1, 2)) for rows in (slice(0, 3), slice(3, 5), slice(5, 8))]
        return (8 * torch.stack(bands, dim=1)).softmax(dim=1)


class DifferentiableStripes(Stripes):
    """The same with logits, for gradient access."""

    def logits(self, pixels: Tensor) -> Tensor:
        bands = [pixels[:, 0, rows].mean(dim=(1, 2)) for rows in (slice(0, 3), slice(3, 5), slice(5, 8))]
        return 8 * torch.stack(bands, dim=1)


def some_images(num: int = 24) -> ImageSet:
    """Return noise of 1 x 8 x 8, labelled as ``Stripes`` sees it."""
    images = torch.randint(256, (num, 1, 8, 8), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)
    labels = Stripes().predict(images.float() / 255).argmax(dim=1)
    return ImageSet(images, labels, NAMES, "noise", "train")


def lively_model(num_modes: int) -> ImageAdversary:
    """Return a model whose modes and codes can be told apart in the pixels."""
    model, generator = tiny_model(num_modes=num_modes), torch.Generator().manual_seed(3)
    with torch.no_grad():
        model.label_shift.copy_(2 * torch.randn(model.label_shift.shape, generator=generator))
        for layer in model.decoder.dense:
            assert isinstance(layer, torch.nn.Linear)
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        model.decoder.out.weight.mul_(8)
    return model
