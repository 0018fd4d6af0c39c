"""One step of a word-level target's training."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.processes import Processes
from textsem.targets.word_level import WordLevelTarget, pad_ids
from textsem.text.half_products import tell_if_slow
from textsem.text.vocabulary import UNKNOWN_ID
from textsem.training.encoded_pairs import EncodedPairs
from textsem.training.parallel import add_up_gradients, own_random_numbers
from textsem.training.target_config import TargetTrainingConfig

__all__ = ["Position", "TargetSteps"]


@dataclass(frozen=True)
class Position:
    """Where a step stands in a training whose epochs may differ in their number of steps.

    Args:
        epoch: Epochs completed.
        step: Steps taken in this one.
        num_steps: How many it has.
    """

    epoch: int
    step: int
    num_steps: int

    def done(self, num_epochs: int) -> float:
        """Return the share of the training that is done: the epochs completed and the share of this one's steps.

        >>> Position(1, 5, 10).done(4) == Position(1, 50, 100).done(4) == 1.5 / 4
        True
        """
        return (self.epoch * self.num_steps + self.step) / (num_epochs * self.num_steps)


class TargetSteps:
    """Adam's steps on a target.

    Args:
        target: What is trained.
        config: Settings of the training.
        processes: Those that train.
    """

    def __init__(self, target: WordLevelTarget, config: TargetTrainingConfig, processes: Processes) -> None:
        self.target, self.config, self.processes = target, config, processes
        tell_if_slow(config.precision, target.device)
        self.optimiser = torch.optim.Adam(target.parameters(), lr=config.learning_rate, fused=True)

    def step(self, pairs: EncodedPairs, rows: list[int], position: Position) -> float:
        """Take one Adam step on the cross-entropy (nats a pair) of these rows of the pairs and return it."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * (1.0 - position.done(config.num_epochs))
        self.target.train()
        own = [rows[i] for i in self.processes.share(len(rows))]
        own_random_numbers(config.seed, position.epoch * position.num_steps + position.step, self.processes)
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.target.device)
        if own:  # the last batch of an epoch may have fewer rows than there are processes
            loss = self.loss(pairs, own) * (len(own) / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
        value = add_up_gradients(self.target.parameters(), loss, self.processes)
        nn.utils.clip_grad_norm_(self.target.parameters(), config.max_gradient_norm)
        self.optimiser.step()
        if value != value:
            raise ValueError(f"expected a finite loss, got {value} in epoch {position.epoch + 1}")
        return value

    def loss(self, pairs: EncodedPairs, rows: list[int]) -> Tensor:
        """Return the cross-entropy of rows, their mean."""
        premise_ids, hypothesis_ids = self.batch(pairs.premises, rows), self.batch(pairs.hypotheses, rows)
        device = self.target.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = self.target(premise_ids, hypothesis_ids)
        return F.cross_entropy(logits.float(), pairs.labels[rows].to(device))

    def batch(self, sentences: list[list[int]], rows: list[int]) -> Tensor:
        """Return padded ids with a few words made unknown."""
        chosen = [sentences[row] for row in rows]
        ids = pad_ids(chosen, max(map(len, chosen)))
        is_dropped = (torch.rand(ids.shape) < self.config.unknown_rate) & (ids > UNKNOWN_ID)
        return ids.masked_fill(is_dropped, UNKNOWN_ID).to(self.target.device)
