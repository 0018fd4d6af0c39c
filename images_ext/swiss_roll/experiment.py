"""Fig. 3 with numbers: one seed of target, adversary and attacks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from images_ext.swiss_roll.adversary import PointAdversary, PointAdversaryConfig
from images_ext.swiss_roll.attacks import SOURCES, PgdConfig, SearchConfig, attack_codes, attack_pgd
from images_ext.swiss_roll.classifier import (
    PointClassifier,
    PointClassifierConfig,
    standardise,
    to_roll,
    train_point_classifier,
)
from images_ext.swiss_roll.measurement import MeasuredAttack, measure, pgd_at_rate, summarise
from images_ext.swiss_roll.surface import SwissRoll, nearest_on_surface
from images_ext.swiss_roll.training import train_point_adversary
from textsem.latent.manifold import code_spread, latent_noise_level
from textsem.latent.objective import l2

__all__ = ["OURS", "PGD", "WIDE_PGD", "SwissRollConfig", "SwissRollRun", "run_seed"]

OURS, PGD, WIDE_PGD = "adversarial", "pgd", "pgd-to-the-end"
_HELD_OUT_POINTS, _HELD_OUT_SEED = 20_000, 1_000_003  # fresh points on which the target's accuracy is told too


@dataclass(frozen=True)
class SwissRollConfig:
    """Everything that shapes a run.

    Args:
        num_points: Of the data set.
        classifier: The target.
        adversary: Ours.
        search: Candidates of ours and of its controls.
        pgd: PGD; its radius is replaced by the one at which it succeeds as often as ours.
    """

    num_points: int = 1600
    classifier: PointClassifierConfig = field(default_factory=PointClassifierConfig)
    adversary: PointAdversaryConfig = field(default_factory=PointAdversaryConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    pgd: PgdConfig = field(default_factory=PgdConfig)

    def __post_init__(self) -> None:
        """Check the number of points."""
        if self.num_points < 1:
            raise ValueError(f"expected at least 1 point, got {self.num_points}")


@dataclass(frozen=True, eq=False)
class SwissRollRun:
    """One seed's result.

    Args:
        seed: Of data, weights and attacks.
        attacks: By name: ours, its controls, PGD at the equal rate, PGD at the radius of the search.
        labels: Of the attacked points, those the target has right.
        codes: By attack, what E makes of its points, [points, latent].
        clean_codes: E's codes of the attacked points.
        numbers: Plain JSON types.
    """

    seed: int
    attacks: dict[str, MeasuredAttack]
    labels: Tensor
    codes: dict[str, Tensor]
    clean_codes: Tensor
    numbers: dict[str, Any]


def run_seed(seed: int, config: SwissRollConfig) -> SwissRollRun:
    """Draw the roll, train target and adversary, attack every point the target has right, and measure.

    Raises:
        ValueError: If the target has no point right.
    """
    started = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    roll = SwissRoll.draw(config.num_points, seed=seed)
    inputs, labels = standardise(roll.points), roll.labels
    target = train_point_classifier(inputs, labels, config=config.classifier, generator=generator)
    trained = train_point_adversary(inputs, labels, target.predict, config=config.adversary, generator=generator)
    is_right = target.predict(inputs).argmax(dim=-1) == labels
    if not bool(is_right.any()):
        raise ValueError(f"expected a target that has a point right, got none of {len(labels)} at seed {seed}")
    points, classes = inputs[is_right], labels[is_right]
    attacks, pgd_epsilon = _attack(trained.model, target, points, classes, inputs, config, generator)
    num_particles = config.search.num_particles
    codes, clean_codes = _codes_of(trained.model, attacks, points, num_particles, generator)
    numbers = {
        "seed": seed,
        "target_accuracy": is_right.double().mean().item(),
        "target_accuracy_fresh": _fresh_accuracy(target, seed),
        "clean_reconstruction": _clean_distances(trained.model, inputs, num_particles, generator),
        "attacks": {name: summarise(attack) for name, attack in attacks.items()},
        "pgd_epsilon": pgd_epsilon,
        "training_queries": trained.rows_sent,
        "losses": trained.losses,
        "seconds": round(time.monotonic() - started, 1),
    }
    return SwissRollRun(seed, attacks, classes, codes, clean_codes, numbers)


def _attack(
    model: PointAdversary,
    target: PointClassifier,
    points: Tensor,
    labels: Tensor,
    bank: Tensor,
    config: SwissRollConfig,
    generator: torch.Generator,
) -> tuple[dict[str, MeasuredAttack], float]:
    """Run ours, the controls and both PGDs; return them and the radius of the PGD that succeeds as often as ours."""
    attacks: dict[str, MeasuredAttack] = {}
    for source in SOURCES:
        found = attack_codes(
            model, target.predict, points, labels, bank=bank, source=source, config=config.search, generator=generator
        )
        attacks[source] = measure(found, points, labels)
    chosen, attacks[PGD] = pgd_at_rate(target, points, labels, rate=attacks[OURS].rate, config=config.pgd)
    wide = replace(config.pgd, epsilon=config.search.epsilon, stops_at_flip=False)
    attacks[WIDE_PGD] = measure(attack_pgd(target, points, labels, config=wide), points, labels)
    return attacks, chosen.epsilon


def _fresh_accuracy(target: PointClassifier, seed: int) -> float:
    """Return the target's accuracy on points that nobody trained on."""
    fresh = SwissRoll.draw(_HELD_OUT_POINTS, seed=seed + _HELD_OUT_SEED)
    answers = target.predict(standardise(fresh.points)).argmax(dim=-1)
    return (answers == fresh.labels).double().mean().item()


@torch.no_grad()
def _codes_of(
    model: PointAdversary,
    attacks: Mapping[str, MeasuredAttack],
    points: Tensor,
    num_particles: int,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the mean code over particles of every attack's points, and of the attacked points themselves."""
    theta, theta_adv = model.draw_particles(num_particles, generator)

    def encoded(inputs: Tensor) -> Tensor:
        return model.codes(inputs, theta, theta_adv)[0].mean(dim=0)

    return {name: encoded(attack.attack.points) for name, attack in attacks.items()}, encoded(points)


@torch.no_grad()
def _clean_distances(
    model: PointAdversary, inputs: Tensor, num_particles: int, generator: torch.Generator
) -> dict[str, float]:
    """Measure the clean reconstruction: distance from the surface and from x, in the roll's units; codes as well."""
    theta, theta_adv = model.draw_particles(num_particles, generator)
    z, z_adv = model.codes(inputs, theta, theta_adv)
    found, noise = model.decode(z), latent_noise_level(z, z_adv)
    distance = nearest_on_surface(to_roll(found).flatten(0, 1)).distance
    moved = l2(to_roll(found) - to_roll(inputs))
    return {
        "surface_distance_mean": distance.mean().item(),
        "surface_distance_median": distance.quantile(0.5).item(),
        "l2_mean": moved.mean().item(),
        "code_spread": code_spread(z),
        "latent_noise": noise.absolute,
        "latent_noise_relative": noise.relative,
    }
