"""Train the adversary of Fig. 3 in three stages: autoencoder, manifold, attack."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversary, PointAdversaryConfig, PointBatch, PointProblem
from textsem.latent.learner import Learner, train_batch
from textsem.latent.networks import RECOGNITION_GROUPS
from textsem.latent.problem import Phase

__all__ = ["TrainedAdversary", "train_point_adversary"]

_FINAL_RATE = 0.02  # share of the first stage's rate that its cosine ends on


@dataclass(frozen=True)
class TrainedAdversary:
    """An adversary, and what its training cost and ended with.

    Args:
        model: In evaluation mode.
        rows_sent: Rows that training asked the target about.
        losses: Of the last batch of each stage, by stage and name.
    """

    model: PointAdversary
    rows_sent: int
    losses: dict[str, dict[str, float]]


def train_point_adversary(
    points: Tensor,
    labels: Tensor,
    predict: Callable[[Tensor], Tensor],
    *,
    config: PointAdversaryConfig,
    generator: torch.Generator,
) -> TrainedAdversary:
    """Run the three stages on standardised points.

    Args:
        points: [points, 3].
        labels: [points].
        predict: The target, asked for probabilities in the third stage alone.
        config: Settings.
        generator: Draws weights, batches, particles and steps.
    """
    model = PointAdversary(config).initialise(generator)
    problem = PointProblem(model, predict, generator)
    parts = (model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv)
    learner = Learner(config.learner, *parts)
    first = Learner(replace(config.learner, num_inner_updates=1), *parts)
    optimizer = learner.make_optimizer(problem.parameter_groups())
    own_rates = [group["lr"] for group in optimizer.param_groups]
    state = learner.initial_state(generator)
    ends: dict[str, dict[str, float]] = {}
    stages: list[tuple[Phase, int]] = [
        ("reconstruction", config.reconstruction_steps),
        ("perturbed", config.manifold_steps),
        ("adversarial", config.adversarial_steps),
    ]
    for phase, num_steps in stages:
        if phase == "perturbed":
            model.start_perturbation()
        for step in range(num_steps):
            is_first = phase == "reconstruction"
            cosine = _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * step / num_steps))
            for group, rate in zip(optimizer.param_groups, own_rates, strict=True):
                # Weights of eta and eta' are summed over hidden units, so that theta moves faster.
                share = config.recognition_share if group["name"] in RECOGNITION_GROUPS else 1.0
                group["lr"] = config.learning_rate * cosine * share if is_first else rate
            rows = torch.randint(len(points), (config.batch_size,), generator=generator)
            batch = PointBatch(points[rows], labels[rows])
            used = first if is_first else learner
            state, losses = train_batch(used, problem, optimizer, state, batch, phase=phase, generator=generator)
            ends[phase] = {name: value.item() for name, value in losses.items()}
    return TrainedAdversary(model.eval(), problem.rows_sent, ends)
