"""Settings of Algorithm 2: one field for every choice and every rate (readings 1 to 20)."""

from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from textsem.latent.gram_schmidt import Direction
from textsem.latent.posterior import GammaPrior

__all__ = ["LearnerConfig"]


@dataclass(frozen=True)
class LearnerConfig:
    """Settings of Algorithm 2; the defaults are our readings, sizes and rates those of Table 10 where it has them.

    Args:
        num_particles: M.
        num_inner_updates: T, inner updates a batch with one draw of xi.
        svgd_step: alpha of SVGD_tau.
        svgd_step_adv: alpha' of SVGD_pi.
        svgd_update: ``preconditioned`` (running squares) or ``plain`` (Eq. 2 as printed) (reading 4).
        kernel_space: Distance between ``weights``, or between the particles' ``codes`` on the batch (reading 4b).
        inner_rate: beta, the step of eta towards the moved particles (line 2).
        inner_rate_adv: beta' (line 4).
        recognition_rate: Adam's rate for eta (line 15).
        recognition_rate_adv: Adam's rate for eta'.
        common_rate_adv: Adam's rate for what all particles of E' have in common, the bias that f_eta' ends in and what
            tells E' the label; None: that of eta'.  At a high rate of all of eta' its hidden units die, and with them
            what tells particles apart.
        decoder_rate: Adam's rate for phi (line 16).
        extractor_rate: Adam's rate for the feature extractor, which learns from L_x.
        likelihood_scale: Weight of the likelihood, summed over the batch (reading 2).
        prior_mean: f_eta(xi) as at ``t1``, ``zero``, or ``current``, whose gradient is always 0 (reading 2).
        precision_update: ``conjugate`` or preconditioned ``gradient`` (reading 1b).
        precision_step: Step of the log precision, for ``gradient``.
        precision_cap: Largest gamma and lambda.
        gamma_shape: a of Gamma(a, b) on gamma.
        gamma_rate: b, a rate (reading 3).
        lambda_shape: a'.
        lambda_rate: b'.
        inversion_examples: Examples of the batch that each update inverts, drawn anew and scaled up; None: all.
        mixture: ``draw`` one particle per example (Eq. 3), or the ``mean`` of the codes (reading 11).
        component_noise: Add noise of variance 1 / gamma to the draws (reading 11).
        code_noise: Longest isotropic noise on the drawn clean codes in training, as a share of their length: each
            example's own share is uniform below it, so that the decoder learns what lies around a code; 0: none.
        perturbation_input: E' reads the clean ``code`` or the ``features`` (reading 12).
        direction: Moves along ``sign`` (u) or along the ``basis`` (reading 17).
        gbsm_rate: Step of theta' on the sum of squares.
        ridge: Weight of |delta|^2 per example (reading 14).
        delta_start: Every entry of delta at the start (reading 15), in units of the code.
        delta_cap: Largest |delta|.
        delta_memory: Share of delta kept in an update; 0 is the paper's.
        epsilon: Radius eps_attack of the gate (reading 20), in units of the problem's distance.
        reconstruction_adv_weight: Weight of |x - x'| in L_x'.
        adversarial_weight: Weight of Eq. 6's second term.
    """

    num_particles: int = 5
    num_inner_updates: int = 3
    svgd_step: float = 1e-3
    svgd_step_adv: float = 1e-3
    svgd_update: Literal["preconditioned", "plain"] = "preconditioned"
    kernel_space: Literal["weights", "codes"] = "weights"
    inner_rate: float = 1e-2
    inner_rate_adv: float = 1e-2
    recognition_rate: float = 5e-4
    recognition_rate_adv: float = 5e-4
    common_rate_adv: float | None = None
    decoder_rate: float = 5e-4
    extractor_rate: float = 5e-4
    likelihood_scale: float = 1.0
    prior_mean: Literal["t1", "zero", "current"] = "t1"
    precision_update: Literal["conjugate", "gradient"] = "conjugate"
    precision_step: float = 0.1
    precision_cap: float = 100.0
    gamma_shape: float = 1.0
    gamma_rate: float = 0.1
    lambda_shape: float = 1.0
    lambda_rate: float = 1.0
    inversion_examples: int | None = None
    mixture: Literal["draw", "mean"] = "draw"
    component_noise: bool = False
    code_noise: float = 0.0
    perturbation_input: Literal["code", "features"] = "code"
    direction: Direction = "sign"
    gbsm_rate: float = 1e-4
    ridge: float = 1e-2
    delta_start: float = 0.1
    delta_cap: float = 1.0
    delta_memory: float = 0.9
    epsilon: float = 1.0
    reconstruction_adv_weight: float = 1.0
    adversarial_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check counts and the closed choices."""
        if self.num_particles < 1 or self.num_inner_updates < 1:
            counts = f"{self.num_particles} and {self.num_inner_updates}"
            raise ValueError(f"expected num_particles and num_inner_updates of at least 1, got {counts}")
        if self.inversion_examples is not None and self.inversion_examples < 1:
            raise ValueError(f"expected inversion_examples of at least 1 or None, got {self.inversion_examples}")
        for name, kind in get_type_hints(type(self)).items():
            choices, value = get_args(kind), getattr(self, name)
            if choices and isinstance(choices[0], str) and value not in choices:
                raise ValueError(f"expected {name} in {list(choices)}, got {value!r}")

    @property
    def gamma_prior(self) -> GammaPrior:
        """Gamma(a, b) on the precision of a code."""
        return GammaPrior(self.gamma_shape, self.gamma_rate)

    @property
    def lambda_prior(self) -> GammaPrior:
        """Gamma(a', b') on the precision of a weight."""
        return GammaPrior(self.lambda_shape, self.lambda_rate)
