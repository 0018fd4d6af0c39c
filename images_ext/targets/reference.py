"""A plain CNN that judges whether an image has kept its label: another architecture than the attacked one."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["REFERENCE_PRESETS", "ReferenceConfig", "ReferenceNetwork"]


@dataclass(frozen=True)
class ReferenceConfig:
    """Sizes of a plain CNN.

    Args:
        image_shape: Channels, height, width.
        num_classes: Classes of the last layer.
        widths: Channels of each 3x3 convolution; each is followed by a 2x2 maximum.
        hidden_dim: Width of the layer before the last.
        dropout: Rate before the last two layers, in training alone.
    """

    image_shape: tuple[int, int, int]
    num_classes: int
    widths: tuple[int, ...] = (24, 48)
    hidden_dim: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        """Check the ranges; JSON's lists become tuples."""
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.image_shape) != 3 or min(self.image_shape) < 1 or self.num_classes < 2:
            raise ValueError(
                f"expected image_shape (channels, height, width) and two classes, got {self.image_shape}, "
                f"{self.num_classes}"
            )
        if not self.widths or min(*self.widths, self.hidden_dim) < 1:
            raise ValueError(f"expected widths of at least 1, got {self.widths}, {self.hidden_dim}")
        if min(self.image_shape[1:]) >> len(self.widths) < 1:
            raise ValueError(f"expected images that can be halved {len(self.widths)} times, got {self.image_shape}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"expected 0 <= dropout < 1, got {self.dropout}")


REFERENCE_PRESETS: dict[str, ReferenceConfig] = {
    "mnist": ReferenceConfig((1, 28, 28), 10),
    "svhn": ReferenceConfig((3, 32, 32), 10, widths=(24, 48, 96)),
    "celeba": ReferenceConfig((3, 64, 64), 2, widths=(16, 32, 64, 64)),
}


class ReferenceNetwork(nn.Module):
    """Convolutions with batch norm, ReLU and pooling, then two linear layers.

    Args:
        config: Sizes.
    """

    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        width, height, breadth = config.image_shape
        for wider in config.widths:
            layers += [nn.Conv2d(width, wider, 3, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            width, height, breadth = wider, height // 2, breadth // 2
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Linear(width * height * breadth, config.hidden_dim)
        self.head = nn.Linear(config.hidden_dim, config.num_classes)

    def initialise(self, generator: torch.Generator) -> "ReferenceNetwork":
        """Draw all weights (He et al. 2015)."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes] of pixels in [0, 1], [batch, channels, height, width]."""
        rate = self.config.dropout
        features = F.dropout(self.features(pixels - 0.5).flatten(1), rate, self.training)
        hidden = F.dropout(F.relu(self.hidden(features)), rate, self.training)
        logits: Tensor = self.head(hidden)
        return logits
