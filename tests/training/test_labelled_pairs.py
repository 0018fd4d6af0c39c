from collections.abc import Sequence
from dataclasses import dataclass

import torch

from textsem.training.labelled_pairs import JoinedPairs, accuracy, build_vocabulary, epoch_batches, joined_pairs


@dataclass(frozen=True)
class Pairs:
    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    lengths = [(i % 7, i % 3) for i in range(1003)]
    epochs = [epoch_batches(lengths, 4, seed=0, epoch=epoch) for epoch in (0, 1, 0)]
    assert epochs[0] == epochs[2] != epochs[1]
    assert sorted(row for batch in epochs[0] for row in batch) == list(range(1003))
    assert len(epochs[0]) == 251
    assert epoch_batches(lengths, 4, seed=1, epoch=0) != epochs[0]
    # Batch mates are of nearly the same length: at most one change of length inside most batches.
    assert sum(len({lengths[row] for row in batch}) <= 2 for batch in epochs[0]) > 240


def test_vocabulary_leaves_out_words_seen_once() -> None:
    pairs = Pairs(("a dog", "a cat"), ("dog zebra", "the cat"), (0, 1))
    assert build_vocabulary(pairs, max_words=10).words[4:] == ("a", "cat", "dog")
    assert build_vocabulary(pairs, max_words=1).words[4:] == ("a",)


def test_accuracy_counts_right_rows() -> None:
    class Neutral:
        label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> torch.Tensor:
            return torch.tensor([[0.1, 0.8, 0.1]]).expand(len(hypotheses), 3)

    pairs = Pairs(("p",) * 4, ("h",) * 4, (1, 0, 1, 1))
    assert accuracy(Neutral(), pairs) == 0.75


def test_joined_pairs_stand_one_part_after_another() -> None:
    parts = (Pairs(("a", "b"), ("c", "d"), (0, 1)), Pairs((), (), ()), Pairs(("e",), ("f",), (2,)))
    assert joined_pairs(parts) == JoinedPairs(("a", "b", "e"), ("c", "d", "f"), (0, 1, 2))
    assert joined_pairs([]) == JoinedPairs((), (), ())
