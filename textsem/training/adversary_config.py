"""Settings of an adversary's training, and the presets."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from textsem.decoders.arae import ARAEDecoderConfig
from textsem.decoders.language_model import LanguageModelDecoderConfig
from textsem.decoders.transpose_cnn import TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.latent.configuration import LearnerConfig
from textsem.latent.objective import FoolingLoss
from textsem.latent.particles import ParticleConfig
from textsem.model_config import DecoderConfig, TextAdversaryConfig

__all__ = ["PRESETS", "AdversaryTrainingConfig", "Preset", "preset", "with_decoder"]


@dataclass(frozen=True)
class AdversaryTrainingConfig:
    """Everything that shapes the outcome of a training run, data and networks apart.

    Args:
        reconstruction_steps: Batches of the first stage: autoencoder with particles, L_x alone.
        manifold_steps: Batches of the second: and SVGD, GBSM, alignment; Eq. 6 off.
        adversarial_steps: Batches of the third: the whole of Algorithm 2 against a target.
        batch_size: Sentences a batch of the first stage.
        pair_batch_size: Pairs a batch of the other two (64 in Table 10).
        embeddings: Start of the word vectors: ``cooccurrence`` statistics, ``random``, or those of an ``arae``.
        max_words: Vocabulary, special symbols apart.
        word_dropout: Share of the words before a position that a decoder does not see in the first stage, if it writes
            word by word.
        num_negatives: Words drawn a batch for the sampled softmax; None: all words, exact.
        learning_rate: Adam's rate in the first stage; warmed up over ``warmup_steps``, then half a cosine.
        warmup_steps: Steps of linear warm-up.
        learner: Settings of Algorithm 2, code noise included.
        adversarial_gradient: Where Eq. 6's gradient comes from: a distilled ``surrogate``, ``evolution`` strategies,
            or the ``target`` itself (gradient access).
        fooling_loss: Form of Eq. 6's second term (reading 18).
        surrogate_warmup_steps: Steps of the surrogate on the gold labels of the training pairs, before any query.
        surrogate_steps: Distillation steps a batch.
        surrogate_rate: Adam's rate for the surrogate.
        answers_kept: Answers of the target that the surrogate learns from.
        evolution_pairs: Antithetic pairs an example.
        evolution_sigma: Their step, in units of the code.
        precision: Of encoder and decoder: ``bfloat16`` mixed precision, or ``float32``.
        seed: Of weights, order, particles and noise.
    """

    reconstruction_steps: int = 15000
    manifold_steps: int = 50
    adversarial_steps: int = 600
    batch_size: int = 128
    pair_batch_size: int = 64
    embeddings: Literal["cooccurrence", "random", "arae"] = "cooccurrence"
    max_words: int = 11_000
    word_dropout: float = 0.3
    num_negatives: int | None = 1024
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    adversarial_gradient: Literal["surrogate", "evolution", "target"] = "surrogate"
    fooling_loss: FoolingLoss = "margin"
    surrogate_warmup_steps: int = 800
    surrogate_steps: int = 1
    surrogate_rate: float = 1e-3
    answers_kept: int = 50_000
    evolution_pairs: int = 4
    evolution_sigma: float = 0.5
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 0


@dataclass(frozen=True)
class Preset:
    """Networks and training that belong together."""

    model: TextAdversaryConfig
    training: AdversaryTrainingConfig


def _model(
    *, max_length: int, latent_dim: int, channels: int, encoder_hidden: tuple[int, ...], is_paper: bool
) -> TextAdversaryConfig:
    length = max_length + 1
    particle = ParticleConfig(
        in_dim=latent_dim, out_dim=latent_dim, skip=not is_paper, is_spherical=not is_paper, output_scale=0.1
    )
    particle = replace(particle, output_scale=1.0) if is_paper else particle
    return TextAdversaryConfig(
        max_length=max_length,
        num_particles=5,
        encoder=CNNEncoderConfig(length=length, channels=channels, hidden=encoder_hidden, feature_dim=latent_dim),
        particle=particle,
        particle_adv=particle,
        perturbation_condition="none" if is_paper else "label",
        decoder=TransposeCNNDecoderConfig(
            latent_dim=latent_dim, length=length, channels=64 if is_paper else channels, has_norm=not is_paper
        ),
    )


_OWN_DECODERS: dict[str, Callable[[int, int, int], DecoderConfig]] = {
    "arae": ARAEDecoderConfig,
    "language_model": LanguageModelDecoderConfig,
    "transpose_cnn": TransposeCNNDecoderConfig,
}


def with_decoder(model: TextAdversaryConfig, name: str) -> TextAdversaryConfig:
    """Return the shapes of an adversary with another decoder, in that decoder's usual size.

    Raises:
        ValueError: If there is no such decoder, or its size is not ours to choose.
    """
    if name == model.decoder_name:
        return model
    if name not in _OWN_DECODERS:
        raise ValueError(f"expected a decoder among {sorted(_OWN_DECODERS)}, got {name!r}")
    old = model.decoder
    config = _OWN_DECODERS[name](old.latent_dim, old.length, old.embedding_dim)
    return replace(model, decoder_name=name, decoder=config)


# eta learns slowly from L_x: at Adam's usual rate the reconstruction loss draws all particles onto one point.
_BASE_LEARNER = LearnerConfig(
    code_noise=1.0,
    inversion_examples=16,
    recognition_rate=2e-5,
    recognition_rate_adv=2e-3,
    decoder_rate=1e-4,
    extractor_rate=1e-4,
    inner_rate=1e-3,
    inner_rate_adv=1e-3,
    epsilon=2.2,
    direction="basis",
    adversarial_weight=3.0,
)

PRESETS: dict[str, Preset] = {
    # Table 10 as METHOD reads it: [40, 40] everywhere, 64 filters, 10 words, no skip connection, codes off the sphere.
    "paper": Preset(
        _model(max_length=10, latent_dim=100, channels=64, encoder_hidden=(40, 40), is_paper=True),
        AdversaryTrainingConfig(embeddings="random", learner=LearnerConfig(), learning_rate=5e-4),
    ),
    "base": Preset(
        _model(max_length=16, latent_dim=100, channels=128, encoder_hidden=(300,), is_paper=False),
        AdversaryTrainingConfig(learner=_BASE_LEARNER),
    ),
    # The language model decoder learns in half as many batches, each of which takes twice as long.
    "language_model": Preset(
        with_decoder(
            _model(max_length=16, latent_dim=100, channels=128, encoder_hidden=(300,), is_paper=False), "language_model"
        ),
        AdversaryTrainingConfig(learner=_BASE_LEARNER, reconstruction_steps=7500),
    ),
    # The autoencoder that smoothness is compared with: random word vectors, one particle, no noise, no Algorithm 2.
    "plain": Preset(
        _model(max_length=16, latent_dim=100, channels=128, encoder_hidden=(300,), is_paper=False),
        AdversaryTrainingConfig(
            embeddings="random",
            manifold_steps=0,
            adversarial_steps=0,
            learner=LearnerConfig(num_particles=1, code_noise=0.0),
        ),
    ),
}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"expected a preset among {sorted(PRESETS)}, got {name!r}")
    return PRESETS[name]
