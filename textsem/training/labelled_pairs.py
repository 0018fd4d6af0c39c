"""Labelled premise-hypothesis pairs in training: their words, their order, and how many a target gets right."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import torch

from textsem.processes import Processes
from textsem.protocols import Target
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

__all__ = ["JoinedPairs", "LabelledPairs", "accuracy", "build_vocabulary", "epoch_batches", "joined_pairs"]

ALONE = Processes()
_POOL_BATCHES = 100  # batches are cut from pools of this many, sorted by length: little padding, still random
_MIN_COUNT = 2  # a word seen once in training would only teach its own row
_EVALUATION_CHUNK = 4096  # rows handed to predict at once, which groups them by length
_PAIR_OF_SEEDS = 1_000_003  # prime above any number of epochs, so that no two (seed, epoch) share an order


class LabelledPairs(Protocol):
    """Premises, hypotheses and labels (numbers into ``LABEL_NAMES``), row by row."""

    @property
    def premises(self) -> Sequence[str]:
        """Return the premises."""
        ...

    @property
    def hypotheses(self) -> Sequence[str]:
        """Return the hypotheses."""
        ...

    @property
    def labels(self) -> Sequence[int]:
        """Return the labels."""
        ...


@dataclass(frozen=True)
class JoinedPairs:
    """Pairs of several data sets, one after another; implements ``LabelledPairs``."""

    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]


def joined_pairs(parts: Sequence[LabelledPairs]) -> JoinedPairs:
    """Return the pairs of all parts, in their order."""
    return JoinedPairs(
        tuple(chain.from_iterable(part.premises for part in parts)),
        tuple(chain.from_iterable(part.hypotheses for part in parts)),
        tuple(chain.from_iterable(part.labels for part in parts)),
    )


def build_vocabulary(pairs: LabelledPairs, *, max_words: int) -> Vocabulary:
    """Take the most frequent words that occur at least twice; a premise counts once for every pair it stands in."""
    counts = Counter(word for text in (*pairs.premises, *pairs.hypotheses) for word in tokenize(text).words)
    frequent = Counter({word: count for word, count in counts.items() if count >= _MIN_COUNT})
    return Vocabulary.from_counts(frequent, max_words)


def epoch_batches(lengths: Sequence[tuple[int, int]], batch_size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Return the batches of row numbers of one epoch: every row once, shuffled, rows of like length together.

    Depends on the arguments alone, so a position in it says all about what has been seen.
    """
    generator = torch.Generator().manual_seed(seed * _PAIR_OF_SEEDS + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    pool = batch_size * _POOL_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        rows = sorted(order[start : start + pool], key=lambda row: lengths[row])
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def accuracy(target: Target, pairs: LabelledPairs, *, processes: Processes = ALONE) -> float:
    """Return the share of pairs whose most likely class is the label; several processes each count their own."""
    num_right, own = 0, processes.share(len(pairs.labels))
    for start in range(own.start, own.stop, _EVALUATION_CHUNK):
        rows = slice(start, min(start + _EVALUATION_CHUNK, own.stop))
        predicted = target.predict(pairs.premises[rows], pairs.hypotheses[rows]).argmax(dim=-1)
        num_right += int((predicted == torch.tensor(list(pairs.labels[rows]))).sum())
    return int(processes.sum(torch.tensor(num_right))) / len(pairs.labels)
