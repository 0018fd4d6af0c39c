"""M weight vectors over one small MLP, run as one batched network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Activation", "ParticleConfig", "ParticleMLP"]

Activation = Literal["relu", "tanh", "gelu"]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}


@dataclass(frozen=True)
class ParticleConfig:
    """Shape of the MLP that one particle holds the weights of.

    Args:
        in_dim: Size of its input: features of x (E), or a clean code (E', reading 12).
        hidden: Sizes of the hidden layers; Table 10: [40, 40].
        out_dim: Size of the latent code.
        activation: Between layers, none after the last.
        skip: Add the input to the output, so that small weights are near the identity; needs in_dim == out_dim.
        output_scale: Factor on the last layer's initial weights; below 1 with ``skip`` E' starts near E.
        is_spherical: Put each code on the sphere of radius sqrt(out_dim), so that a share of its length is the same
            move everywhere; the skip connection is added before.
    """

    in_dim: int
    hidden: tuple[int, ...] = (40, 40)
    out_dim: int = 100
    activation: Activation = "relu"
    skip: bool = False
    output_scale: float = 1.0
    is_spherical: bool = False

    def __post_init__(self) -> None:
        """Check the fields; a list of hidden sizes, as JSON gives it, becomes a tuple."""
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.activation not in _ACTIVATIONS:
            raise ValueError(f"expected activation in {sorted(_ACTIVATIONS)}, got {self.activation!r}")
        if self.skip and self.in_dim != self.out_dim:
            raise ValueError(f"expected in_dim == out_dim with skip, got {self.in_dim} and {self.out_dim}")


class ParticleMLP:
    """An MLP without weights of its own: it is given M of them and runs all M at once.

    A weight vector theta holds, layer by layer, the matrix [in, out] row by row and then the bias.

    Args:
        config: Shape of the MLP.
    """

    def __init__(self, config: ParticleConfig) -> None:
        self.config = config
        sizes = (config.in_dim, *config.hidden, config.out_dim)
        self._layers = tuple(pairwise(sizes))

    @property
    def num_parameters(self) -> int:
        """P, the number of weights and biases of one particle."""
        return sum(i * o + o for i, o in self._layers)

    def initial(self, generator: torch.Generator) -> Tensor:
        """Draw one good starting point [parameters]: variance 2 / in before a ReLU or GELU, else 1 / in; biases 0."""
        parts = []
        for n, (i, o) in enumerate(self._layers):
            is_last = n == len(self._layers) - 1
            gain = 1.0 if is_last or self.config.activation == "tanh" else math.sqrt(2)
            scale = gain * (self.config.output_scale if is_last else 1.0) / math.sqrt(i)
            parts += [scale * torch.randn(i * o, generator=generator, device=generator.device)]
            parts += [torch.zeros(o, device=generator.device)]
        return torch.cat(parts)

    def __call__(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """Run every particle on its inputs.

        Args:
            theta: Weights, [particles, parameters].
            inputs: [batch, in], the same for every particle, or [particles, batch, in].

        Returns:
            Codes, [particles, batch, out].

        Raises:
            ValueError: If a shape does not fit the config.
        """
        if theta.ndim != 2 or theta.shape[1] != self.num_parameters:
            raise ValueError(f"expected theta of shape [particles, {self.num_parameters}], got {list(theta.shape)}")
        M = theta.shape[0]
        fits = inputs.ndim == 2 or (inputs.ndim == 3 and inputs.shape[0] == M)
        if not fits or inputs.shape[-1] != self.config.in_dim:
            raise ValueError(
                f"expected inputs of shape [batch, {self.config.in_dim}] or [{M}, batch, {self.config.in_dim}], "
                f"got {list(inputs.shape)}"
            )
        activation = _ACTIVATIONS[self.config.activation]
        inputs = inputs.expand(M, -1, -1)
        hidden, start = inputs, 0
        for n, (i, o) in enumerate(self._layers):
            weight = theta[:, start : start + i * o].reshape(M, i, o)
            bias = theta[:, None, start + i * o : start + i * o + o]
            hidden = torch.baddbmm(bias, hidden if n == 0 else activation(hidden), weight)
            start += i * o + o
        codes = hidden + inputs if self.config.skip else hidden
        return F.normalize(codes, dim=-1) * math.sqrt(self.config.out_dim) if self.config.is_spherical else codes
