"""What came out of an augmentation, in figures that follow from its chunks."""

import hashlib
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from textsem.attacks.new_rows import SOURCES
from textsem.constraints.consent import ConsentConstraint
from textsem.constraints.similarity import SimilarityConstraint
from textsem.evaluation.augmentation_batches import ORIGIN, ORIGINAL
from textsem.evaluation.augmentation_chunks import AugmentedChunk
from textsem.text.labels import GOLD_NAMES

__all__ = ["AugmentationSummary", "Dropped", "summarise_chunks"]

NUM_EXAMPLES = 10  # of each origin
# Asked about one candidate after another, of those that met all else.
ASKED_LAST = (SimilarityConstraint.name, ConsentConstraint.name)
# What an augmenter counts besides what its filters drop.
NO_FILTERS = (
    *("pairs", "perturbed", "unsupported", "not drawn", "unlabelled or unread", "errors"),
    *("target wrong", "proposed", "passed", "tried"),
    *(f"kept {name}" for name in SOURCES),
)


@dataclass(frozen=True)
class Dropped:
    """What a filter has dropped.

    Args:
        filter: Its name.
        count: Candidates.
        asked: Of how many: all that were proposed, or all that were tried as a row.
    """

    filter: str
    count: int
    asked: int

    @property
    def share(self) -> float | None:
        """Share of the candidates; None where there were none."""
        return self.count / self.asked if self.asked else None


@dataclass(frozen=True)
class AugmentationSummary:
    """The figures of an augmentation.

    Args:
        num_pairs: Pairs of the data that could be read, each an original row.
        num_problems: Labelled pairs that could not, and were passed over.
        rows: Number of rows by origin and label.
        counts: What the augmenter counted.
        seconds: Time of all processes that wrote chunks.
        examples: Some new rows of each origin.
    """

    num_pairs: int
    num_problems: int
    rows: Mapping[tuple[str, str], int]
    counts: Mapping[str, int]
    seconds: float
    examples: Mapping[str, list[dict[str, Any]]]

    @property
    def labels(self) -> list[str]:
        """The labels that occur, in the package's order."""
        return [name for name in GOLD_NAMES if any(label == name for _, label in self.rows)]

    @property
    def origins(self) -> list[str]:
        """The origins that occur, that of the data first."""
        return [name for name in (ORIGINAL, *SOURCES) if any(origin == name for origin, _ in self.rows)]

    @property
    def num_new_rows(self) -> int:
        """Rows that the data did not have."""
        return sum(count for (origin, _), count in self.rows.items() if origin != ORIGINAL)

    def of_origin(self, *origins: str) -> dict[str, int]:
        """Return the number of rows of these origins by label."""
        return {label: sum(self.rows.get((origin, label), 0) for origin in origins) for label in self.labels}

    def dropped(self) -> list[Dropped]:
        """Return what each filter has dropped: first those of all candidates, then those asked last."""
        names = sorted(name for name in self.counts if name not in (*NO_FILTERS, *ASKED_LAST))
        names += [name for name in ASKED_LAST if name in self.counts]
        asked = {name: "tried" if name in ASKED_LAST else "proposed" for name in names}
        return [Dropped(name, self.counts[name], self.counts.get(asked[name], 0)) for name in names]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures in plain JSON types."""
        return {
            "num_pairs": self.num_pairs,
            "num_new_rows": self.num_new_rows,
            "num_problems": self.num_problems,
            "rows": {origin: self.of_origin(origin) for origin in self.origins},
            "counts": dict(sorted(self.counts.items())),
            "dropped": {drop.filter: drop.share for drop in self.dropped()},
            "seconds": self.seconds,
            "new_rows_per_second": self.num_new_rows / self.seconds if self.seconds else None,
            "pairs_per_second": self.num_pairs / self.seconds if self.seconds else None,
        }


def summarise_chunks(chunks: Iterable[AugmentedChunk], *, seed: int) -> AugmentationSummary:
    """Read chunks once and return their figures.

    Args:
        chunks: All of a run.
        seed: Draws the examples, which do not depend on how pairs were put into chunks.
    """
    rows: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    drawn: dict[str, list[tuple[bytes, dict[str, Any]]]] = {}
    num_pairs = num_problems = 0
    seconds = 0.0
    for chunk in chunks:
        num_pairs += len(chunk.pairs)
        num_problems += chunk.num_problems
        seconds += chunk.seconds
        counts.update(chunk.counts)
        for row in (row for pair in chunk.pairs for row in pair.rows()):
            rows[row[ORIGIN], row["label"]] += 1
            if row[ORIGIN] != ORIGINAL:
                place = hashlib.sha256(f"{seed} {row['index']} {row['hypothesis']}".encode()).digest()
                own = drawn.setdefault(row[ORIGIN], [])
                insort(own, (place, row), key=lambda entry: entry[0])
                del own[NUM_EXAMPLES:]
    examples = {origin: [row for _, row in drawn[origin]] for origin in SOURCES if origin in drawn}
    return AugmentationSummary(num_pairs, num_problems, rows, counts, seconds, examples)
