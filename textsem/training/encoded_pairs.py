"""Labelled pairs as the word ids of a target."""

from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.targets.word_level import WordLevelTarget
from textsem.training.labelled_pairs import LabelledPairs

__all__ = ["EncodedPairs", "encode_pairs"]


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as word ids.

    Args:
        premises: One list of ids a pair.
        hypotheses: One list of ids a pair.
        labels: Positions in ``LABEL_NAMES``, [pairs].
    """

    premises: list[list[int]]
    hypotheses: list[list[int]]
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.premises)

    def __add__(self, other: "EncodedPairs") -> "EncodedPairs":
        """Return these pairs, and then the others."""
        return EncodedPairs(
            self.premises + other.premises, self.hypotheses + other.hypotheses, torch.cat([self.labels, other.labels])
        )

    @property
    def lengths(self) -> list[tuple[int, int]]:
        """Return the number of words of premise and hypothesis, pair by pair."""
        return [(len(p), len(h)) for p, h in zip(self.premises, self.hypotheses, strict=True)]


def encode_pairs(target: WordLevelTarget, pairs: LabelledPairs) -> EncodedPairs:
    """Return pairs as the word ids of a target."""
    labels = torch.tensor(list(pairs.labels), dtype=torch.int64)
    return EncodedPairs(target.encode(pairs.premises), target.encode(pairs.hypotheses), labels)
