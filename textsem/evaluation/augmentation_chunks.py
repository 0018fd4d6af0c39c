"""Pairs with their new rows, chunk by chunk: made by an augmenter, and kept as one line a chunk.

A line holds all that files and card are made from, so that a run which was cut off loses the chunks it was at and no
more: the pairs, their new rows, what became of the candidates, and the time that the chunk took.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from textsem.attacks.new_rows import NewRow
from textsem.data.pairs import PairChunk
from textsem.evaluation.augmentation_batches import ORIGIN, ORIGINAL, ORIGINAL_HYPOTHESIS
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.runs.whole_files import to_json_bytes

__all__ = ["CHUNK_SIZE", "AugmentedChunk", "AugmentedPair", "RowMaker", "augment_chunk", "chunk_line", "read_chunks"]

# Pairs of a chunk, which a kill costs each process.  A filter model reads them in groups of like length, each filled to
# a multiple of 8 rows: of 32 SNLI pairs, 35% of them tried, 2.7 times the tokens that it has to; of 128, 1.7 times.
CHUNK_SIZE = 128
SECONDS_DECIMALS = 3


class RowMaker(Protocol):
    """What makes new rows: `textsem.augmentation.AdversarialAugmenter`."""

    config: AugmentationConfig
    counts: Counter[str]
    identity: dict[str, dict[str, str | None]]

    def new_rows(
        self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
    ) -> list[list[NewRow]]:
        """Return the new rows of each pair."""
        ...


@dataclass(frozen=True)
class AugmentedPair:
    """A pair of the data with the rows that were made from it.

    Args:
        index: Position among the labelled pairs of the data.
        premise: The premise of all of them.
        hypothesis: The pair's own.
        label: A name of ``GOLD_NAMES``, of all of them.
        new: The new rows.
    """

    index: int
    premise: str
    hypothesis: str
    label: str
    new: tuple[NewRow, ...]

    def rows(self, *, new_only: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the rows of a training set: the pair itself, unless ``new_only``, and its new ones."""
        own = [] if new_only else [NewRow(self.hypothesis, ORIGINAL)]
        for row in (*own, *self.new):
            yield {
                "premise": self.premise,
                "hypothesis": row.hypothesis,
                "label": self.label,
                ORIGIN: row.origin,
                ORIGINAL_HYPOTHESIS: self.hypothesis,
                "index": self.index,
            }


@dataclass(frozen=True)
class AugmentedChunk:
    """What became of a chunk of pairs.

    Args:
        start: Position of its first pair among the labelled pairs of the data.
        pairs: Those that could be read.
        num_problems: How many could not, and were passed over.
        counts: What the augmenter counted over this chunk.
        seconds: From the end of the chunk before it to its own, in the process that writes.
    """

    start: int
    pairs: tuple[AugmentedPair, ...]
    num_problems: int
    counts: Mapping[str, int]
    seconds: float = 0.0


def augment_chunk(maker: RowMaker, chunk: PairChunk) -> AugmentedChunk:
    """Return the pairs of a chunk with their new rows; those with a problem are passed over.

    Raises:
        TargetError: If the target does not answer.
    """
    places = [i for i in range(len(chunk)) if i not in chunk.problems]
    premises, hypotheses, labels = (
        [column[i] for i in places] for column in (chunk.premises, chunk.hypotheses, chunk.labels)
    )
    before = Counter(maker.counts)
    found = maker.new_rows(premises, hypotheses, labels) if places else []
    counts = {name: count - before[name] for name, count in maker.counts.items()}
    pairs = (
        AugmentedPair(chunk.start + i, premise, hypothesis, label, tuple(new))
        for i, premise, hypothesis, label, new in zip(places, premises, hypotheses, labels, found, strict=True)
    )
    return AugmentedChunk(chunk.start, tuple(pairs), len(chunk.problems), counts)


def chunk_line(chunk: AugmentedChunk) -> bytes:
    """Return the line of a chunk, its end included."""
    pairs = [
        [pair.index, pair.premise, pair.hypothesis, pair.label, [[row.hypothesis, row.origin] for row in pair.new]]
        for pair in chunk.pairs
    ]
    content = {
        "start": chunk.start,
        "pairs": pairs,
        "num_problems": chunk.num_problems,
        "counts": dict(chunk.counts),
        "seconds": round(chunk.seconds, SECONDS_DECIMALS),
    }
    return to_json_bytes(content) + b"\n"


def read_chunks(path: Path) -> Iterator[AugmentedChunk]:
    """Yield the chunks of a file, one at a time; nothing where there is no file.

    Raises:
        ValueError: If a line is none that ``chunk_line`` wrote.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                content = json.loads(line)
                pairs = tuple(
                    AugmentedPair(index, premise, hypothesis, label, tuple(NewRow(*row) for row in new))
                    for index, premise, hypothesis, label, new in content.pop("pairs")
                )
                yield AugmentedChunk(pairs=pairs, **content)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"expected a whole chunk in line {number} of {path}, got {line[:60]!r}: begin the run anew"
                ) from error
