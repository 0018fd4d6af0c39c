"""Settings of a word-level target's training."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["TargetTrainingConfig"]


@dataclass(frozen=True)
class TargetTrainingConfig:
    """Settings of one training run; with the network's config and the data they fix the outcome.

    Args:
        num_epochs: Passes over the training pairs.
        batch_size: Pairs a step.
        learning_rate: Adam's step size at the start; it falls linearly to zero over all steps.
        max_gradient_norm: Gradients are scaled down to this norm.
        unknown_rate: Share of the words in training that are replaced by the unknown word.
        max_words: Most words in the vocabulary.
        word_vectors: How they start: ``random``, or ``co-occurrence`` of the training sentences.
        precision: Of the matrix products in training; ``bfloat16`` pays where the processor knows it.
        seed: Of weights, order and dropout.
    """

    num_epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 1e-3
    max_gradient_norm: float = 5.0
    unknown_rate: float = 0.02
    max_words: int = 15_000
    word_vectors: Literal["random", "co-occurrence"] = "co-occurrence"
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
