"""A stand-in for the target's gradient: a word-level model distilled from the answers that the target gives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from textsem.latent.black_box import Evolution, distillation_step
from textsem.latent.objective import FOOLING_LOSSES, FoolingLoss
from textsem.model import TextAdversary
from textsem.processes import Processes
from textsem.protocols import GradientTarget, Target
from textsem.targets.word_level import WordLevelTarget, pad_ids
from textsem.text.batches import words_until_end
from textsem.training.parallel import add_up_gradients
from textsem.training.text_problem import DecodedText, TextBatch, TextProblem

ALONE = Processes()

__all__ = ["AnswerBuffer", "EvolutionTerm", "GradientTerm", "Surrogate", "decoded_texts", "gold_labels"]


def decoded_texts(model: TextAdversary, ids: Tensor) -> list[str]:
    """Join the words of each row [batch, length] by blanks, as the target reads them while E' is trained."""
    return [" ".join(model.vocabulary.decode(row)) for row in words_until_end(ids).tolist()]


@dataclass
class AnswerBuffer:
    """The last answers of the target: what a surrogate learns from.  Plain data, so that a run can be resumed.

    Args:
        capacity: Most rows kept; the oldest go first.
        premises: One a row.
        hypotheses: What was asked.
        answers: Probabilities, or one-hot rows under label access, one list a row.
    """

    capacity: int
    premises: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    answers: list[list[float]] = field(default_factory=list)

    def add(self, premises: Sequence[str], hypotheses: Sequence[str], answers: Tensor) -> None:
        """Append rows and forget the oldest beyond the capacity."""
        self.premises += premises
        self.hypotheses += hypotheses
        self.answers += answers.tolist()
        for rows in (self.premises, self.hypotheses, self.answers):
            del rows[: -self.capacity]

    def sample(self, num_rows: int, generator: torch.Generator) -> tuple[list[str], list[str], Tensor]:
        """Draw rows with replacement."""
        rows = torch.randint(len(self.premises), (num_rows,), generator=generator).tolist()
        answers = torch.tensor([self.answers[i] for i in rows])
        return [self.premises[i] for i in rows], [self.hypotheses[i] for i in rows], answers

    def state(self) -> dict[str, Any]:
        """Return the rows as plain types."""
        return {"premises": self.premises, "hypotheses": self.hypotheses, "answers": self.answers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over rows from ``state``."""
        self.premises, self.hypotheses = list(state["premises"]), list(state["hypotheses"])
        self.answers = [list(row) for row in state["answers"]]


class GradientTerm:
    """Second term of Eq. 6 by back-propagation through a word-level model: a surrogate, or the target itself.

    Args:
        network: What is differentiated.
        words: The adversary's words, as ``GradientTarget`` wants them.
        loss: Key of ``FOOLING_LOSSES`` (reading 18).
    """

    def __init__(self, network: GradientTarget, words: Sequence[str], *, loss: FoolingLoss) -> None:
        self.network = network
        self.words = words
        self.loss = FOOLING_LOSSES[loss]

    def __call__(self, outputs: DecodedText, batch: TextBatch, problem: TextProblem) -> Tensor:
        """Return the loss of each row, [batch]."""
        word_ids, weights, mask = problem.straight_through_words(outputs, batch)
        logits = self.network.logits_from_soft_words(batch.premises, word_ids, weights, mask, self.words)
        labels = gold_labels(batch)
        return self.loss(logits.to(labels.device), labels)


class EvolutionTerm:
    """Second term of Eq. 6 by antithetic evolution strategies in the code space: the target is only asked.

    Args:
        model: Decodes the codes.
        target: Answers; any access.
        evolution: How the gradient is estimated.
    """

    def __init__(self, model: TextAdversary, target: Target, evolution: Evolution) -> None:
        self.model, self.target, self.evolution = model, target, evolution

    def __call__(self, outputs: DecodedText, batch: TextBatch, problem: TextProblem) -> Tensor:
        """Return a loss of each row [batch] whose gradient in the codes is the estimate."""

        def answer(codes: Tensor) -> Tensor:
            hypotheses = decoded_texts(self.model, problem.hard_words(problem.decode(codes)).flatten(0, 1))
            return self.target.predict(list(batch.premises) * len(codes), hypotheses)

        return self.evolution(answer, outputs.codes, gold_labels(batch), share=problem.share)


class Surrogate:
    """Distil a word-level model from the target's answers, online.

    Several processes take the same steps on the same rows, since the model is small and its dropout is drawn for a
    whole batch; they share the mean of their gradients, so that the weights are the same bytes in all.

    Args:
        network: The model; trained in place.
        buffer: Answers so far.
        learning_rate: Of Adam.
        batch_size: Rows a step.
        generator: Draws rows.
        processes: That do the same.
    """

    def __init__(
        self,
        network: WordLevelTarget,
        buffer: AnswerBuffer,
        *,
        learning_rate: float,
        batch_size: int,
        generator: torch.Generator,
        processes: Processes = ALONE,
    ) -> None:
        # Frozen and without dropout wherever it is not being fitted, also in a run that is resumed.
        self.network = network.eval().requires_grad_(False)
        self.buffer = buffer
        self.batch_size, self.generator, self.processes = batch_size, generator, processes
        self.optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)

    def step(self) -> float:
        """Take one step on answers drawn from the buffer and return the loss, nats a row."""
        premises, hypotheses, answers = self.buffer.sample(self.batch_size, self.generator)
        return self.fit(premises, hypotheses, answers)

    def fit(self, premises: Sequence[str], hypotheses: Sequence[str], answers: Tensor) -> float:
        """Take one step towards ``answers`` [batch, classes] and return the loss before it."""
        encoded = [self.network.encode(sentences) for sentences in (premises, hypotheses)]
        device = self.network.device
        premise_ids, hypothesis_ids = (pad_ids(rows, max(map(len, rows))).to(device) for rows in encoded)
        return distillation_step(
            self.network,
            self.optimizer,
            (premise_ids, hypothesis_ids),
            answers.to(device),
            num_processes=self.processes.count,
            merge=lambda loss: add_up_gradients(self.network.parameters(), loss, self.processes),
        )


def gold_labels(batch: TextBatch) -> Tensor:
    """Return y, [batch].

    Raises:
        ValueError: If the batch has no labels.
    """
    if batch.labels is None:
        raise ValueError("expected labels for the adversarial term, got a batch without")
    return batch.labels
