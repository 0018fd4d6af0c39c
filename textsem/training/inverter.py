"""The inverter of Zhao et al. 2018b: from a code back to the noise that a generator would have made it of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.latent.initialisation import draw_layers, materialise

__all__ = ["Inverter", "InverterConfig", "InverterTrainingConfig", "inverter_loss", "train_inverter"]


@dataclass(frozen=True)
class InverterConfig:
    """Shape of an ``Inverter``; the default is that of Zhao et al. for text, 300-300-300-100.

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
        if min(self.code_dim, *self.hidden, self.noise_dim) < 1:
            raise ValueError(f"expected sizes >= 1, got {self}")


@dataclass(frozen=True)
class InverterTrainingConfig:
    """Settings of one training.

    Args:
        inverter: Shape.
        num_steps: Steps of Adam.
        batch_size: Codes, and rows of noise, a step.
        learning_rate: Adam's step size.
        noise_share: Weight of the noise term; the code term has the rest.
        seed: Of weights, batches and noise.
    """

    inverter: InverterConfig = field(default_factory=InverterConfig)
    num_steps: int = 5_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    noise_share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"expected learning_rate > 0, got {self.learning_rate}")
        if not 0 <= self.noise_share <= 1:
            raise ValueError(f"expected noise_share from 0 to 1, got {self.noise_share}")


class Inverter(nn.Module):
    """I: a multilayer perceptron from codes to noise, leaky ReLU between its layers.

    The constructor draws nothing: weights are zero until ``train_inverter`` or a file fills them.

    Args:
        config: Shape.
    """

    def __init__(self, config: InverterConfig) -> None:
        super().__init__()
        self.config = config
        sizes = (config.code_dim, *config.hidden, config.noise_dim)
        with torch.device("meta"):
            layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.layers = materialise(layers)

    def forward(self, codes: Tensor) -> Tensor:
        """Return noise [batch, noise] for ``codes`` [batch, code]."""
        *hidden, last = self.layers
        for layer in hidden:
            codes = F.leaky_relu(layer(codes), negative_slope=0.2)
        noise: Tensor = last(codes)
        return noise


def inverter_loss(
    generator: Callable[[Tensor], Tensor],
    inverter: Callable[[Tensor], Tensor],
    codes: Tensor,
    noise: Tensor,
    *,
    noise_share: float,
) -> Tensor:
    """Return how far codes and noise are from coming back.

        L = (1 - share) mean (G(I(c)) - c)^2 + share mean (I(G(z)) - z)^2

    Zhao et al. 2018b, Eq. 2, with the codes c of real sentences in place of x.  Both terms are means of squares over
    rows and dimensions: the gradient of a norm would not vanish where the norm does.

    Args:
        generator: G, noise to codes.
        inverter: I, codes to noise.
        codes: c, of real sentences, [batch, code].
        noise: z, [rows, noise].
        noise_share: Weight of the second term.
    """
    of_codes = F.mse_loss(generator(inverter(codes)), codes)
    of_noise = F.mse_loss(inverter(generator(noise)), noise)
    return (1 - noise_share) * of_codes + noise_share * of_noise


def train_inverter(generator: Callable[[Tensor], Tensor], codes: Tensor, config: InverterTrainingConfig) -> Inverter:
    """Train an inverter of a generator that stays as it is.

    Args:
        generator: G: noise [batch, noise], standard normal, to codes [batch, code]; differentiable, in evaluation mode.
        codes: Codes of real sentences, [sentences, code].
        config: Shape and settings.

    Returns:
        The inverter, in evaluation mode.

    Raises:
        ValueError: If codes or generator do not fit the config, or the loss is no finite number.
    """
    shape = config.inverter
    if codes.ndim != 2 or codes.shape[1] != shape.code_dim or not len(codes):
        raise ValueError(f"expected codes of shape [sentences, {shape.code_dim}], got {list(codes.shape)}")
    random = torch.Generator().manual_seed(config.seed)
    inverter = Inverter(shape)
    draw_layers(inverter, random)
    parameters = list(inverter.parameters())
    optimizer = torch.optim.Adam(parameters, lr=config.learning_rate)
    for step in range(config.num_steps):
        batch = codes[torch.randint(len(codes), (config.batch_size,), generator=random)].detach()
        noise = torch.randn(config.batch_size, shape.noise_dim, generator=random)
        loss = inverter_loss(generator, inverter, batch, noise, noise_share=config.noise_share)
        if not bool(torch.isfinite(loss)):
            raise ValueError(f"expected a finite loss, got {loss.item()} at step {step}")
        # Not loss.backward(), which would leave gradients in the generator as well.
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
    return inverter.requires_grad_(False).eval()
