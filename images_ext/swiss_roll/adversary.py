"""The adversary of Fig. 3: Algorithm 2 on points in space, through a code of two dimensions.

The core (``textsem.latent``) is used as it is; this is the smallest ``Problem`` that it can be given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from textsem.latent.configuration import LearnerConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.latent.objective import FOOLING_LOSSES, FoolingLoss, evolution_gradient, inject_gradient, l2
from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.recognition import RecognitionConfig, RecognitionNetwork

__all__ = ["DecodedPoints", "PointAdversary", "PointAdversaryConfig", "PointBatch", "PointProblem"]

# Answers are probabilities: their logs are floored where float32 would give minus infinity.
_SMALLEST_ANSWER = 1e-6


@dataclass(frozen=True)
class PointAdversaryConfig:
    """Networks, training and access of the adversary.

    Args:
        width: Of the hidden layers of extractor and decoder.
        feature_dim: Size of the features that E and E' read (reading 12, ``features``).
        particle_hidden: Hidden layers of a particle; Table 10: [40, 40].
        latent_dim: Size of the code; two, as many as the surface has.
        spread: Of the particles at the start.
        batch_size: Points a batch.
        reconstruction_steps: Batches of the first stage, the autoencoder.
        manifold_steps: Of the second: SVGD, GBSM and alignment.
        adversarial_steps: Of the third: Eq. 6 too.
        learning_rate: Adam's rate in the first stage, half a cosine.
        recognition_share: Share of that rate for eta.
        fooling_loss: Form of Eq. 6's second term (reading 18).
        evolution_pairs: Antithetic pairs an example: the target is asked for scores alone, never differentiated.
        evolution_sigma: Their step, in units of the codes' standard deviation over the batch.
        learner: Settings of Algorithm 2; epsilon is the radius of the gate in standardised units.
    """

    width: int = 128
    feature_dim: int = 40
    particle_hidden: tuple[int, ...] = (40, 40)
    latent_dim: int = 2
    spread: float = 0.001
    batch_size: int = 256
    reconstruction_steps: int = 4000
    manifold_steps: int = 30
    adversarial_steps: int = 150
    learning_rate: float = 3e-3
    recognition_share: float = 0.03
    fooling_loss: FoolingLoss = "margin"
    evolution_pairs: int = 8
    evolution_sigma: float = 0.03
    learner: LearnerConfig = field(
        default_factory=lambda: LearnerConfig(
            perturbation_input="features",
            inversion_examples=64,
            recognition_rate=2e-7,
            recognition_rate_adv=2e-4,
            decoder_rate=3e-7,
            extractor_rate=2e-7,
            svgd_step=1e-5,
            svgd_step_adv=1e-5,
            inner_rate=1e-3,
            inner_rate_adv=1e-3,
            direction="basis",
            delta_start=0.02,
            epsilon=0.3,
            adversarial_weight=0.05,
        )
    )

    def __post_init__(self) -> None:
        """Check counts."""
        steps = self.reconstruction_steps, self.manifold_steps, self.adversarial_steps
        if min(steps) < 0:
            raise ValueError(f"expected steps of at least 0, got {list(steps)}")
        if self.batch_size < 1 or self.evolution_pairs < 1:
            counts = f"{self.batch_size} and {self.evolution_pairs}"
            raise ValueError(f"expected batch_size and evolution_pairs of at least 1, got {counts}")


@dataclass(frozen=True)
class PointBatch:
    """Standardised points [batch, 3] and their labels [batch]."""

    points: Tensor
    labels: Tensor


@dataclass(frozen=True)
class DecodedPoints:
    """Codes [..., batch, latent] and the points [..., batch, 3] they stand for."""

    codes: Tensor
    points: Tensor


def _mlp(sizes: Sequence[int]) -> nn.Sequential:
    """GELU between layers: a smooth map, since the surface is smooth."""
    layers: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o, device="meta"), nn.GELU()]
    return materialise(nn.Sequential(*layers[:-1]))


class PointAdversary(nn.Module):
    """Extractor, decoder, particles and recognition networks.

    Args:
        config: Shapes.
    """

    def __init__(self, config: PointAdversaryConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.extractor = nn.Sequential(_mlp((3, width, width, config.feature_dim)), nn.GELU())
        self.decoder = _mlp((config.latent_dim, width, width, width, 3))
        shape = ParticleConfig(config.feature_dim, config.particle_hidden, config.latent_dim, activation="gelu")
        self.particle_mlp = ParticleMLP(shape)
        self.particle_mlp_adv = ParticleMLP(shape)
        recognition = RecognitionConfig(self.particle_mlp.num_parameters, spread=config.spread)
        self.recognition = RecognitionNetwork(recognition)
        self.recognition_adv = RecognitionNetwork(recognition)

    def initialise(self, generator: torch.Generator) -> "PointAdversary":
        """Draw the start of all networks but eta', which starts as a copy of eta's end; return self."""
        draw_layers(self.extractor, generator)
        draw_layers(self.decoder, generator)
        self.recognition.initialise(self.particle_mlp.initial(generator), generator)
        return self

    def start_perturbation(self) -> None:
        """Let E' begin where E is: z' = z, from which GBSM and Eq. 6 lead away."""
        self.recognition_adv.load_state_dict(self.recognition.state_dict())

    def draw_particles(self, num_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw xi once and return Theta and Theta', both [particles, parameters]."""
        xi = self.recognition.sample_noise(num_particles, generator)
        return self.recognition(xi), self.recognition_adv(xi)

    def codes(self, points: Tensor, theta: Tensor, theta_adv: Tensor) -> tuple[Tensor, Tensor]:
        """Return Z and Z', both [particles, batch, latent], of standardised points [batch, 3]."""
        features = self.extractor(points)
        return self.particle_mlp(theta, features), self.particle_mlp_adv(theta_adv, features)

    def decode(self, codes: Tensor) -> Tensor:
        """Return standardised points [..., 3] of codes [..., latent]."""
        points: Tensor = self.decoder(codes)
        return points


class PointProblem:
    """The ``Problem`` of Algorithm 2 for points, with score access to the target.

    Args:
        model: Trained in place.
        predict: The target: standardised points [rows, 3] to probabilities [rows, classes].
        generator: Draws the steps of the evolution strategy.
    """

    def __init__(self, model: PointAdversary, predict: Callable[[Tensor], Tensor], generator: torch.Generator) -> None:
        self.model, self.predict, self.generator = model, predict, generator
        self.rows_sent = 0

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return what learns beside eta and eta'."""
        return {"extractor": list(self.model.extractor.parameters()), "decoder": list(self.model.decoder.parameters())}

    def features(self, batch: PointBatch) -> Tensor:
        """Return features [batch, feature]."""
        features: Tensor = self.model.extractor(batch.points)
        return features

    def decode(self, codes: Tensor) -> DecodedPoints:
        """Return the points of codes [..., batch, latent]."""
        return DecodedPoints(codes, self.model.decode(codes))

    def reencode(self, outputs: DecodedPoints) -> Tensor:
        """Return features [..., batch, feature] of decoded points."""
        features: Tensor = self.model.extractor(outputs.points)
        return features

    def reconstruction(self, outputs: DecodedPoints, batch: PointBatch) -> Tensor:
        """Return the squared distance, [..., batch], in squared standardised units."""
        return (outputs.points - batch.points).square().sum(dim=-1)

    def distance(self, outputs: DecodedPoints, batch: PointBatch) -> Tensor:
        """Return the distance that the gate reads, [..., batch]."""
        return l2(outputs.points - batch.points)

    def condition(self, inputs: Tensor, batch: PointBatch) -> Tensor:
        """Return ``inputs``: E' is told nothing beside the features."""
        return inputs

    def adversarial(self, outputs: DecodedPoints, batch: PointBatch) -> Tensor:
        """Return Eq. 6's second term [batch], whose gradient in the codes the evolution strategy estimates."""
        config, fooling = self.model.config, FOOLING_LOSSES[self.model.config.fooling_loss]

        def asked(codes: Tensor) -> Tensor:
            points = self.model.decode(codes).flatten(0, 1)
            self.rows_sent += len(points)
            answers = self.predict(points).clamp_min(_SMALLEST_ANSWER).log()
            return fooling(answers, batch.labels.repeat(len(codes))).reshape(codes.shape[:2])

        codes = outputs.codes.detach()
        with torch.no_grad():
            value = asked(codes[None])[0]
        gradient = evolution_gradient(
            asked,
            codes,
            num_pairs=config.evolution_pairs,
            sigma=config.evolution_sigma * codes.std(dim=0).mean().item(),
            generator=self.generator,
        )
        return inject_gradient(outputs.codes, gradient, value=value)
