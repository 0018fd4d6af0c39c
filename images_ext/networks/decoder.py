"""The transpose CNN decoder of images (Table 10: three layers of 64 filters, kernel 5, stride 2)."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["ImageDecoder", "ImageDecoderConfig"]


@dataclass(frozen=True)
class ImageDecoderConfig:
    """Shape of an ``ImageDecoder``.

    Args:
        image_shape: Channels, height and width.
        latent_dim: Width of a code.
        hidden: Widths of dense layers before the map.
        start_channels: Channels of the map that the dense layers end in.
        filters: Of the transposed convolutions, each of which doubles height and width ([64, 64, 64] in Table 10).
        kernel_size: Pixels that a filter writes to each way (5 in Table 10).
        out_kernel_size: Pixels that the last convolution, from filters to colours, sees each way, odd.
        has_linear_path: Whether a linear map of the code is added before the sigmoid.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int = 100
    hidden: tuple[int, ...] = ()
    start_channels: int = 64
    filters: tuple[int, ...] = (64, 64, 64)
    kernel_size: int = 5
    out_kernel_size: int = 1
    has_linear_path: bool = False

    def __post_init__(self) -> None:
        """Check that the transposed convolutions can end at the size of the image.

        Raises:
            ValueError: If a size has to be odd, which an even kernel does not give, or the kernel is too small.
        """
        if self.kernel_size < 3:
            raise ValueError(f"expected a kernel of at least 3 pixels, got {self.kernel_size}")
        for small, large in pairwise(self.sizes):
            if any(b % 2 and not self.kernel_size % 2 for b in large):
                raise ValueError(f"expected an odd kernel_size for a step from {small} to {large}")

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width before and after each transposed convolution, the image's last."""
        sizes = [self.image_shape[1:]]
        for _ in self.filters:
            height, width = sizes[0]
            sizes.insert(0, ((height + 1) // 2, (width + 1) // 2))
        return sizes


class ImageDecoder(nn.Module):
    """Spread a code over a small map, enlarge it by transposed convolutions, give each place its colour.

    SiLU between layers (half the cost of GELU on a processor), a sigmoid at the end, so that pixels lie in [0, 1].
    MNIST's decoder is not given in Table 10; with three layers its maps are 4, 7, 14 and 28 wide.

    Args:
        config: Shape of the decoder.
    """

    def __init__(self, config: ImageDecoderConfig) -> None:
        super().__init__()
        self.config = config
        sizes, k = config.sizes, config.kernel_size
        dims = (config.latent_dim, *config.hidden, config.start_channels * sizes[0][0] * sizes[0][1])
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))
        padding, layers = (k - 1) // 2, []
        for (a, b), (small, large) in zip(
            pairwise((config.start_channels, *config.filters)), pairwise(sizes), strict=True
        ):
            # What a stride of 2 leaves open: of two sizes that it would shrink to the small one, which is meant.
            missing = [new - (2 * (old - 1) - 2 * padding + k) for old, new in zip(small, large, strict=True)]
            layers.append(
                nn.ConvTranspose2d(a, b, k, stride=2, padding=padding, output_padding=(missing[0], missing[1]))
            )
        self.layers = nn.ModuleList(layers)
        last = (config.start_channels, *config.filters)[-1]
        self.out = nn.Conv2d(last, config.image_shape[0], config.out_kernel_size, padding=config.out_kernel_size // 2)
        num_pixels = math.prod(config.image_shape)
        self.linear = nn.Linear(config.latent_dim, num_pixels) if config.has_linear_path else None

    def forward(self, codes: Tensor) -> Tensor:
        """Return pixels in [0, 1], [batch, channels, height, width], of ``codes`` [batch, latent]."""
        hidden = codes
        for i, layer in enumerate(self.dense):
            hidden = layer(nn.functional.silu(hidden) if i else hidden)
        height, width = self.config.sizes[0]
        hidden = hidden.reshape(-1, self.config.start_channels, height, width)
        # Channels last, as in the extractor.
        hidden = hidden.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            hidden = layer(nn.functional.silu(hidden))
        logits: Tensor = self.out(nn.functional.silu(hidden)).contiguous()
        if self.linear is not None:
            logits = logits + self.linear(codes).reshape(logits.shape)
        return torch.sigmoid(logits)
