"""A target that is only asked: Eq. 6's term by evolution strategies, a surrogate's step, and flips told by answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from textsem.latent.objective import FOOLING_LOSSES, FoolingLoss, distillation_loss, evolution_gradient, inject_gradient
from textsem.latent.sharing import WHOLE_BATCH, BatchShare

__all__ = ["Evolution", "distillation_step", "flips"]

SMALLEST_ANSWER = 1e-6  # answers are probabilities: below it their logs say nothing in float32


@dataclass(frozen=True)
class Evolution:
    """Second term of Eq. 6 by antithetic evolution strategies in the code space, from answers alone.

    Args:
        loss: Key of ``FOOLING_LOSSES`` (reading 18).
        num_pairs: Antithetic pairs an example: twice as many rows are asked for, and one more for the value.
        sigma: Step in units of the code.
        generator: Draws the steps.
    """

    loss: FoolingLoss
    num_pairs: int
    sigma: float
    generator: torch.Generator

    def __call__(
        self,
        answer: Callable[[Tensor], Tensor],
        codes: Tensor,
        labels: Tensor,
        *,
        share: BatchShare = WHOLE_BATCH,
    ) -> Tensor:
        """Return a loss of each example [batch] whose gradient in the codes is the estimate of ``evolution_gradient``.

        Args:
            answer: Codes [draws, batch, latent] to the target's probabilities, [draws x batch, classes].
            codes: z', [batch, latent], with graph.
            labels: y, [batch].
            share: The rows that these are of a batch.
        """
        criterion = FOOLING_LOSSES[self.loss]

        def asked(codes: Tensor) -> Tensor:
            answers = answer(codes).to(codes).clamp_min(SMALLEST_ANSWER).log()
            return criterion(answers, labels.repeat(len(codes))).reshape(codes.shape[:2])

        value = asked(codes.detach()[None])[0]
        gradient = evolution_gradient(
            asked, codes.detach(), num_pairs=self.num_pairs, sigma=self.sigma, generator=self.generator, share=share
        )
        return inject_gradient(codes, gradient, value=value)


def distillation_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Sequence[Tensor],
    answers: Tensor,
    *,
    num_processes: int = 1,
    merge: Callable[[Tensor], float] = Tensor.item,
) -> float:
    """Take one step of a surrogate towards a target's answers and return the loss before it, in nats a row.

    Frozen and in evaluation mode before and after: elsewhere gradients only pass through a surrogate.

    Args:
        network: The surrogate: ``inputs`` to logits, [batch, classes].
        optimizer: Of its parameters.
        inputs: What it reads.
        answers: Probabilities [batch, classes]; under label access one-hot rows.
        num_processes: That take the same step, each with an equal part of the loss.
        merge: Brings their gradients together and returns the sum of their losses.
    """
    network.train().requires_grad_(True)
    loss = distillation_loss(network(*inputs), answers) / num_processes
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    value = merge(loss)
    optimizer.step()
    network.eval().requires_grad_(False)
    return value


def flips(answers: Tensor, labels: Tensor) -> tuple[Tensor, int]:
    """Tell from answers which examples a move flipped, of those that the target had right.

    Args:
        answers: Of a target to all x, then to all x', [2 x batch, classes].
        labels: y, [batch].

    Returns:
        Where x is right and x' wrong, [batch] of bool, and how many x are right, for a rate: at least 1.
    """
    clean, adversarial = answers.argmax(dim=-1).chunk(2)
    was_right = clean == labels
    return was_right & (adversarial != labels), max(int(was_right.sum()), 1)
