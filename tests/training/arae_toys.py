"""A toy ARAE and its training, in the smallest size."""

from dataclasses import replace
from pathlib import Path

from tests.training.toys import ALONE, SENTENCES
from textsem.arae import ARAEConfig
from textsem.arae_networks import CriticConfig, GeneratorConfig
from textsem.decoders.arae import ARAEDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.processes import Processes
from textsem.training.arae import ARAERun, build_arae
from textsem.training.arae_config import ARAEPreset, ARAETrainingConfig

MAX_LENGTH, EMBEDDING, CODE = 7, 8, 12
SHAPE = ARAEConfig(
    MAX_LENGTH,
    CNNEncoderConfig(MAX_LENGTH + 1, EMBEDDING, channels=8, num_layers=2, feature_dim=CODE),
    ARAEDecoderConfig(CODE, MAX_LENGTH + 1, EMBEDDING, hidden_dim=16, code_dim=CODE, view_dim=6),
    generator=GeneratorConfig(4, (10,), CODE),
    critic=CriticConfig(CODE, (10,)),
)
CONFIG = ARAETrainingConfig(
    num_steps=7,
    batch_size=6,
    critic_steps=2,
    embeddings="random",
    num_negatives=8,
    warmup_steps=2,
    precision="float32",
    num_samples=9,
    num_watched=5,
)
TINY = ARAEPreset(SHAPE, CONFIG)
HELD_OUT = ("A horse sleeps in the park.", "No bird eats", "The cat runs in a house", "An animal runs.", "A dog eats.")


def build_run(
    folder: Path, config: ARAETrainingConfig = CONFIG, shape: ARAEConfig = SHAPE, *, processes: Processes = ALONE
) -> ARAERun:
    """Build everything afresh."""
    model = build_arae(SENTENCES, shape, config)
    return ARAERun(model, SENTENCES, HELD_OUT, config, folder, processes=processes)


def exact() -> ARAETrainingConfig:
    """Return settings without noise, left-out words or sampled ones."""
    return replace(CONFIG, noise_std=0.0, word_dropout=0.0, num_negatives=None)
