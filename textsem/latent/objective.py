"""Eq. 6: reconstruction of x', its gate and the loss for failing to fool g; estimates without g's gradient."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from textsem.latent.sharing import WHOLE_BATCH, BatchShare

__all__ = [
    "FOOLING_LOSSES",
    "NORMS",
    "FoolingLoss",
    "Norm",
    "cross_entropy_loss",
    "distillation_loss",
    "evolution_gradient",
    "fooling_loss",
    "gate",
    "gated_loss",
    "inject_gradient",
    "l2",
    "linf",
    "margin_loss",
    "mse",
    "rms",
]

# Probability below which a log loss stops paying: without it a fooled example would go on to minus infinity and
# outweigh the rest of the batch.
PROBABILITY_FLOOR = 1e-4
# A misclassification by this many nats is enough for the margin loss.
MARGIN = 1.0

FoolingLoss = Literal["log-probability", "margin", "cross-entropy"]
Norm = Literal["l2", "linf", "rms", "mse"]


def _split(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return log P(y), [...], and log P of the other classes with y masked by minus infinity, [..., classes]."""
    log_probabilities = logits.log_softmax(dim=-1)
    is_label = torch.nn.functional.one_hot(labels, logits.shape[-1]).bool()
    own = torch.where(is_label, log_probabilities, 0.0).sum(dim=-1)
    return own, log_probabilities.masked_fill(is_label, -torch.inf)


def fooling_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the second term of Eq. 6: the log of what the best wrong class lacks, floored.

        log(1 - max_{y' != y} P(y' | x'))

    Reading 18: over classes other than y, as the text says; the printed indicator would raise P(y).  1 - P is the
    sum of all other probabilities, so it is taken in log space.  Its gradient vanishes where g is confident of y.

    Args:
        logits: Of the target or a surrogate at x', [..., classes].
        labels: y, [...].

    Returns:
        Loss in nats, [...], from log(1e-4) (fooled) to 0.
    """
    log_probabilities = logits.log_softmax(dim=-1)
    best = _split(logits, labels)[1].argmax(dim=-1, keepdim=True)
    rest: Tensor = torch.logsumexp(log_probabilities.scatter(-1, best, -torch.inf), dim=-1)
    floored: Tensor = rest.clamp_min(math.log(PROBABILITY_FLOOR))
    return floored


def margin_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute max(log P(y) - max_{y' != y} log P(y'), -1): nats by which y leads, with a gradient wherever it does."""
    own, others = _split(logits, labels)
    return (own - others.amax(dim=-1)).clamp_min(-MARGIN)


def cross_entropy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute log P(y | x'), the negative cross-entropy, floored at log(1e-4); [...], in nats."""
    return _split(logits, labels)[0].clamp_min(math.log(PROBABILITY_FLOOR))


FOOLING_LOSSES: dict[FoolingLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "log-probability": fooling_loss,
    "margin": margin_loss,
    "cross-entropy": cross_entropy_loss,
}


def l2(difference: Tensor) -> Tensor:
    """Return the Euclidean norm of x' - x over its last dimension; flatten an input before."""
    norm: Tensor = torch.linalg.vector_norm(difference, dim=-1)
    return norm


def linf(difference: Tensor) -> Tensor:
    """Return the largest absolute entry of x' - x over its last dimension."""
    return difference.abs().amax(dim=-1)


def rms(difference: Tensor) -> Tensor:
    """Return the root of the mean square of x' - x over its last dimension."""
    return l2(difference) / math.sqrt(difference.shape[-1])


def mse(difference: Tensor) -> Tensor:
    """Return the mean square of x' - x over its last dimension."""
    return difference.square().mean(dim=-1)


NORMS: dict[Norm, Callable[[Tensor], Tensor]] = {"l2": l2, "linf": linf, "rms": rms, "mse": mse}


def gate(distance: Tensor, *, epsilon: float) -> Tensor:
    """Return where x' is inside the ball, [...] of bool (Algorithm 2, line 14).

    Strictly inside, where the paper prints <=, so that epsilon = 0 never opens (reading 20).
    """
    return distance < epsilon


def gated_loss(reconstruction: Tensor, adversarial: Tensor, is_open: Tensor) -> Tensor:
    """Return L_x' of every example: reconstruction, plus the adversarial term where the gate is open (line 14)."""
    return reconstruction + torch.where(is_open, adversarial, 0.0)


def evolution_gradient(
    loss: Callable[[Tensor], Tensor],
    codes: Tensor,
    *,
    num_pairs: int,
    sigma: float,
    generator: torch.Generator,
    share: BatchShare = WHOLE_BATCH,
) -> Tensor:
    """Estimate the gradient of a loss that is only answered, not differentiated, from antithetic pairs.

        gradient = 1/(2 K sigma) sum_k [ loss(z + sigma e_k) - loss(z - sigma e_k) ] e_k,   e_k ~ N(0, I)

    Exact in expectation for a linear loss; even terms cancel in every pair.

    Args:
        loss: Codes [draws, batch, latent] to losses [draws, batch]; asked once, for 2 K rows an example.
        codes: z, [batch, latent].
        num_pairs: K.
        sigma: Size of a step, in units of the code.
        generator: Draws the directions.
        share: The rows that ``codes`` are of a batch; directions are drawn for all of it.

    Returns:
        [batch, latent], detached.
    """
    with torch.no_grad():
        shape = (num_pairs, share.num_rows(len(codes)), *codes.shape[1:])
        drawn = torch.randn(shape, generator=generator, device=generator.device)
        noise = share.own_rows(drawn, dim=1).to(codes)
        answers = loss(torch.cat([codes + sigma * noise, codes - sigma * noise]))
        plus, minus = answers[:num_pairs], answers[num_pairs:]
        return ((plus - minus)[..., None] * noise).mean(dim=0) / (2 * sigma)


def inject_gradient(codes: Tensor, gradient: Tensor, *, value: Tensor | None = None) -> Tensor:
    """Turn a gradient that was estimated elsewhere into a loss that back-propagates exactly it.

        <z, stop(gradient)>, moved by a constant onto ``value``

    Args:
        codes: z, [..., latent], with graph.
        gradient: Same shape.
        value: The loss to report, [...]; the bare inner product where None.

    Returns:
        [...].
    """
    product = (codes * gradient.detach()).sum(dim=-1)
    return product if value is None else product - product.detach() + value.detach()


def distillation_loss(surrogate_logits: Tensor, answers: Tensor) -> Tensor:
    """Compute the cross-entropy of a surrogate against the answers g gave, the mean over rows, in nats.

    Args:
        surrogate_logits: [batch, classes].
        answers: Probabilities [batch, classes]; under label access one-hot rows.

    Returns:
        A scalar.
    """
    return -(answers.detach() * surrogate_logits.log_softmax(dim=-1)).sum(dim=-1).mean()
