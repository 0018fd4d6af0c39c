"""Algorithm 2: one inner update (lines 8 to 16) as a pure function, and its application to the weights.

Reading 8: outer gradients are taken at the old eta, then eta takes its inner step, then Adam.  Text and images hand
in a ``Problem``; the learner knows no word and no pixel.
"""

from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from textsem.latent.configuration import LearnerConfig
from textsem.latent.gram_schmidt import basis_sign_step, gram_schmidt
from textsem.latent.inference import CleanHalf, choose_prior_mean, infer, update_precisions
from textsem.latent.kernels import code_kernel, weight_kernel
from textsem.latent.networks import Learner
from textsem.latent.objective import gate, gated_loss
from textsem.latent.posterior import add_code_noise, mixture_mean, sample_mixture
from textsem.latent.problem import Phase, Problem
from textsem.latent.recognition import recognition_fit
from textsem.latent.state import LearnerState, ParticleState
from textsem.latent.svgd import SvgdState, plain_step, preconditioned_step, stein_direction
from textsem.latent.update import Fit, Update, apply_update, differentiate

__all__ = ["Learner", "Phase", "Problem", "Update", "apply_update", "compute_update", "train_batch"]

Batch = TypeVar("Batch")
Outputs = TypeVar("Outputs")


def compute_update(
    learner: Learner,
    problem: Problem[Batch, Outputs],
    state: LearnerState,
    batch: Batch,
    xi: Tensor,
    *,
    inner_update: int,
    phase: Phase,
    generator: torch.Generator,
    basis_codes: Tensor | None = None,
) -> Update:
    """Compute lines 8 to 16 of Algorithm 2 at the present weights, without changing them.

    Args:
        learner: Networks and settings.
        problem: Text or images.
        state: From the update before.
        batch: Whatever ``problem`` takes; of several processes each brings its own rows (``Learner.share``).
        xi: Noise, [particles, noise]; the same for all T updates of a batch.
        inner_update: t, from 1; the prior mean is taken at 1.
        phase: ``reconstruction``: E and decoder by L_x alone, one decode.  ``clean``: and SVGD.  ``perturbed``: and
            E' with GBSM and alignment, Eq. 6 off.  ``adversarial``: all.
        generator: Picks the particles of Eq. 3.
        basis_codes: Codes that span U, [batch, latent] or [particles, batch, latent], of a bank; None: clean codes.

    Returns:
        The next state, losses and gradients; the same in every process, and of the whole batch.
    """
    config, share = learner.config, learner.share
    theta = learner.recognition(xi)
    features = problem.features(batch)
    B = share.num_rows(features.shape[0])
    codes = share.all_rows(learner.particles(share.copied(theta), features), B, dim=1)
    z = add_code_noise(_draw(codes, state.clean.gamma, config, generator), share=config.code_noise, generator=generator)
    objective = share.all_rows(problem.reconstruction(problem.decode(share.own_rows(z)), batch), B).mean()
    losses = {"reconstruction": objective.detach()}
    new_state = replace(state, step=state.step + 1)
    fits: list[Fit] = []
    if phase != "reconstruction":
        is_first = inner_update == 1
        clean, part = infer(learner, problem, state.clean, theta, features, codes, is_first, generator, losses)
        fit, part = _fit_clean(learner, clean, part)
        fits.append(fit)
        losses["fit"] = fit.loss.detach()
        new_state = replace(new_state, clean=part)
        if phase != "clean":
            loss_adv, fit, new_state = _perturb(
                learner, problem, new_state, batch, xi, clean, is_first, phase, generator, basis_codes, losses
            )
            fits.append(fit)
            losses["fit_adv"] = fit.loss.detach()
            objective = objective + loss_adv
    return differentiate(learner, problem, new_state, losses, objective, fits)


def _draw(codes: Tensor, gamma: Tensor, config: LearnerConfig, generator: torch.Generator) -> Tensor:
    """Line 10: z of every example from the mixture, [batch, latent]."""
    if config.mixture == "mean":
        return mixture_mean(codes)[0]
    return sample_mixture(codes, generator=generator, precision=gamma if config.component_noise else None)[0]


def _svgd_step(direction: Tensor, svgd: SvgdState, config: LearnerConfig, step_size: float) -> tuple[Tensor, SvgdState]:
    if config.svgd_update == "plain":
        return plain_step(direction, svgd, step_size=step_size)
    return preconditioned_step(direction, svgd, step_size=step_size)


def _fit_clean(learner: Learner, clean: CleanHalf, part: ParticleState) -> tuple[Fit, ParticleState]:
    """Line 2: |Theta - SVGD_tau(Theta)|^2, the moved particles a constant (reading 6)."""
    config = learner.config
    if config.kernel_space == "codes":
        kernel, gradient = code_kernel(clean.theta, clean.codes, clean.codes)
    else:
        kernel, gradient = weight_kernel(clean.theta, clean.theta)
    direction = stein_direction(kernel, gradient, clean.score)
    step, svgd = _svgd_step(direction, part.svgd, config, config.svgd_step)
    loss = recognition_fit(clean.theta, clean.theta + step)
    return Fit(loss, list(learner.recognition.parameters()), config.inner_rate), replace(part, svgd=svgd)


def _perturb(
    learner: Learner,
    problem: Problem[Batch, Outputs],
    state: LearnerState,
    batch: Batch,
    xi: Tensor,
    clean: CleanHalf,
    is_first: bool,
    phase: Phase,
    generator: torch.Generator,
    basis_codes: Tensor | None,
    losses: dict[str, Tensor],
) -> tuple[Tensor, Fit, LearnerState]:
    """Lines 9 to 11, 3, 4, 13 and 14 for Theta': return L_x', the fit of eta' and the next state.

    E' reads constants, so that L_x' trains eta' and phi alone (lines 15 and 16).
    """
    config, share, B = learner.config, learner.share, clean.codes.shape[1]
    theta_adv = learner.recognition_adv(xi)
    own_codes = share.own_rows(clean.codes.detach(), dim=1)
    inputs = own_codes if config.perturbation_input == "code" else clean.features.detach()
    inputs = problem.condition(inputs, batch)
    codes_adv = share.all_rows(learner.particles_adv(share.copied(theta_adv), inputs), B, dim=1)
    z_adv = _draw(codes_adv, state.adv.gamma, config, generator)
    loss = _perturbed_loss(learner, problem, problem.decode(share.own_rows(z_adv)), batch, B, phase, losses)

    span = clean.codes if basis_codes is None else basis_codes.expand_as(clean.codes)
    moved, delta = basis_sign_step(
        theta_adv,
        codes_adv,
        clean.codes,
        state.delta,
        gram_schmidt(span),
        rate=config.gbsm_rate,
        ridge=config.ridge,
        cap=config.delta_cap,
        memory=config.delta_memory,
        direction=config.direction,
    )
    if config.kernel_space == "codes":
        with torch.no_grad():
            moved_codes = share.all_rows(learner.particles_adv(moved, inputs), B, dim=1)
        kernel, gradient = code_kernel(clean.theta, clean.codes, moved_codes)
    else:
        kernel, gradient = weight_kernel(clean.theta, moved)
    direction = stein_direction(kernel, gradient, clean.score)
    step, svgd = _svgd_step(direction, state.adv.svgd, config, config.svgd_step_adv)
    fit = recognition_fit(theta_adv, moved + step)

    # D is the same for Theta': pairs of x and the z~ that Algorithm 1 gave, so they need no decode of their own.
    mean, kept = choose_prior_mean(theta_adv, state.adv, config, is_first)
    code_residual = codes_adv.detach()[:, clean.rows] - clean.z_tilde
    part = update_precisions(state.adv, config, code_residual, theta_adv.detach() - mean, codes_adv.shape[1])
    part = replace(part, prior_mean=kept, svgd=svgd)
    rate = config.inner_rate_adv
    return loss, Fit(fit, list(learner.recognition_adv.parameters()), rate), replace(state, adv=part, delta=delta)


def _perturbed_loss(
    learner: Learner,
    problem: Problem[Batch, Outputs],
    outputs: Outputs,
    batch: Batch,
    num_rows: int,
    phase: Phase,
    losses: dict[str, Tensor],
) -> Tensor:
    """Lines 13 and 14: L_x', the mean over the batch; the target is not asked while every gate is shut."""
    config, share = learner.config, learner.share
    reconstruction = share.all_rows(problem.reconstruction(outputs, batch), num_rows)
    with torch.no_grad():
        is_open = gate(share.all_rows(problem.distance(outputs, batch), num_rows), epsilon=config.epsilon)
    losses["reconstruction_adv"] = reconstruction.detach().mean()
    losses["gate_open"] = is_open.to(reconstruction.dtype).mean()
    loss = config.reconstruction_adv_weight * reconstruction
    if phase == "adversarial" and bool(is_open.any()):
        adversarial = share.all_rows(problem.adversarial(outputs, batch), num_rows)
        losses["adversarial"] = adversarial.detach()[is_open].mean()
        loss = gated_loss(loss, config.adversarial_weight * adversarial, is_open)
    return loss.mean()


def train_batch(
    learner: Learner,
    problem: Problem[Batch, Outputs],
    optimizer: torch.optim.Optimizer,
    state: LearnerState,
    batch: Batch,
    *,
    phase: Phase,
    generator: torch.Generator,
    basis_codes: Tensor | None = None,
) -> tuple[LearnerState, dict[str, Tensor]]:
    """Run lines 6 to 16 on one batch: draw xi once, then T inner updates.

    Args:
        learner: Networks and settings; the weights are changed in place.
        problem: Text or images; its trainable parameters are changed in place.
        optimizer: From ``Learner.make_optimizer``.
        state: From the batch before.
        batch: Whatever ``problem`` takes; own rows of several processes'.
        phase: See ``compute_update``.
        generator: Draws xi and the particles of Eq. 3.
        basis_codes: See ``compute_update``.

    Returns:
        The next state, and the losses of the last inner update.
    """
    xi = learner.recognition.sample_noise(learner.config.num_particles, generator)
    losses: dict[str, Tensor] = {}
    for t in range(1, learner.config.num_inner_updates + 1):
        update = compute_update(
            learner,
            problem,
            state,
            batch,
            xi,
            inner_update=t,
            phase=phase,
            generator=generator,
            basis_codes=basis_codes,
        )
        apply_update(optimizer, update)
        state, losses = update.state, update.losses
    return state, losses
