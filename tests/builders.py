"""Small models with random weights, made the same way every time."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from textsem.arae import ARAE, ARAEConfig
from textsem.arae_networks import CriticConfig, GeneratorConfig, InverterConfig
from textsem.decoders.arae import ARAEDecoderConfig
from textsem.decoders.language_model import LanguageModelDecoderConfig
from textsem.decoders.transpose_cnn import TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoderConfig
from textsem.latent.initialisation import draw_layers
from textsem.latent.particles import ParticleConfig
from textsem.model import TextAdversary
from textsem.model_config import DecoderConfig, TextAdversaryConfig
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import Vocabulary

MAX_LENGTH, EMBEDDING, FEATURES, LATENT, BANK = 6, 8, 14, 12, 48
TINY_WORDS = [
    *("a", "the", "two", ".", ",", "man", "woman", "dog", "boy", "girl", "child", "children", "people", "dogs", "cat"),
    *("is", "are", "sleeps", "runs", "sits", "eats", "jumps", "playing", "outside", "inside", "in", "on", "near"),
    *("with", "park", "street", "house", "bench", "ball", "food", "red", "blue", "young", "old", "isn't"),
]
TINY_SENTENCES = ["A man sleeps.", "Two dogs, near a house", "The zebra runs", "a young girl eats food"]

TINY_CONFIG = TextAdversaryConfig(
    max_length=MAX_LENGTH,
    num_particles=3,
    encoder=CNNEncoderConfig(MAX_LENGTH + 1, EMBEDDING, channels=8, num_layers=2, hidden=(16,), feature_dim=FEATURES),
    particle=ParticleConfig(FEATURES, (10,), LATENT, is_spherical=True),
    particle_adv=ParticleConfig(LATENT, (10,), LATENT, is_spherical=True),
    decoder=TransposeCNNDecoderConfig(LATENT, MAX_LENGTH + 1, EMBEDDING, channels=8, num_layers=2),
    spread=0.1,
    spread_adv=0.1,
    bank_size=BANK,
)


def build_tiny_adversary(config: TextAdversaryConfig = TINY_CONFIG, *, has_trigram: bool = False) -> TextAdversary:
    """Return an adversary over 40 words and 6 tokens with random weights."""
    generator = torch.Generator().manual_seed(1)
    vocabulary = Vocabulary(TINY_WORDS)
    corpus = [["a", "man", "sleeps", "."], ["the", "dog", "runs"], ["a", "dog", "sleeps", "in", "the", "park", "."]]
    language_model = TrigramLanguageModel.fit(corpus, vocabulary=vocabulary) if has_trigram else None
    model = TextAdversary(config, vocabulary, language_model)
    model.initialise(torch.randn(vocabulary.size, config.encoder.embedding_dim, generator=generator), generator)
    model.bank_features.copy_(torch.randn(model.bank_features.shape, generator=generator))
    return model.eval()


TINY_DECODERS: dict[str, DecoderConfig] = {
    "transpose_cnn": TINY_CONFIG.decoder,
    "language_model": LanguageModelDecoderConfig(
        LATENT, MAX_LENGTH + 1, EMBEDDING, hidden_dim=12, num_heads=2, feedforward_dim=16
    ),
    "arae": ARAEDecoderConfig(LATENT, MAX_LENGTH + 1, EMBEDDING, hidden_dim=12, code_dim=LATENT, view_dim=6),
}


def config_with_decoder(name: str) -> TextAdversaryConfig:
    """Return the tiny shapes with another decoder, a key of ``TINY_DECODERS``."""
    return replace(TINY_CONFIG, decoder_name=name, decoder=TINY_DECODERS[name])


ARAE_CODE, ARAE_NOISE = 10, 4


def build_tiny_arae(words: Sequence[str] = TINY_WORDS, *, has_inverter: bool = False) -> ARAE:
    """Return an ARAE over 6 tokens with random weights."""
    length, generator = MAX_LENGTH + 1, torch.Generator().manual_seed(5)
    inverter = InverterConfig(code_dim=ARAE_CODE, hidden=(8,), noise_dim=ARAE_NOISE) if has_inverter else None
    config = ARAEConfig(
        max_length=MAX_LENGTH,
        encoder=LSTMEncoderConfig(length, EMBEDDING, hidden_dim=9, feature_dim=ARAE_CODE),
        decoder=ARAEDecoderConfig(ARAE_CODE, length, EMBEDDING, hidden_dim=9, code_dim=ARAE_CODE, view_dim=4),
        encoder_name="lstm",
        generator=GeneratorConfig(noise_dim=ARAE_NOISE, hidden=(8,), code_dim=ARAE_CODE),
        critic=CriticConfig(code_dim=ARAE_CODE, hidden=(8,)),
        inverter=inverter,
    )
    vocabulary = Vocabulary(words)
    arae = ARAE(config, vocabulary).initialise(torch.randn(vocabulary.size, EMBEDDING, generator=generator), generator)
    if arae.inverter is not None:
        draw_layers(arae.inverter, generator)
    with torch.no_grad():
        arae.log_scale.fill_(1.5)
    return arae.eval()


def features_config() -> TextAdversaryConfig:
    """Return the shapes of an adversary whose E' reads features."""
    adversarial = replace(TINY_CONFIG.particle_adv, in_dim=FEATURES)
    return replace(TINY_CONFIG, particle_adv=adversarial, perturbation_input="features")
