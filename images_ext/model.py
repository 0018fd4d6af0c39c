"""ImageAdversary: the one object of images that is trained, saved, loaded and shared."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from images_ext.networks.decoder import ImageDecoder, ImageDecoderConfig
from images_ext.networks.extractor import Extractor, ExtractorConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.recognition import RecognitionConfig, RecognitionNetwork
from textsem.runs.saved_model import config_from_plain, read_weights, write_weights

__all__ = ["ADVERSARY_FORMAT", "ImageAdversary", "ImageAdversaryConfig"]

ADVERSARY_FORMAT = "images-ext-adversary-1"
CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
_MODE_SPREAD = 0.1  # standard deviation of a mode's shift at the start
_PARTS: dict[str, type] = {
    "extractor": ExtractorConfig,
    "decoder": ImageDecoderConfig,
    "particle": ParticleConfig,
    "particle_adv": ParticleConfig,
}


@dataclass(frozen=True)
class ImageAdversaryConfig:
    """Everything that shapes an ``ImageAdversary``.

    Args:
        num_classes: Of the data.
        extractor: Shape of the feature extractor.
        particle: MLP of E: features to code.
        particle_adv: MLP of E': features (reading 12, the default for images) or clean code to perturbed code.
        decoder: Shape of the decoder.
        num_particles: M, how many particles a run draws unless told otherwise.
        noise_dim: Size of xi.
        recognition_hidden: Hidden layers of f_eta and f_eta'.
        spread: Standard deviation of E's weights over particles at the start.
        spread_adv: The same for E'.
        bank_size: Training images whose features are kept, so that at attack time U comes from a frozen bank of
            training codes and never from the other inputs of a batch (reading 13).
        perturbation_input: E' reads the ``features`` or the clean ``code`` (reading 12).
        perturbation_condition: ``label``: E' is told y, which Sec. 2 gives the attacker, by a learned shift of its
            input for each class; ``none``: it is not, as in Fig. 1.
        num_modes: How many shifts each class has: E' knows so many ways out of it, and a gate names those that are
            likeliest for an image (a mixture of experts: Jacobs et al. 1991, "Adaptive mixtures of local experts").

    Raises:
        ValueError: If the parts do not fit together.
    """

    num_classes: int
    extractor: ExtractorConfig
    particle: ParticleConfig
    particle_adv: ParticleConfig
    decoder: ImageDecoderConfig
    num_particles: int = 5
    noise_dim: int = 50
    recognition_hidden: tuple[int, ...] = (60, 70)
    spread: float = 0.02
    spread_adv: float = 0.02
    bank_size: int = 8192
    perturbation_input: Literal["features", "code"] = "features"
    perturbation_condition: Literal["none", "label"] = "label"
    num_modes: int = 1

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        if self.perturbation_input not in ("features", "code"):
            raise ValueError(f"expected perturbation_input features or code, got {self.perturbation_input!r}")
        if self.perturbation_condition not in ("none", "label"):
            raise ValueError(f"expected perturbation_condition none or label, got {self.perturbation_condition!r}")
        if self.num_modes < 1 or (self.num_modes > 1 and self.perturbation_condition == "none"):
            raise ValueError(f"expected num_modes >= 1, and 1 where E' is told no label, got {self.num_modes}")
        code, width = self.particle.out_dim, self.extractor.feature_dim
        for name, value, expected in (
            ("decoder.image_shape", self.decoder.image_shape, self.extractor.image_shape),
            ("particle.in_dim", self.particle.in_dim, width),
            ("particle_adv.in_dim", self.particle_adv.in_dim, code if self.perturbation_input == "code" else width),
            ("particle_adv.out_dim", self.particle_adv.out_dim, code),
            ("decoder.latent_dim", self.decoder.latent_dim, code),
        ):
            if value != expected:
                raise ValueError(f"expected {name} of {expected}, as the other parts say, got {value}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.extractor.image_shape

    @property
    def latent_dim(self) -> int:
        """Width of a code."""
        return self.particle.out_dim

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ImageAdversaryConfig":
        """Rebuild a config from JSON types.

        Raises:
            ValueError: If a key is missing or unknown, or a part does not fit.
        """
        try:
            return config_from_plain(cls, values, _PARTS)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"expected the keys and types of ImageAdversaryConfig, got others: {error}") from None


class ImageAdversary(nn.Module):
    """Feature extractor, recognition networks f_eta and f_eta', decoder, and a bank of training features.

    Fig. 1: x -> features -> Theta ~ f_eta -> z, Theta' ~ f_eta' -> z' -> p_phi -> x'.

    The constructor draws nothing: weights are zero until ``initialise`` or ``from_pretrained`` fills them.

    Args:
        config: Shapes.
    """

    bank_features: Tensor
    bank_labels: Tensor
    mode_gate: nn.Linear

    def __init__(self, config: ImageAdversaryConfig) -> None:
        super().__init__()
        self.config = config
        with torch.device("meta"):
            extractor, decoder = Extractor(config.extractor), ImageDecoder(config.decoder)
        self.extractor, self.decoder = materialise(extractor), materialise(decoder)
        self.particle_mlp = ParticleMLP(config.particle)
        self.particle_mlp_adv = ParticleMLP(config.particle_adv)
        self.recognition = self._recognition(self.particle_mlp, config.spread)
        self.recognition_adv = self._recognition(self.particle_mlp_adv, config.spread_adv)
        if config.perturbation_condition == "label":
            # Of the first mode all classes, then of the second, and so on.
            shape = (config.num_modes * config.num_classes, config.particle_adv.in_dim)
            self.label_shift = nn.Parameter(torch.zeros(shape))
        if config.num_modes > 1:
            shape = (config.num_classes, config.num_modes)
            self.mode_gate = materialise(nn.Linear(config.extractor.feature_dim, math.prod(shape), device="meta"))
        self.register_buffer("bank_features", torch.zeros(config.bank_size, config.extractor.feature_dim))
        self.register_buffer("bank_labels", torch.zeros(config.bank_size, dtype=torch.int64))

    def _recognition(self, mlp: ParticleMLP, spread: float) -> RecognitionNetwork:
        config = self.config
        return RecognitionNetwork(
            RecognitionConfig(mlp.num_parameters, config.noise_dim, config.recognition_hidden, spread)
        )

    def initialise(self, generator: torch.Generator) -> "ImageAdversary":
        """Draw the start of all networks; return self."""
        for part in (self.extractor, self.decoder):
            draw_layers(part, generator)
        self.recognition.initialise(self.particle_mlp.initial(generator), generator)
        self.recognition_adv.initialise(self.particle_mlp_adv.initial(generator), generator)
        if self.config.num_modes > 1:
            # Modes that are alike stay so: each learns from the images for which it is the best.
            with torch.no_grad():
                self.label_shift.copy_(_MODE_SPREAD * torch.randn(self.label_shift.shape, generator=generator))
        return self

    def start_perturbation(self) -> None:
        """Let E' begin where E is, z' = z but for its modes' shifts, if both have one shape.

        GBSM and Eq. 6 then lead away from there.
        """
        if self.config.particle_adv == self.config.particle:
            self.recognition_adv.load_state_dict(self.recognition.state_dict())

    def draw_particles(self, num_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw xi once and return Theta [particles, parameters] and Theta' [particles, parameters']."""
        xi = self.recognition.sample_noise(num_particles, generator)
        return self.recognition(xi), self.recognition_adv(xi)

    def features(self, pixels: Tensor) -> Tensor:
        """Return features [batch, feature] of ``pixels`` [batch, channels, height, width] in [0, 1]."""
        features: Tensor = self.extractor(pixels)
        return features

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        """Return Z [particles, batch, latent] of ``features`` [batch, feature] (E)."""
        return self.particle_mlp(theta, features)

    def perturb(
        self,
        codes: Tensor,
        features: Tensor,
        theta_adv: Tensor,
        labels: Tensor | None = None,
        modes: Tensor | None = None,
    ) -> Tensor:
        """Return Z' [particles, batch, latent]: E' on features or on clean codes (reading 12).

        Args:
            codes: Z, [particles, batch, latent].
            features: [batch, feature].
            theta_adv: Theta', [particles, parameters].
            labels: y, [batch]; not read unless E' is conditioned on it.
            modes: Which way out of y, [batch]; None: the one that the gate finds likeliest for each image.
        """
        inputs = codes if self.config.perturbation_input == "code" else features
        if modes is None and labels is not None and self.config.num_modes > 1:
            modes = self.mode_scores(features, labels).argmax(dim=-1)
        return self.particle_mlp_adv(theta_adv, self.condition(inputs, labels, modes))

    def mode_scores(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return how likely the gate finds each mode of an image's class to be the best, logits [batch, modes].

        Args:
            features: [batch, feature].
            labels: y, [batch].
        """
        C, K = self.config.num_classes, self.config.num_modes
        if K == 1:
            return features.new_zeros(len(features), 1)
        scores: Tensor = self.mode_gate(features).reshape(-1, C, K)
        return scores[torch.arange(len(features)), labels]

    def condition(self, inputs: Tensor, labels: Tensor | None, modes: Tensor | None = None) -> Tensor:
        """Tell E' the class: its input [..., batch, in] shifted by that of each label [batch].

        Args:
            inputs: Features or clean codes.
            labels: y, [batch]; not read unless E' is conditioned on it.
            modes: Which shift of the class, [batch]; None where a class has one.

        Raises:
            ValueError: If E' is conditioned on labels or modes and there are none.
        """
        if self.config.perturbation_condition == "none":
            return inputs
        if labels is None:
            raise ValueError("expected labels for an adversary whose E' is conditioned on them, got None")
        if modes is None:
            if self.config.num_modes > 1:
                raise ValueError(f"expected modes for an E' that has {self.config.num_modes}, got None")
            return inputs + self.label_shift[labels]
        return inputs + self.label_shift[labels + self.config.num_classes * modes]

    def decode(self, codes: Tensor) -> Tensor:
        """Return pixels [..., channels, height, width] in [0, 1] of ``codes`` [..., latent]."""
        pixels: Tensor = self.decoder(codes.reshape(-1, codes.shape[-1]))
        return pixels.reshape(*codes.shape[:-1], *pixels.shape[1:])

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype = torch.float16) -> None:
        """Write ``config.json`` and ``model.safetensors``; numbers as ``dtype``, which halves what is shipped."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        content = {"format": ADVERSARY_FORMAT, "adversary": asdict(self.config)}
        (path / CONFIG_NAME).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        write_weights(path / WEIGHTS_NAME, self.state_dict(), dtype=dtype)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "ImageAdversary":
        """Read what ``save_pretrained`` wrote, strictly, as float32, in evaluation mode.

        Raises:
            ValueError: If a file is missing, or does not fit the other.
        """
        path = Path(folder)
        model, tensors = cls(_read_config(path)), read_weights(path / WEIGHTS_NAME)
        try:
            model.load_state_dict(tensors, strict=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"expected the weights of this config in {path / WEIGHTS_NAME}: {reason}") from None
        return model.eval()


def _read_config(folder: Path) -> ImageAdversaryConfig:
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise ValueError(f"expected the folder of an adversary of images with {name}, found none in {folder}")
    path = folder / CONFIG_NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected JSON in {path}: {error}") from None
    if not isinstance(values, dict) or values.get("format") != ADVERSARY_FORMAT:
        found = values.get("format") if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"expected a config.json of format {ADVERSARY_FORMAT} in {folder}, got {found!r}")
    if set(values) != {"format", "adversary"} or not isinstance(values["adversary"], dict):
        raise ValueError(f"expected keys format and adversary in {path}, got {sorted(values)}")
    try:
        return ImageAdversaryConfig.from_dict(values["adversary"])
    except ValueError as error:
        raise ValueError(f"{error} (in {path})") from None
