"""The residual network of Song et al. 2018 that the paper attacks: METHOD.md, section 5."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["RESIDUAL_PRESETS", "ResidualConfig", "ResidualNetwork", "ResidualUnit", "standardise", "widened"]

NEGATIVE_SLOPE = 0.1


@dataclass(frozen=True)
class ResidualConfig:
    """Sizes of a residual network.

    Args:
        image_shape: Channels, height, width.
        num_classes: Classes of the last layer.
        stem_width: Channels after the first convolution.
        group_widths: Channels of each group of units; the first group keeps the size of the image, each later one
            halves it.
        num_units: Units in a group.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    stem_width: int
    group_widths: tuple[int, ...]
    num_units: int = 5

    def __post_init__(self) -> None:
        """Check the ranges; JSON's lists become tuples."""
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "group_widths", tuple(self.group_widths))
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise ValueError(f"expected image_shape (channels, height, width), got {self.image_shape}")
        if self.num_classes < 2 or self.num_units < 1:
            raise ValueError(f"expected two classes and one unit at least, got {self.num_classes}, {self.num_units}")
        widths = (self.stem_width, *self.group_widths)
        if not self.group_widths or self.stem_width < 1 or list(widths) != sorted(widths):
            raise ValueError(f"expected widths that do not fall from stem to last group, got {widths}")


RESIDUAL_PRESETS: dict[str, ResidualConfig] = {
    "mnist": ResidualConfig((1, 28, 28), 10, 4, (4, 8, 16)),
    "svhn": ResidualConfig((3, 32, 32), 10, 16, (16, 32, 64)),
    "celeba": ResidualConfig((3, 64, 64), 2, 16, (16, 32, 64)),
}
"""The published sizes: 29.6k, 464k and 464k parameters."""


def widened(config: ResidualConfig, width: float) -> ResidualConfig:
    """Return a config with all widths multiplied; 1 gives the published network.

    Args:
        config: To start from.
        width: Factor > 0; products must be whole numbers.

    Raises:
        ValueError: If a product is not a whole number.
    """
    stem, *groups = (width * channels for channels in (config.stem_width, *config.group_widths))
    if width <= 0 or any(channels != int(channels) for channels in (stem, *groups)):
        raise ValueError(f"expected a width > 0 that keeps channels whole, got {width}")
    return ResidualConfig(
        config.image_shape, config.num_classes, int(stem), tuple(int(channels) for channels in groups), config.num_units
    )


def standardise(pixels: Tensor) -> Tensor:
    """Give every image mean 0 and deviation 1 over all its channels and places.

        (x - mean(x)) / max(std(x), 1 / sqrt(N))

    N is the number of values in an image; the floor keeps a uniform image finite, as in TensorFlow's
    ``per_image_standardization``, which Song et al. use.

    Args:
        pixels: [batch, channels, height, width].
    """
    flat = pixels.flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    # The root of a clamped variance: sqrt's own gradient is infinite at 0.
    deviation = centred.square().mean(dim=1, keepdim=True).clamp_min(1.0 / flat.shape[1]).sqrt()
    standardised: Tensor = (centred / deviation).view_as(pixels)
    return standardised


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions, each after batch norm and leaky ReLU, added to the input.

    Args:
        in_width: Channels that come.
        out_width: Channels that go, at least as many.
        stride: Of the first convolution; the shortcut is pooled by it, and its new channels are zero.
        activation: ``both``: the shortcut starts after batch norm and leaky ReLU (the very first unit); ``branch``: it
            is the input itself.
    """

    def __init__(
        self, in_width: int, out_width: int, *, stride: int, activation: Literal["both", "branch"] = "branch"
    ) -> None:
        super().__init__()
        self.stride, self.activation = stride, activation
        self.norm1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        new = out_width - in_width
        self.new_channels = (new // 2, new - new // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, in, height, width] to [batch, out, height / stride, width / stride], rounded up."""
        active = F.leaky_relu(self.norm1(x), NEGATIVE_SLOPE)
        shortcut = active if self.activation == "both" else x
        branch = self.conv2(F.leaky_relu(self.norm2(self.conv1(active)), NEGATIVE_SLOPE))
        if self.stride > 1:
            shortcut = F.avg_pool2d(shortcut, self.stride, ceil_mode=True)
        if any(self.new_channels):
            shortcut = F.pad(shortcut, (0, 0, 0, 0, *self.new_channels))
        summed: Tensor = branch + shortcut
        return summed


class ResidualNetwork(nn.Module):
    """Standardise each image, then stem, groups of pre-activation units, mean over places, one linear layer.

    Song et al. 2018 (arXiv:1805.07894), whose network is the CIFAR-10 one of Madry et al. 2018 at other widths.

    Args:
        config: Sizes.
    """

    def __init__(self, config: ResidualConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(config.image_shape[0], config.stem_width, 3, padding=1, bias=False)
        units, width = [], config.stem_width
        for group, group_width in enumerate(config.group_widths):
            for index in range(config.num_units):
                is_halved, is_first = group > 0 and index == 0, group == index == 0
                activation: Literal["both", "branch"] = "both" if is_first else "branch"
                units.append(ResidualUnit(width, group_width, stride=2 if is_halved else 1, activation=activation))
                width = group_width
        self.units = nn.Sequential(*units)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, config.num_classes)

    def initialise(self, generator: torch.Generator) -> "ResidualNetwork":
        """Draw all weights: He et al. 2015 for convolutions (fan out, as Madry et al.), Glorot for the head."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        nn.init.xavier_uniform_(self.head.weight, generator=generator)
        nn.init.zeros_(self.head.bias)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes] of pixels in [0, 1], [batch, channels, height, width]."""
        features = F.leaky_relu(self.norm(self.units(self.stem(standardise(pixels)))), NEGATIVE_SLOPE)
        logits: Tensor = self.head(features.mean(dim=(2, 3)))
        return logits
