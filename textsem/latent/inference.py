"""Inference on one batch: inversion, score of the posterior, and the precisions that go with the particles."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from textsem.latent.configuration import LearnerConfig
from textsem.latent.networks import Learner
from textsem.latent.posterior import GammaPrior, conjugate_precision, gradient_precision, invert, log_posterior
from textsem.latent.problem import Problem
from textsem.latent.state import ParticleState

__all__ = ["CleanHalf", "choose_prior_mean", "infer", "update_precisions"]

Batch = TypeVar("Batch")
Outputs = TypeVar("Outputs")


@dataclass(frozen=True)
class CleanHalf:
    """Clean half of an update, on which the perturbed half builds.

    Args:
        theta: Theta, [particles, parameters], with graph.
        features: Of this process's clean inputs, [own rows, features], with graph.
        codes: z of every particle, [particles, batch, latent], with graph.
        rows: Examples that were inverted.
        z_tilde: Their codes after Algorithm 1, [particles, rows, latent].
        score: Gradient of log p(theta | D), [particles, parameters].
    """

    theta: Tensor
    features: Tensor
    codes: Tensor
    rows: Tensor
    z_tilde: Tensor
    score: Tensor


def infer(
    learner: Learner,
    problem: Problem[Batch, Outputs],
    part: ParticleState,
    theta: Tensor,
    features: Tensor,
    codes: Tensor,
    is_first: bool,
    generator: torch.Generator,
    losses: dict[str, Tensor],
) -> tuple[CleanHalf, ParticleState]:
    """Invert (Algorithm 1), take the score of the posterior, and update gamma and lambda."""
    config, share, B = learner.config, learner.share, codes.shape[1]
    rows = torch.arange(B, device=codes.device)
    if config.inversion_examples is not None and config.inversion_examples < B:
        order = torch.randperm(B, generator=generator, device=generator.device)
        rows = order[: config.inversion_examples].to(codes.device)
    chosen = codes[:, rows]
    own = invert(
        share.own_rows(chosen, dim=1),
        encode=lambda encoded: learner.particles(theta, encoded),
        decode=problem.decode,
        reencode=problem.reencode,
    )
    z_tilde = share.all_rows(own, len(rows), dim=1)
    mean, kept = choose_prior_mean(theta, part, config, is_first)
    density = log_posterior(
        chosen,
        z_tilde,
        theta,
        mean,
        part.gamma,
        part.lambda_,
        likelihood_scale=config.likelihood_scale * B / len(rows),
        gamma_prior=config.gamma_prior,
        lambda_prior=config.lambda_prior,
    )
    (score,) = torch.autograd.grad(density.sum(), theta, retain_graph=True)
    losses["log_posterior"] = density.mean().detach()
    part = update_precisions(part, config, chosen.detach() - z_tilde, theta.detach() - mean, B)
    return CleanHalf(theta, features, codes, rows, z_tilde, score), replace(part, prior_mean=kept)


def choose_prior_mean(
    theta: Tensor, part: ParticleState, config: LearnerConfig, is_first: bool
) -> tuple[Tensor, Tensor]:
    """Return the mean of the prior on theta (reading 2), and the particles at t = 1 that the state keeps."""
    kept = theta.detach() if is_first else part.prior_mean
    if config.prior_mean == "zero":
        return torch.zeros_like(kept), kept
    return (theta.detach() if config.prior_mean == "current" else kept), kept


def update_precisions(
    part: ParticleState, config: LearnerConfig, code_residual: Tensor, weight_residual: Tensor, batch_size: int
) -> ParticleState:
    """Reading 1b for gamma and lambda; residuals of a part of the batch stand for all of it."""
    scale = config.likelihood_scale * batch_size / code_residual.shape[1]
    code_squares = scale * code_residual.flatten(1).square().sum(dim=1)
    weight_squares = weight_residual.square().sum(dim=1)
    d, P = code_residual.shape[2], weight_residual.shape[1]

    def updated(precision: Tensor, prior: GammaPrior, squares: Tensor, count: float) -> Tensor:
        cap = config.precision_cap
        if config.precision_update == "conjugate":
            return conjugate_precision(prior, squares, count=count, cap=cap)
        step_size = config.precision_step
        return gradient_precision(precision, prior, squares, count=count, step_size=step_size, cap=cap)

    gamma = updated(part.gamma, config.gamma_prior, code_squares, config.likelihood_scale * batch_size * d)
    lambda_ = updated(part.lambda_, config.lambda_prior, weight_squares, P)
    return replace(part, gamma=gamma, lambda_=lambda_)
