"""The inverter of Zhao et al. 2018b: from a code back to the noise that a generator would have made it of."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.arae_networks import Inverter, InverterConfig
from textsem.latent.initialisation import draw_layers

__all__ = ["Inverter", "InverterConfig", "InverterTrainingConfig", "inverter_loss", "train_inverter"]


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
