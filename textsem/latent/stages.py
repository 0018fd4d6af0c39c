"""The three stages of an adversary's training: which batch belongs to which, and the learning rates of each.

reconstruction   the autoencoder alone, one update a batch, warm-up and half a cosine
perturbed        Algorithm 2 without its adversarial term, T inner updates a batch
adversarial      all of Algorithm 2
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch

from textsem.latent.networks import RECOGNITION_GROUPS, Learner
from textsem.latent.problem import Phase

__all__ = ["StageSettings", "num_stage_steps", "phase_of", "set_stage_rates", "stage_learner", "warm_cosine"]

FINAL_RATE = 0.05  # share of the learning rate that the cosine ends on


class StageSettings(Protocol):
    """What the stages need of the settings of a training."""

    @property
    def reconstruction_steps(self) -> int:
        """Batches of the first stage."""
        ...

    @property
    def manifold_steps(self) -> int:
        """Batches of the second."""
        ...

    @property
    def adversarial_steps(self) -> int:
        """Batches of the third."""
        ...

    @property
    def warmup_steps(self) -> int:
        """Batches of the first stage in which the rates rise."""
        ...

    @property
    def learning_rate(self) -> float:
        """Highest rate of extractor and decoder in the first stage."""
        ...


def num_stage_steps(config: StageSettings) -> int:
    """Return the batches of all three stages."""
    return config.reconstruction_steps + config.manifold_steps + config.adversarial_steps


def phase_of(config: StageSettings, step: int) -> Phase:
    """Return the stage that a batch, counted from 0, belongs to."""
    if step < config.reconstruction_steps:
        return "reconstruction"
    return "perturbed" if step < config.reconstruction_steps + config.manifold_steps else "adversarial"


def stage_learner(learner: Learner, phase: Phase) -> Learner:
    """Return the learner of a stage: T inner updates a batch, but one in the first, where there is nothing to fit."""
    if phase != "reconstruction":
        return learner
    return replace(learner, config=replace(learner.config, num_inner_updates=1))


def warm_cosine(step: int, *, num_steps: int, warmup_steps: int) -> float:
    """Return the share of the highest rate that a step has: a linear warm-up times half a cosine.

        min(1, (t + 1) / W) [ F + (1 - F) (1 + cos(pi t / T)) / 2 ],   F = ``FINAL_RATE``

    Args:
        step: t, from 0.
        num_steps: T.
        warmup_steps: W; 0 for none.
    """
    done = 0.5 * (1 + math.cos(math.pi * step / num_steps))
    return min(1.0, (step + 1) / max(warmup_steps, 1)) * (FINAL_RATE + (1 - FINAL_RATE) * done)


def set_stage_rates(
    optimizer: torch.optim.Optimizer, base_rates: Sequence[float], config: StageSettings, step: int
) -> None:
    """Set the rates of a batch: the learner's own, but in the first stage ``warm_cosine`` of them.

    Extractor and decoder have ``learning_rate`` in place of their own there.  A group of the problem's whose rate is 0
    is held still: no gradient of it is asked for, which costs less than one that no step follows.

    Args:
        optimizer: From ``Learner.make_optimizer``.
        base_rates: The rates that it was made with, one a group.
        config: Settings.
        step: Number of the batch, from 0.
    """
    is_first_stage = phase_of(config, step) == "reconstruction"
    factor = 1.0
    if is_first_stage:
        factor = warm_cosine(step, num_steps=config.reconstruction_steps, warmup_steps=config.warmup_steps)
    for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
        is_recognition = group["name"] in RECOGNITION_GROUPS
        group["lr"] = factor * (config.learning_rate if is_first_stage and not is_recognition else rate)
        if not is_recognition:
            for parameter in group["params"]:
                parameter.requires_grad_(group["lr"] > 0)
