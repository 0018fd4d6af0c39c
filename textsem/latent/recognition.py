"""The recognition network f_eta: noise xi in, particles theta out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from textsem.latent.initialisation import materialise

__all__ = ["RecognitionConfig", "RecognitionNetwork", "recognition_fit"]


@dataclass(frozen=True)
class RecognitionConfig:
    """Shape of f_eta.

    Args:
        num_parameters: P, weights and biases of one particle.
        noise_dim: Size of xi; Table 10: 50.
        hidden: Sizes of the hidden layers; Table 10: [60, 70].
        spread: Standard deviation of a weight over particles at the start, in units of the weight.  Weights of a
            good start are of order 1 / sqrt(in); a few percent of that keeps every particle good.
    """

    num_parameters: int
    noise_dim: int = 50
    hidden: tuple[int, ...] = (60, 70)
    spread: float = 0.01

    def __post_init__(self) -> None:
        """Turn a list of hidden sizes, as JSON gives it, into a tuple."""
        object.__setattr__(self, "hidden", tuple(self.hidden))


class RecognitionNetwork(nn.Module):
    """Maps noise to the weights of a particle (Sec. 3); a stand-in for the trajectory of SVGD.

    ReLU between layers, none after the last.  The constructor draws nothing: weights are zero until ``initialise``
    or a checkpoint fills them.

    Args:
        config: Shape of the network.
    """

    def __init__(self, config: RecognitionConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (config.noise_dim, *config.hidden, config.num_parameters)
        self.layers = materialise(nn.ModuleList(nn.Linear(i, o, device="meta") for i, o in pairwise(sizes)))

    def initialise(self, initial: Tensor, generator: torch.Generator) -> "RecognitionNetwork":
        """Start with particles of standard deviation ``spread`` around one weight vector; return self.

        Args:
            initial: Bias of the last layer, [parameters], from ``ParticleMLP.initial``.
            generator: Draws the weights of all layers.

        Raises:
            ValueError: If ``initial`` is not one weight vector of the config's size.
        """
        if initial.shape != (self.config.num_parameters,):
            raise ValueError(f"expected initial of shape [{self.config.num_parameters}], got {list(initial.shape)}")
        linears = self._linears()
        with torch.no_grad():
            for n, layer in enumerate(linears):
                # Variance 2 / in before a ReLU keeps the mean square of the hidden units at that of xi, which is 1.
                gain = self.config.spread if n == len(linears) - 1 else math.sqrt(2)
                noise = torch.randn(layer.weight.shape, generator=generator, device=generator.device)
                layer.weight.copy_(gain / math.sqrt(layer.in_features) * noise)
            linears[-1].bias.copy_(initial)
        return self

    @property
    def common(self) -> nn.Parameter:
        """The bias of the last layer, [parameters]: the weights that all particles have in common."""
        return self._linears()[-1].bias

    def sample_noise(self, num_particles: int, generator: torch.Generator) -> Tensor:
        """Draw xi_1, ..., xi_M from N(0, I) (Algorithm 2, line 6), [particles, noise]."""
        weight = self._linears()[0].weight
        xi = torch.randn(num_particles, self.config.noise_dim, generator=generator, device=generator.device)
        return xi.to(weight)

    def forward(self, xi: Tensor) -> Tensor:
        """Return theta [particles, parameters] for noise ``xi`` [particles, noise]."""
        hidden = xi
        for n, layer in enumerate(self._linears()):
            hidden = layer(hidden if n == 0 else torch.relu(hidden))
        return hidden

    def _linears(self) -> Sequence[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]


def recognition_fit(theta: Tensor, moved: Tensor) -> Tensor:
    """Measure how far f_eta is from the moved particles (Algorithm 2, lines 2 and 4; Eq. 5).

        fit = sum_m |f_eta(xi_m) - stop(moved_m)|^2

    Readings 6 and 7: the moved particles are a constant, so the gradient in eta is -2 J^T (moved - theta).

    Args:
        theta: f_eta(xi), [particles, parameters], with graph.
        moved: SVGD_tau(Theta), or SVGD_pi(GBSM(Theta')), same shape.

    Returns:
        The sum of squares, a scalar.
    """
    return (theta - moved.detach()).square().sum()
