"""The networks of Algorithm 2 with their settings, their first state and their optimiser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from textsem.latent.configuration import LearnerConfig
from textsem.latent.particles import ParticleMLP
from textsem.latent.posterior import sample_precision
from textsem.latent.recognition import RecognitionNetwork
from textsem.latent.sharing import WHOLE_BATCH, BatchShare
from textsem.latent.state import LearnerState, ParticleState
from textsem.latent.svgd import init_svgd

__all__ = ["RECOGNITION_GROUPS", "Learner"]

# Of the optimiser: eta, eta' but for what all particles of E' have in common, and that.
RECOGNITION_GROUPS = ("eta", "eta_adv", "common_adv")


@dataclass(frozen=True)
class Learner:
    """The parts of Algorithm 2 and its settings.

    Args:
        config: Settings.
        particles: The MLP whose weights Theta are.
        recognition: f_eta.
        particles_adv: The MLP whose weights Theta' are; as many weights as ``particles``, since Eq. 4 compares them.
        recognition_adv: f_eta'.
        share: The rows of a batch that this process works on.
    """

    config: LearnerConfig
    particles: ParticleMLP
    recognition: RecognitionNetwork
    particles_adv: ParticleMLP
    recognition_adv: RecognitionNetwork
    share: BatchShare = WHOLE_BATCH

    def __post_init__(self) -> None:
        """Check that the parts fit each other."""
        P = self.particles.num_parameters
        sizes = {
            "particles_adv": self.particles_adv.num_parameters,
            "recognition": self.recognition.config.num_parameters,
            "recognition_adv": self.recognition_adv.config.num_parameters,
        }
        for name, size in sizes.items():
            if size != P:
                raise ValueError(f"expected {name} with {P} parameters a particle, got {size}")
        source = self.particles.config
        reads_code = self.config.perturbation_input == "code"
        expected = source.out_dim if reads_code else source.in_dim
        if self.particles_adv.config.in_dim != expected:
            got = self.particles_adv.config.in_dim
            raise ValueError(f"expected particles_adv of in_dim {expected}, got {got}")

    def initial_state(self, generator: torch.Generator) -> LearnerState:
        """Return the state before the first update; gamma and lambda are drawn from their priors (App. A)."""
        config = self.config
        weight = next(self.recognition.parameters())
        M, P, d = config.num_particles, self.particles.num_parameters, self.particles.config.out_dim

        def part() -> ParticleState:
            zeros = weight.new_zeros(M, P)
            gamma, lambda_ = (
                sample_precision(prior, M, cap=config.precision_cap, generator=generator).to(weight)
                for prior in (config.gamma_prior, config.lambda_prior)
            )
            return ParticleState(gamma, lambda_, zeros, init_svgd(zeros))

        delta = weight.new_full((M, d), config.delta_start)
        return LearnerState(part(), part(), delta, torch.zeros((), dtype=torch.int64, device=weight.device))

    def make_optimizer(self, parameter_groups: Mapping[str, Sequence[nn.Parameter]]) -> torch.optim.Adam:
        """Return Adam over eta, eta' and the problem's groups, each with its own rate (reading 9).

        Groups have names: those of ``RECOGNITION_GROUPS``, then the problem's own.
        """
        config = self.config
        common_rate = config.recognition_rate_adv if config.common_rate_adv is None else config.common_rate_adv
        rates = {
            "extractor": config.extractor_rate,
            "decoder": config.decoder_rate,
            "condition": common_rate,
        }
        unknown = sorted(set(parameter_groups) - set(rates))
        if unknown:
            raise ValueError(f"expected parameter groups among {sorted(rates)}, got {unknown}")
        common = self.recognition_adv.common
        specific = [parameter for parameter in self.recognition_adv.parameters() if parameter is not common]
        groups = [
            {"name": "eta", "params": list(self.recognition.parameters()), "lr": config.recognition_rate},
            {"name": "eta_adv", "params": specific, "lr": config.recognition_rate_adv},
            {"name": "common_adv", "params": [common], "lr": common_rate},
        ]
        learning = {name: list(group) for name, group in parameter_groups.items() if group}
        groups += [{"name": name, "params": group, "lr": rates[name]} for name, group in learning.items()]
        return torch.optim.Adam(groups, fused=True)
