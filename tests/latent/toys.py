"""A toy problem for Algorithm 2: points, a linear extractor and decoder, and runs of a learner on them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from textsem.latent.configuration import LearnerConfig
from textsem.latent.learner import Learner, Phase, Update, compute_update, train_batch
from textsem.latent.objective import fooling_loss, l2
from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.recognition import RecognitionConfig, RecognitionNetwork
from textsem.latent.state import LearnerState

DOUBLE = torch.float64
D = 4


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


class ToyProblem:
    """Points of six numbers, a linear extractor and decoder, a linear three-class target."""

    def __init__(self) -> None:
        self.extractor = nn.Parameter(0.5 * normal(6, D, seed=10))
        self.decoder = nn.Parameter(0.5 * normal(D, 6, seed=11))
        self.target = normal(6, 3, seed=12)
        self.decoded, self.asked = 0, 0

    def features(self, batch: Tensor) -> Tensor:
        return torch.tanh(batch @ self.extractor)

    def decode(self, codes: Tensor) -> Tensor:
        self.decoded += codes[..., 0].numel()
        return codes @ self.decoder

    def reencode(self, outputs: Tensor) -> Tensor:
        return self.features(outputs)

    def reconstruction(self, outputs: Tensor, batch: Tensor) -> Tensor:
        return (outputs - batch).square().sum(-1)

    def distance(self, outputs: Tensor, batch: Tensor) -> Tensor:
        return l2(outputs - batch)

    def adversarial(self, outputs: Tensor, batch: Tensor) -> Tensor:
        self.asked += len(batch)
        return fooling_loss(outputs @ self.target, (batch @ self.target).argmax(-1))

    def condition(self, inputs: Tensor, batch: Tensor) -> Tensor:
        return inputs

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"extractor": [self.extractor], "decoder": [self.decoder]}


def make_learner(**fields: Any) -> Learner:
    settings: dict[str, Any] = {"num_particles": 3, "epsilon": 2.5}
    config = LearnerConfig(**{**settings, **fields})
    generator = torch.Generator().manual_seed(0)
    particles = ParticleMLP(ParticleConfig(D, (5,), D, "tanh"))
    particles_adv = ParticleMLP(ParticleConfig(D, (5,), D, "tanh", skip=True, output_scale=0.1))
    shape = RecognitionConfig(particles.num_parameters, noise_dim=3, hidden=(6,), spread=0.1)
    f = RecognitionNetwork(shape).initialise(particles.initial(generator), generator)
    f_adv = RecognitionNetwork(shape).initialise(particles_adv.initial(generator), generator)
    return Learner(config, particles, f.double(), particles_adv, f_adv.double())


BATCH = normal(8, 6, seed=3)


def start(learner: Learner, seed: int = 1) -> tuple[LearnerState, Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    state = learner.initial_state(generator)
    return state, learner.recognition.sample_noise(learner.config.num_particles, generator), generator


def one_update(learner: Learner, problem: ToyProblem, *, phase: Phase = "adversarial", **keywords: Any) -> Update:
    state, xi, generator = start(learner)
    return compute_update(
        learner, problem, state, BATCH, xi, inner_update=1, phase=phase, generator=generator, **keywords
    )


def run(learner: Learner, problem: ToyProblem, *, phase: Phase = "adversarial", batches: int = 2) -> LearnerState:
    state, _, generator = start(learner)
    optimizer = learner.make_optimizer(problem.parameter_groups())
    for _ in range(batches):
        state, _ = train_batch(learner, problem, optimizer, state, BATCH, phase=phase, generator=generator)
    return state


def weights(learner: Learner, problem: ToyProblem) -> Tensor:
    parameters = [*learner.recognition.parameters(), *learner.recognition_adv.parameters()]
    parameters += [problem.extractor, problem.decoder]
    return torch.cat([p.detach().flatten() for p in parameters])
