"""The multilayer perceptrons around ARAE's codes: generator, critic, and the inverter of Zhao et al. 2018b."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.latent.initialisation import materialise

__all__ = ["Critic", "CriticConfig", "Generator", "GeneratorConfig", "Inverter", "InverterConfig", "Perceptron"]

NEGATIVE_SLOPE = 0.2


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a ``Generator``; the default is that of Zhao et al. 2018 for SNLI, 100-300-300.

    Args:
        noise_dim: Width of the noise.
        hidden: Hidden layers.
        code_dim: Width of a code.
    """

    noise_dim: int = 100
    hidden: tuple[int, ...] = (300,)
    code_dim: int = 300

    def __post_init__(self) -> None:
        """Check the sizes; a list of hidden sizes, as JSON gives it, becomes a tuple."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        _check_sizes(self, (self.noise_dim, *self.hidden, self.code_dim))


@dataclass(frozen=True)
class CriticConfig:
    """Shape of a ``Critic``; the default is that of Zhao et al. 2018 for SNLI, 300-300-1.

    Args:
        code_dim: Width of a code.
        hidden: Hidden layers.
    """

    code_dim: int = 300
    hidden: tuple[int, ...] = (300,)

    def __post_init__(self) -> None:
        """Check the sizes; a list of hidden sizes, as JSON gives it, becomes a tuple."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        _check_sizes(self, (self.code_dim, *self.hidden))


@dataclass(frozen=True)
class InverterConfig:
    """Shape of an ``Inverter``; the default is that of Zhao et al. 2018b for text, 300-300-300-100.

    Args:
        code_dim: Width of a code.
        hidden: Hidden layers.
        noise_dim: Width of the generator's noise.
    """

    code_dim: int = 300
    hidden: tuple[int, ...] = (300, 300)
    noise_dim: int = 100

    def __post_init__(self) -> None:
        """Check the sizes; a list of hidden sizes, as JSON gives it, becomes a tuple."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        _check_sizes(self, (self.code_dim, *self.hidden, self.noise_dim))


def _check_sizes(config: object, sizes: tuple[int, ...]) -> None:
    if min(sizes) < 1:
        raise ValueError(f"expected sizes >= 1, got {config}")


class Perceptron(nn.Module):
    """Linear layers with leaky ReLU between them.

    The constructor draws nothing: weights are zero until ``draw_layers`` or a file fills them.

    Args:
        sizes: Width of the input, of each hidden layer, of the output.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        with torch.device("meta"):
            layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.layers = materialise(layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [..., last size] for ``inputs`` [..., first size]."""
        *hidden, last = self.layers
        for layer in hidden:
            inputs = F.leaky_relu(layer(inputs), negative_slope=NEGATIVE_SLOPE)
        outputs: Tensor = last(inputs)
        return outputs


class Generator(nn.Module):
    """g: from noise to codes on the unit sphere, where the codes of sentences are.

    Differs from the released generator of Zhao et al. 2018 in two ways: that one ends before the sphere, and
    normalises its hidden layers over the batch, so that a code would depend on those made with it.

    Args:
        config: Shape.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptron = Perceptron((config.noise_dim, *config.hidden, config.code_dim))

    def forward(self, noise: Tensor) -> Tensor:
        """Return unit-length codes [..., code] for ``noise`` [..., noise]."""
        return F.normalize(self.perceptron(noise), dim=-1)


class Critic(nn.Module):
    """f_w: how real a code looks; high for codes of sentences, low for the generator's.

    Args:
        config: Shape.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptron = Perceptron((config.code_dim, *config.hidden, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Return one number [...] for each of ``codes`` [..., code]."""
        scores: Tensor = self.perceptron(codes)[..., 0]
        return scores


class Inverter(nn.Module):
    """I: from codes to the noise that a generator would have made them of.

    Args:
        config: Shape.
    """

    def __init__(self, config: InverterConfig) -> None:
        super().__init__()
        self.config = config
        self.perceptron = Perceptron((config.code_dim, *config.hidden, config.noise_dim))

    def forward(self, codes: Tensor) -> Tensor:
        """Return noise [..., noise] for ``codes`` [..., code]."""
        noise: Tensor = self.perceptron(codes)
        return noise
