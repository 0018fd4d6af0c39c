"""A toy language, and everything that a run of the adversary's training needs, in the smallest size."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tests.builders import LATENT, TINY_CONFIG
from textsem.latent.configuration import LearnerConfig
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.protocols import Access
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target
from textsem.targets.metering import MeteredTarget
from textsem.targets.word_level import WordLevelTarget
from textsem.text.vocabulary import Vocabulary
from textsem.training.adversary import AdversaryRun
from textsem.training.adversary_config import AdversaryTrainingConfig
from textsem.training.adversary_parts import Parts, build_adversary
from textsem.training.attacker import Attacker

ALONE = Processes()
NETWORK = AttentionConfig(embedding_dim=6, hidden_dim=8, num_layers=1, classifier_dim=8)
WORDS = ("a", "dog", "cat", "horse", "bird", "sleeps", "eats", "runs", "in", "the", "park", "house", ".", "no")
# Theta and Theta' have equally many weights, as Eq. 4 needs.
SHAPE = replace(
    TINY_CONFIG,
    encoder=replace(TINY_CONFIG.encoder, feature_dim=LATENT),
    particle=replace(TINY_CONFIG.particle, in_dim=LATENT),
)


@dataclass(frozen=True)
class Pairs:
    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]


def toy_pairs() -> Pairs:
    """Return 36 pairs; every third hypothesis is too long for ``SHAPE``."""
    rows = []
    for animal in ("dog", "cat", "horse", "bird"):
        for verb in ("sleeps", "eats", "runs"):
            premise = f"A {animal} {verb} in the park."
            rows.append((premise, f"An animal {verb}.", 0))
            rows.append((premise, f"The {animal} {verb} in a house", 1))
            rows.append((premise, f"No {animal} {verb} in the park, or in a house.", 2))
    return Pairs(*(tuple(column) for column in zip(*rows, strict=True)))


PAIRS = toy_pairs()
SENTENCES = tuple(dict.fromkeys((*PAIRS.premises, *PAIRS.hypotheses)))
CONFIG = AdversaryTrainingConfig(
    reconstruction_steps=4,
    manifold_steps=3,
    adversarial_steps=4,
    batch_size=6,
    pair_batch_size=4,
    embeddings="random",
    num_negatives=12,
    warmup_steps=2,
    learner=LearnerConfig(num_particles=3, num_inner_updates=2, code_noise=0.3, inversion_examples=3, epsilon=100.0),
    surrogate_warmup_steps=3,
    surrogate_rate=1e-2,
    answers_kept=20,
    evolution_pairs=2,
    precision="float32",
)


def word_level(seed: int = 0) -> WordLevelTarget:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_word_level_target(NETWORK, Vocabulary(WORDS))


def build_attacker(
    model: TextAdversary, config: AdversaryTrainingConfig, access: Access = "score", processes: Processes = ALONE
) -> Attacker:
    target = word_level(seed=1).eval().requires_grad_(False)
    return Attacker(MeteredTarget(target, access=access), model, word_level(seed=2), config, processes=processes)


def build_run(
    folder: Path,
    config: AdversaryTrainingConfig = CONFIG,
    access: Access = "score",
    *,
    processes: Processes = ALONE,
    decoder: str | None = None,
) -> AdversaryRun:
    """Build everything afresh."""
    shape = replace(SHAPE, num_particles=config.learner.num_particles)
    model = build_adversary(SENTENCES, shape, config, Parts(decoder=decoder))
    attacker = build_attacker(model, config, access, processes)
    return AdversaryRun(model, SENTENCES, PAIRS, config, folder, attacker=attacker, processes=processes)
