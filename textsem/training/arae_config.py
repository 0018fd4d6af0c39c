"""Settings of ARAE's training, and the presets."""

from dataclasses import dataclass, replace
from typing import Literal

from textsem.arae import ARAEConfig
from textsem.arae_networks import CriticConfig, GeneratorConfig
from textsem.decoders.arae import ARAEDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoderConfig

__all__ = ["ARAE_PRESETS", "ARAEPreset", "ARAETrainingConfig", "arae_preset", "with_encoder"]


@dataclass(frozen=True)
class ARAETrainingConfig:
    """Everything that shapes the outcome of a training run, data and networks apart.

    Args:
        num_steps: Batches: each is one autoencoder step, ``critic_steps`` critic steps, one generator step.
        batch_size: Sentences, and rows of noise, a step.
        critic_steps: Critic steps a batch.
        embeddings: Start of the word vectors: ``cooccurrence`` statistics, or ``random``.
        max_words: Vocabulary, special symbols apart.
        num_negatives: Words drawn a batch for the sampled softmax; None: all words, exact.
        learning_rate: Adam's rate of the autoencoder; warmed up over ``warmup_steps``, then half a cosine.
        warmup_steps: Steps of linear warm-up.
        generator_rate: Adam's rate of the generator.
        critic_rate: Adam's rate of the critic.
        gan_beta: First decay rate of both; the second is ``gan_second_beta``.
        gan_second_beta: See there.
        penalty: Weight of the gradient penalty.
        encoder_weight: Weight of the critic's gradient in the encoder (Algorithm 1, step 3).
        noise_std: Standard deviation of the noise on each coordinate of a unit-length code, at the start.
        noise_decay: Its factor all ``noise_decay_every`` steps.
        noise_decay_every: See there.
        word_dropout: Share of the decoder's input words that become unknown in training.
        max_gradient_norm: Gradients of the autoencoder are scaled down to this norm.
        precision: Of encoder and decoder: ``bfloat16`` mixed precision, or ``float32``.
        num_samples: Samples of the generator at each watch.
        num_watched: Held-out sentences that are reconstructed at each watch.
        seed: Of weights, order and noise.
    """

    num_steps: int = 5_000
    batch_size: int = 128
    critic_steps: int = 5
    embeddings: Literal["cooccurrence", "random"] = "cooccurrence"
    max_words: int = 11_000
    num_negatives: int | None = 1024
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    generator_rate: float = 1e-3
    critic_rate: float = 1e-3
    gan_beta: float = 0.5
    gan_second_beta: float = 0.9
    penalty: float = 10.0
    encoder_weight: float = 0.01
    noise_std: float = 0.1
    noise_decay: float = 0.99
    noise_decay_every: int = 100
    word_dropout: float = 0.2
    max_gradient_norm: float = 5.0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    num_samples: int = 10_000
    num_watched: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_steps", "batch_size", "critic_steps", "noise_decay_every", "num_samples", "num_watched"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("learning_rate", "generator_rate", "critic_rate", "max_gradient_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, got {getattr(self, name)}")
        for name in ("penalty", "encoder_weight", "noise_std"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} >= 0, got {getattr(self, name)}")
        if not 0 < self.noise_decay <= 1:
            raise ValueError(f"expected noise_decay above 0, up to 1, got {self.noise_decay}")
        if not 0 <= self.word_dropout < 1:
            raise ValueError(f"expected word_dropout from 0 to below 1, got {self.word_dropout}")


@dataclass(frozen=True)
class ARAEPreset:
    """Networks and training that belong together."""

    model: ARAEConfig
    training: ARAETrainingConfig


def _model(*, max_length: int, code_input: Literal["constant", "positional"]) -> ARAEConfig:
    length = max_length + 1
    return ARAEConfig(
        max_length=max_length,
        encoder=CNNEncoderConfig(length=length, hidden=(300,), feature_dim=300),
        decoder=ARAEDecoderConfig(latent_dim=300, length=length, code_input=code_input),
        generator=GeneratorConfig(100, (300,), 300),
        critic=CriticConfig(300, (300,)),
    )


def with_encoder(model: ARAEConfig, name: str) -> ARAEConfig:
    """Return the config with the encoder ``lstm`` or ``convolutional``, of the same length and widths.

    Raises:
        ValueError: If there is none of that name.
    """
    old = model.encoder
    if name == "lstm":
        lstm = LSTMEncoderConfig(old.length, old.embedding_dim, feature_dim=old.feature_dim)
        return replace(model, encoder=lstm, encoder_name="lstm")
    if name == "convolutional":
        cnn = CNNEncoderConfig(old.length, old.embedding_dim, hidden=(300,), feature_dim=old.feature_dim)
        return replace(model, encoder=cnn, encoder_name="cnn")
    raise ValueError(f"expected an encoder lstm or convolutional, got {name!r}")


ARAE_PRESETS: dict[str, ARAEPreset] = {
    # METHOD section 4: LSTM encoder and decoder of 300, the code at every step, 100-300-300, 300-300-1; noise, rates
    # and clipping as in Zhao et al.'s released code, as far as known.
    "paper": ARAEPreset(
        with_encoder(_model(max_length=10, code_input="constant"), "lstm"),
        ARAETrainingConfig(
            num_steps=30_000,
            batch_size=64,
            embeddings="random",
            noise_std=0.2,
            noise_decay=0.995,
            word_dropout=0.0,
            learning_rate=1e-3,
            max_gradient_norm=1.0,
            generator_rate=5e-5,
            critic_rate=1e-5,
        ),
    ),
    "base": ARAEPreset(_model(max_length=16, code_input="positional"), ARAETrainingConfig()),
}


def arae_preset(name: str) -> ARAEPreset:
    """Return a preset by name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in ARAE_PRESETS:
        raise ValueError(f"expected a preset among {sorted(ARAE_PRESETS)}, got {name!r}")
    return ARAE_PRESETS[name]
