"""Figures of an augmentation, derived from its rows once more by a naive loop."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.evaluation.augmentation_fakes import LABELS, KnownMaker, expected_rows, known_rows
from textsem.data.pairs import Pair, PairChunk
from textsem.evaluation.augmentation_chunks import AugmentedChunk, augment_chunk
from textsem.evaluation.augmentation_summary import NUM_EXAMPLES, summarise_chunks

NUMBER = 60


def chunks(size: int) -> Iterator[AugmentedChunk]:
    rows = known_rows(NUMBER)
    for start in range(0, NUMBER, size):
        pairs = [Pair(row["premise"], row["hypothesis"], row["label"]) for row in rows[start : start + size]]
        yield augment_chunk(KnownMaker(), PairChunk.of(start, pairs))


def test_figures_are_those_of_the_rows() -> None:
    summary = summarise_chunks(chunks(7), seed=0)
    rows = expected_rows(known_rows(NUMBER))
    assert summary.rows == Counter((row[3], row[2]) for row in rows)
    assert summary.num_pairs == NUMBER
    assert summary.num_new_rows == len(rows) - NUMBER
    assert summary.labels == [label for label in LABELS if any(row[2] == label for row in rows)]
    for origin in summary.origins:
        assert summary.of_origin(origin) == {
            label: sum(row[2] == label and row[3] == origin for row in rows) for label in summary.labels
        }


def test_filters_are_shares_of_what_they_were_asked() -> None:
    summary = summarise_chunks(chunks(7), seed=0)
    assert [(drop.filter, drop.count, drop.asked) for drop in summary.dropped()] == [
        ("fluency", 3 * NUMBER, 10 * NUMBER),
        ("consent", 4 * NUMBER - summary.num_new_rows, 4 * NUMBER),
    ]
    assert summary.to_dict()["dropped"]["fluency"] == pytest.approx(0.3)


def test_examples_are_rows_drawn_by_the_seed_whatever_the_chunks() -> None:
    summary = summarise_chunks(chunks(7), seed=0)
    rows = expected_rows(known_rows(NUMBER))
    for origin, examples in summary.examples.items():
        assert len(examples) == min(NUM_EXAMPLES, sum(row[3] == origin for row in rows))
        assert {tuple(row.values()) for row in examples} <= {row for row in rows if row[3] == origin}
    assert summarise_chunks(chunks(60), seed=0).examples == summary.examples
    assert summarise_chunks(chunks(7), seed=1).examples != summary.examples


def test_nothing_has_figures_too() -> None:
    summary = summarise_chunks([], seed=0)
    assert summary.to_dict()["num_new_rows"] == 0
    assert summary.to_dict()["new_rows_per_second"] is None
