"""Settings of an adversary's training on images, and the presets."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import Tensor

from images_ext.attacks.move_config import Output
from images_ext.model import ImageAdversaryConfig
from images_ext.networks.decoder import ImageDecoderConfig
from images_ext.networks.extractor import ExtractorConfig
from textsem.latent.configuration import LearnerConfig
from textsem.latent.objective import NORMS, FoolingLoss, Norm
from textsem.latent.particles import ParticleConfig

__all__ = ["PRESETS", "AdversaryTrainingConfig", "Preset", "preset"]


@dataclass(frozen=True)
class AdversaryTrainingConfig:
    """Everything that shapes the outcome of a training run, data and networks apart.

    Args:
        reconstruction_steps: Batches of the first stage: autoencoder with particles, L_x alone.
        manifold_steps: Batches of the second: and SVGD, GBSM, alignment; Eq. 6 off.
        adversarial_steps: Batches of the third: the whole of Algorithm 2 against a target.
        batch_size: Images a batch of the first stage.
        adversarial_batch_size: Images a batch of the other two (64 in Table 10).
        learning_rate: Adam's rate in the first stage; warmed up over ``warmup_steps``, then half a cosine.
        warmup_steps: Steps of linear warm-up.
        principal_images: Training images at whose principal components the linear paths start; 0: at drawn weights.
        norm: Of x' - x in Eq. 6, pixels in [0, 1]: l2, linf, rms or mse; ``learner.epsilon`` is in its units.
        reconstruction_norm: What reconstructions of x and x' are trained by.
        decoding: What the target is shown in the third stage, and Eq. 6's norm and gate are of: ``decoded``,
            x' = dec(z'), the paper's; or ``residual``, x' = x + dec(z') - dec(z).
        project: Whether it is brought into the ball of Eq. 6 before it is shown, as the attack does it.  The gate is
            open then: what is too far away is not only drawn back but learns what it would do at the boundary.
        learner: Settings of Algorithm 2, code noise and the gate's epsilon included.
        adversarial_gradient: Where Eq. 6's gradient comes from: a distilled ``surrogate``, ``evolution`` strategies,
            or the ``target`` itself (gradient access).
        fooling_loss: Form of Eq. 6's second term (reading 18).
        keeper_lead: Nats by which the least sure keeper has to put y ahead at x'.
        keeper_weight: Of what it lacks, beside Eq. 6's second term and under the same gate.
        mode_gate_rate: Adam's rate for the gate that ranks the modes of E'.
        surrogate_channels: Filters of the surrogate's convolutions.
        surrogate_hidden: Widths of its dense layers.
        surrogate_warmup_steps: Its steps on the labels of the training images, before any query.
        exploration_batches: Batches of reconstructions with noise on their codes that the target is asked about then,
            so that the surrogate knows the target's mistakes around the data before E' moves.
        exploration_noise: Longest noise on the codes of such reconstructions, as a share of their length; each later
            batch brings as many of them as it has images.  0: none are asked about.
        surrogate_steps: Distillation steps a batch.
        surrogate_rate: Adam's rate for it.
        surrogate_batch_size: Rows of its steps.
        answers_kept: Answers of the target that it learns from.
        evolution_pairs: Antithetic pairs an example.
        evolution_sigma: Their step, in units of the code.
        seed: Of weights, order, particles and noise.

    Raises:
        ValueError: If a closed choice is none of its values.
    """

    reconstruction_steps: int = 8000
    manifold_steps: int = 30
    adversarial_steps: int = 400
    batch_size: int = 64
    adversarial_batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    principal_images: int = 0
    norm: Norm = "l2"
    reconstruction_norm: Norm = "l2"
    decoding: Output = "decoded"
    project: bool = False
    learner: LearnerConfig = field(default_factory=lambda: LearnerConfig(perturbation_input="features"))
    adversarial_gradient: Literal["surrogate", "evolution", "target"] = "surrogate"
    fooling_loss: FoolingLoss = "margin"
    keeper_lead: float = 2.0
    keeper_weight: float = 1.0
    mode_gate_rate: float = 1e-2
    surrogate_channels: tuple[int, ...] = (16, 32)
    surrogate_hidden: tuple[int, ...] = (100,)
    surrogate_warmup_steps: int = 500
    exploration_batches: int = 100
    exploration_noise: float = 1.0
    surrogate_steps: int = 4
    surrogate_rate: float = 1e-3
    surrogate_batch_size: int = 128
    answers_kept: int = 50_000
    evolution_pairs: int = 4
    evolution_sigma: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the choices that no type checker sees on a command line."""
        for name in (self.norm, self.reconstruction_norm):
            if name not in NORMS:
                raise ValueError(f"expected a norm among {', '.join(NORMS)}, got {name!r}")

    @property
    def distance(self) -> Callable[[Tensor], Tensor]:
        """The norm of Eq. 6, of flattened differences [..., pixels]."""
        return NORMS[self.norm]


@dataclass(frozen=True)
class Preset:
    """Networks and training that belong together."""

    model: ImageAdversaryConfig
    training: AdversaryTrainingConfig


def _paper(image_shape: tuple[int, int, int], num_classes: int) -> Preset:
    """Table 10 as METHOD reads it: [40, 40] everywhere, codes of 100, three layers of 64 filters, E' told nothing."""
    _, height, width = image_shape
    particle = ParticleConfig(height * width, (40, 40), 100)
    model = ImageAdversaryConfig(
        num_classes=num_classes,
        extractor=ExtractorConfig(image_shape, channels=(), hidden=(40, 40), feature_dim=height * width),
        particle=particle,
        particle_adv=particle,
        decoder=ImageDecoderConfig(image_shape, latent_dim=100),
        perturbation_condition="none",
    )
    training = AdversaryTrainingConfig(learning_rate=5e-4, reconstruction_steps=4000)
    return Preset(model, training)


def _base_learner(epsilon: float, adversarial_weight: float) -> LearnerConfig:
    """Return the base presets' settings of Algorithm 2.

    eta learns slowly from L_x: at Adam's usual rate the reconstruction draws all particles onto one point.  Extractor
    and decoder are held still after the first stage: learning along with E', the decoder draws what deceives the target
    into clean reconstructions too.  E' alone has to find it then.  What its particles have in common learns fast, what
    tells them apart slowly: at a high rate the hidden units of f_eta' die, and all particles become one.  Of each batch
    16 images are inverted, since decoder calls are what an update costs.  epsilon is the radius that is attacked later:
    what the target is shown in training is what it is shown then, inside that ball and with the residual.
    """
    return LearnerConfig(
        code_noise=0.3,
        inversion_examples=16,
        perturbation_input="features",
        recognition_rate=2e-5,
        recognition_rate_adv=2e-4,
        common_rate_adv=3e-2,
        decoder_rate=0.0,
        extractor_rate=0.0,
        inner_rate=1e-3,
        inner_rate_adv=1e-3,
        direction="basis",
        epsilon=epsilon,
        adversarial_weight=adversarial_weight,
    )


# What base presets share.  The surrogate has many steps at a high rate, since its gradient is what limits E'.
_BASE_TRAINING = AdversaryTrainingConfig(
    reconstruction_steps=2000,
    principal_images=6000,
    decoding="residual",
    project=True,
    surrogate_steps=16,
    surrogate_rate=3e-3,
    exploration_batches=200,
)


def _base_model(
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    latent_dim: int,
    channels: tuple[int, ...],
    decoder: ImageDecoderConfig,
) -> ImageAdversaryConfig:
    particle = ParticleConfig(latent_dim, (40, 40), latent_dim, skip=True, is_spherical=True, output_scale=0.1)
    extractor = ExtractorConfig(
        image_shape, channels=channels, feature_dim=latent_dim, has_linear_path=decoder.has_linear_path
    )
    return ImageAdversaryConfig(
        num_classes=num_classes,
        extractor=extractor,
        particle=particle,
        particle_adv=particle,
        decoder=decoder,
        num_modes=4,
    )


def _mnist(image_shape: tuple[int, int, int], num_classes: int) -> Preset:
    decoder = ImageDecoderConfig(
        image_shape,
        100,
        hidden=(64,),
        start_channels=8,
        filters=(8, 4),
        kernel_size=4,
        has_linear_path=True,
    )
    model = _base_model(image_shape, num_classes, latent_dim=100, channels=(8, 16), decoder=decoder)
    training = replace(
        _BASE_TRAINING,
        adversarial_steps=600,
        learner=replace(_base_learner(4.0, 2.0), inversion_examples=8),
    )
    return Preset(model, training)


def _svhn(image_shape: tuple[int, int, int], num_classes: int) -> Preset:
    decoder = ImageDecoderConfig(
        image_shape,
        128,
        hidden=(256,),
        start_channels=32,
        filters=(32, 16),
        kernel_size=4,
        out_kernel_size=3,
        has_linear_path=True,
    )
    model = _base_model(image_shape, num_classes, latent_dim=128, channels=(16, 32), decoder=decoder)
    training = replace(_BASE_TRAINING, learner=_base_learner(4.0, 4.0))
    return Preset(model, training)


def _celeba(image_shape: tuple[int, int, int], num_classes: int) -> Preset:
    decoder = ImageDecoderConfig(
        image_shape,
        128,
        start_channels=32,
        filters=(32, 16, 8),
        kernel_size=4,
        out_kernel_size=3,
        has_linear_path=True,
    )
    model = _base_model(image_shape, num_classes, latent_dim=128, channels=(16, 32, 32), decoder=decoder)
    training = replace(
        _BASE_TRAINING,
        reconstruction_steps=1500,
        adversarial_steps=120,
        principal_images=4000,
        learner=_base_learner(8.0, 24.0),
        surrogate_channels=(8, 16, 32),
        exploration_batches=150,
    )
    return Preset(model, training)


PRESETS: dict[str, Callable[[tuple[int, int, int], int], Preset]] = {
    "celeba": _celeba,
    "mnist": _mnist,
    "paper": _paper,
    "svhn": _svhn,
}


def preset(name: str, *, image_shape: tuple[int, int, int], num_classes: int) -> Preset:
    """Return a preset by name, for images of a shape.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"expected a preset among {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name](image_shape, num_classes)
