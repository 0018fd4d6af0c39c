"""The feature extractor of images (Table 10: 28x28x1, 64x64x3 or 32x32x3, hidden [40, 40])."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Extractor", "ExtractorConfig"]


@dataclass(frozen=True)
class ExtractorConfig:
    """Shape of an ``Extractor``.

    Args:
        image_shape: Channels, height and width.
        channels: Filters of the convolutions, each of which halves height and width; none for dense layers alone.
        hidden: Widths of the dense layers ([40, 40] in Table 10).
        feature_dim: Width of the features, which a particle reads (28x28, 64x64 or 32x32 in Table 10).
        kernel_size: Pixels that a filter sees each way, odd.
        has_linear_path: Whether a linear map of all pixels is added to the features.
    """

    image_shape: tuple[int, int, int]
    channels: tuple[int, ...] = (16, 32)
    hidden: tuple[int, ...] = ()
    feature_dim: int = 100
    kernel_size: int = 3
    has_linear_path: bool = False


class Extractor(nn.Module):
    """Read an image: convolutions of stride 2, all places flattened, dense layers; SiLU between layers.

    Places are not pooled, since the image has to come back from the features.

    Args:
        config: Shape of the extractor.
    """

    def __init__(self, config: ExtractorConfig) -> None:
        super().__init__()
        self.config = config
        channels, *size = config.image_shape
        widths = (channels, *config.channels)
        k = config.kernel_size
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, k, stride=2, padding=k // 2) for a, b in pairwise(widths))
        for _ in config.channels:
            size = [(side + 1) // 2 for side in size]
        dims = (widths[-1] * size[0] * size[1], *config.hidden, config.feature_dim)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))
        num_pixels = math.prod(config.image_shape)
        self.linear = nn.Linear(num_pixels, config.feature_dim) if config.has_linear_path else None

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features.

        Args:
            pixels: In [0, 1], [batch, channels, height, width].

        Returns:
            Features, [batch, feature].

        Raises:
            ValueError: If the images have another shape.
        """
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != self.config.image_shape:
            expected = ", ".join(map(str, self.config.image_shape))
            raise ValueError(f"expected pixels of shape [batch, {expected}], got {list(pixels.shape)}")
        # Channels last: torch's convolutions of few channels are faster so on a processor (see the benchmark).
        hidden = pixels.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            hidden = nn.functional.silu(convolution(hidden))
        features: Tensor = hidden.flatten(1)
        for i, layer in enumerate(self.dense):
            features = layer(nn.functional.silu(features) if i else features)
        return features if self.linear is None else features + self.linear(pixels.flatten(1))
