"""What shapes a ``TextAdversary``: plain values that are saved with its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from textsem.decoders.arae import ARAEDecoder, ARAEDecoderConfig
from textsem.decoders.language_model import LanguageModelDecoder, LanguageModelDecoderConfig
from textsem.decoders.pretrained import PretrainedDecoder, PretrainedDecoderConfig
from textsem.decoders.transpose_cnn import TransposeCNNDecoder, TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoder, CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoder, LSTMEncoderConfig
from textsem.latent.particles import ParticleConfig
from textsem.runs.saved_model import config_from_plain

__all__ = ["DECODERS", "ENCODERS", "DecoderConfig", "EncoderConfig", "TextAdversaryConfig"]

EncoderConfig = CNNEncoderConfig | LSTMEncoderConfig
DecoderConfig = ARAEDecoderConfig | LanguageModelDecoderConfig | PretrainedDecoderConfig | TransposeCNNDecoderConfig

# Names in a saved file, and what they rebuild: a class and its config.
ENCODERS: dict[str, tuple[type[nn.Module], type[EncoderConfig]]] = {
    "cnn": (CNNEncoder, CNNEncoderConfig),
    "lstm": (LSTMEncoder, LSTMEncoderConfig),
}
DECODERS: dict[str, tuple[type[nn.Module], type[DecoderConfig]]] = {
    "arae": (ARAEDecoder, ARAEDecoderConfig),
    "language_model": (LanguageModelDecoder, LanguageModelDecoderConfig),
    "pretrained": (PretrainedDecoder, PretrainedDecoderConfig),
    "transpose_cnn": (TransposeCNNDecoder, TransposeCNNDecoderConfig),
}


@dataclass(frozen=True)
class TextAdversaryConfig:
    """Everything that shapes a ``TextAdversary`` save its words.

    Args:
        max_length: Words and punctuation marks of the longest hypothesis.
        num_particles: M, how many particles a run draws unless told otherwise.
        encoder: Shape of the sentence encoder (feature extractor).
        particle: MLP of E: features to code.
        particle_adv: MLP of E': clean code (reading 12, ``code``) or features to perturbed code.
        decoder: Shape of the decoder.
        encoder_name: Key of ``ENCODERS``.
        decoder_name: Key of ``DECODERS``.
        noise_dim: Size of xi.
        recognition_hidden: Hidden layers of f_eta and f_eta'.
        spread: Standard deviation of E's weights over particles at the start.
        spread_adv: The same for E'.
        bank_size: Training sentences whose features are kept, so that at attack time U comes from a frozen bank of
            training codes and never from the other inputs of a batch (reading 13).
        perturbation_input: E' reads the clean ``code`` or the ``features`` (reading 12).
        perturbation_condition: ``label``: E' is told y, which Sec. 2 gives the attacker, by a learned shift of its
            input for each class; ``none``: it is not, as in Fig. 1.
    """

    max_length: int
    num_particles: int
    encoder: EncoderConfig
    particle: ParticleConfig
    particle_adv: ParticleConfig
    decoder: DecoderConfig
    encoder_name: str = "cnn"
    decoder_name: str = "transpose_cnn"
    noise_dim: int = 50
    recognition_hidden: tuple[int, ...] = (60, 70)
    spread: float = 0.02
    spread_adv: float = 0.02
    bank_size: int = 32_768
    perturbation_input: Literal["code", "features"] = "code"
    perturbation_condition: Literal["none", "label"] = "none"

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        _check_kind("encoder", self.encoder_name, self.encoder, ENCODERS)
        _check_kind("decoder", self.decoder_name, self.decoder, DECODERS)
        length, width, code = self.max_length + 1, self.encoder.feature_dim, self.particle.out_dim
        if self.perturbation_input not in ("code", "features"):
            raise ValueError(f"expected perturbation_input code or features, got {self.perturbation_input!r}")
        if self.perturbation_condition not in ("none", "label"):
            raise ValueError(f"expected perturbation_condition none or label, got {self.perturbation_condition!r}")
        for name, size, expected in (
            ("encoder.length", self.encoder.length, length),
            ("decoder.length", self.decoder.length, length),
            ("decoder.embedding_dim", self.decoder.embedding_dim, self.encoder.embedding_dim),
            ("particle.in_dim", self.particle.in_dim, width),
            ("particle_adv.in_dim", self.particle_adv.in_dim, code if self.perturbation_input == "code" else width),
            ("particle_adv.out_dim", self.particle_adv.out_dim, code),
            ("decoder.latent_dim", self.decoder.latent_dim, code),
        ):
            if size != expected:
                raise ValueError(f"expected {name} of {expected}, as the other parts say, got {size}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TextAdversaryConfig":
        """Rebuild a config from JSON types.

        Raises:
            ValueError: If a key is missing or unknown.
        """
        try:
            kinds: dict[str, type] = {"particle": ParticleConfig, "particle_adv": ParticleConfig}
            kinds["encoder"] = ENCODERS[values.get("encoder_name", "cnn")][1]
            kinds["decoder"] = DECODERS[values["decoder_name"]][1]
            return config_from_plain(cls, values, kinds)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"expected the keys and types of TextAdversaryConfig, got others: {error}") from None


def _check_kind(part: str, name: str, config: object, known: Mapping[str, tuple[type, type]]) -> None:
    if name not in known:
        raise ValueError(f"expected {part}_name among {', '.join(sorted(known))}, got {name!r}")
    kind = known[name][1]
    if not isinstance(config, kind):
        raise ValueError(f"expected {kind.__name__} for {part}_name {name}, got {type(config).__name__}")
