"""How far GBSM and the alignment alone move codes: Algorithm 2's lines 3 and 4 with Eq. 6 off (reading 15)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from textsem.evaluation.code_moves import CodeMove, MoveFigures, measure_move
from textsem.latent.configuration import LearnerConfig
from textsem.latent.moves import CodeBatch
from textsem.model import TextAdversary
from textsem.training.adversary import AdversaryRun
from textsem.training.adversary_config import preset
from textsem.training.labelled_pairs import LabelledPairs

__all__ = ["GBSM_STARTS", "CodedSentences", "GbsmConfig", "GbsmPoint", "GbsmStart", "measure_gbsm", "only_gbsm"]

GbsmStart = Literal["trained", "fresh"]
GBSM_STARTS: tuple[GbsmStart, ...] = ("trained", "fresh")


@dataclass(frozen=True)
class GbsmConfig:
    """How GBSM is tried.

    Args:
        preset: Whose settings of Algorithm 2 are taken.
        steps: Batches after which is measured, rising.
        seed: Draws particles, order of the batches and a fresh E'.
    """

    preset: str = "base"
    steps: tuple[int, ...] = (10, 30, 100)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the order; a list becomes a tuple."""
        object.__setattr__(self, "steps", tuple(self.steps))
        if any(step < 1 for step in self.steps) or list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"expected rising steps of at least 1, got {list(self.steps)}")


@dataclass(frozen=True)
class GbsmPoint:
    """Where E' stands after some batches.

    Args:
        step: Batches so far, each of T inner updates.
        share_left: |Z' - Z| over |Z' - Z| before the first batch (Frobenius, all particles).
        figures: Of one particle a sentence.
    """

    step: int
    share_left: float
    figures: MoveFigures


def only_gbsm(learner: LearnerConfig) -> LearnerConfig:
    """Return settings under which nothing but GBSM and the alignment moves E', and nothing else moves at all.

    E, decoder and extractor stand still, since their rates are 0; L_x' has weight 0, so that eta' follows the moved
    particles (line 4) and nothing else.
    """
    return replace(
        learner,
        recognition_rate=0.0,
        inner_rate=0.0,
        decoder_rate=0.0,
        extractor_rate=0.0,
        code_noise=0.0,
        reconstruction_adv_weight=0.0,
    )


@dataclass(frozen=True)
class CodedSentences:
    """Sentences whose codes are measured, and what E' reads when it is asked about them again.

    Args:
        batch: Codes and neighbours.
        basis: Of the span of each code's neighbours, [sentences, neighbours, latent].
        features: [sentences, feature].
        labels: y, [sentences].
        seed: Drew xi.
    """

    batch: CodeBatch
    basis: Tensor
    features: Tensor
    labels: Tensor
    seed: int

    @torch.no_grad()
    def perturb(self, model: TextAdversary) -> Tensor:
        """Return Z' of the model's E' as it is now, [particles, sentences, latent]."""
        clean = self.batch.clean
        _, theta_adv = model.draw_particles(len(clean), torch.Generator().manual_seed(self.seed))
        return model.perturb(clean, self.features, theta_adv, self.labels)


def measure_gbsm(
    model: TextAdversary,
    start: GbsmStart,
    pairs: LabelledPairs,
    sentences: CodedSentences,
    *,
    config: GbsmConfig,
    num_permutations: int,
) -> list[GbsmPoint]:
    """Run GBSM on training pairs and measure on other sentences, before the first batch and after some.

    Args:
        model: A trained adversary; its E' is changed in place.
        start: ``trained``: from its own E'; ``fresh``: from one that was just drawn.
        pairs: Training pairs.
        sentences: What is measured.
        config: Settings.
        num_permutations: Of the MMD's test.

    Raises:
        ValueError: If there is no such start, or no training hypothesis is short enough.
    """
    if start not in GBSM_STARTS:
        raise ValueError(f"expected a start in {list(GBSM_STARTS)}, got {start!r}")
    if start == "fresh":
        _draw_again(model, torch.Generator().manual_seed(config.seed))
    run = _run(model, pairs, config, num_particles=len(sentences.batch.clean))
    points: list[GbsmPoint] = []
    length = 0.0
    for step in range(run.num_steps + 1):
        if step in (0, *config.steps):
            now = replace(sentences.batch, adversarial=sentences.perturb(model))
            moved = float((now.adversarial - now.clean).norm())
            length = length if points else moved
            move = CodeMove(now.of_particle(now.clean)[:, 0], now.of_particle(now.adversarial)[:, 0])
            figures = measure_move(move, sentences.basis, seed=config.seed, num_permutations=num_permutations)
            points.append(GbsmPoint(step, moved / length if length else 0.0, figures))
        if step < run.num_steps:
            run.step(step)
    return points


def _draw_again(model: TextAdversary, generator: torch.Generator) -> None:
    """Put an untrained E' in the place of the model's own."""
    model.recognition_adv.initialise(model.particle_mlp_adv.initial(generator), generator)
    if model.config.perturbation_condition == "label":
        torch.nn.init.zeros_(model.label_shift)


def _run(model: TextAdversary, pairs: LabelledPairs, config: GbsmConfig, *, num_particles: int) -> AdversaryRun:
    """Return a training run of the second stage alone; it is stepped and never saved."""
    training = preset(config.preset).training
    learner = only_gbsm(replace(training.learner, num_particles=num_particles))
    num_steps = max(config.steps, default=0)
    training = replace(training, reconstruction_steps=0, manifold_steps=num_steps, adversarial_steps=0)
    training = replace(training, learner=learner, seed=config.seed)
    return AdversaryRun(model, pairs.hypotheses, pairs, training, Path(), attacker=None)
