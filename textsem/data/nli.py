"""Labelled premise-hypothesis pairs in memory, each with one of the package's three labels, for training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from textsem.data.defaults import DATA_VARIABLE
from textsem.data.pairs import DataIdentity, PairChunk
from textsem.data.stream import NliStream, stream_nli
from textsem.data.table import RowSource
from textsem.text.labels import LABEL_NAMES

__all__ = ["DATA_VARIABLE", "DataIdentity", "NliData", "load_nli", "nli_from_table"]

_CHUNK = 1024


@dataclass(frozen=True)
class NliData:
    """Labelled pairs in input order, unlabelled ones left out.

    Args:
        premises: One a pair.
        hypotheses: One a pair.
        labels: Positions in ``LABEL_NAMES``: 0 entailment, 1 neutral, 2 contradiction.
        dropped_unlabelled: Unlabelled rows (-1, "-", None, empty) that were met before ``limit`` pairs were found.
        problems: What is wrong with a pair whose premise or hypothesis is missing, blank or no text, by its position;
            such a sentence stands as "" or as it came, and the pair is to be reported as an error.
        identity: What was read.
        notice: What the user must be told about the data, or None.
    """

    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]
    dropped_unlabelled: int
    problems: Mapping[int, str]
    identity: DataIdentity
    notice: str | None = None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.labels)

    def chunks(self, size: int) -> Iterator[PairChunk]:
        """Yield all pairs from the first on, ``size`` at a time, at last perhaps fewer."""
        if size < 1:
            raise ValueError(f"expected chunks of at least one pair, got {size}")
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            problems = {i - start: self.problems[i] for i in range(*part.indices(len(self))) if i in self.problems}
            labels = tuple(LABEL_NAMES[label] for label in self.labels[part])
            yield PairChunk(start, self.premises[part], self.hypotheses[part], labels, problems)


def load_nli(
    source: str | None, *, split: str = "test", limit: int = 0, label_order: Sequence[str] | None = None
) -> NliData:
    """Load labelled NLI pairs into memory.

    Args:
        source: A file (parquet, jsonl, csv, tsv, SNLI's own jsonl and txt), a folder of splits, a folder written by
            ``datasets.save_to_disk``, or a hub id.  None: what the environment variable TEXTSEM_DATA names; else SNLI
            from the local cache; else SNLI from the hub, giving up within 5 seconds; else the demo pairs and a notice.
        split: ``train``, ``dev`` (also ``validation``), ``test``, or a longer part of a file's name.
        limit: Number of labelled pairs to keep, from the start; 0 keeps all.
        label_order: What label numbers 0, 1, 2 mean where the data does not name them; SNLI's order if None.

    Raises:
        ValueError: If the source, the split or a column is missing, or a row has none of the three labels, for nothing
            is learnt from it (`stream_nli` marks such a row and reads on); or if ``source`` is None and no training
            data is to be had, for which the demo pairs are no substitute.
    """
    return _in_memory(stream_nli(source, split=split, limit=limit, label_order=label_order))


def nli_from_table(
    table: RowSource, *, limit: int = 0, label_order: Sequence[str] | None = None, notice: str | None = None
) -> NliData:
    """Check and convert the rows of a table.

    Raises:
        ValueError: If a column is missing, a row has none of the three labels, or no labelled pair is there.
    """
    return _in_memory(NliStream(table, limit=limit, label_order=label_order, notice=notice))


def _in_memory(stream: NliStream) -> NliData:
    premises: list[str] = []
    hypotheses: list[str] = []
    labels: list[int] = []
    problems: dict[int, str] = {}
    for chunk in stream.chunks(_CHUNK):
        for i, label in enumerate(chunk.labels):
            if label not in LABEL_NAMES:
                raise ValueError(
                    chunk.problems.get(i)
                    or f"expected {', '.join(LABEL_NAMES)} as labels in {stream.source!r}, got {label} for pair "
                    f"{chunk.start + i + 1}: data of two classes can be attacked, but this needs three"
                )
            labels.append(LABEL_NAMES.index(label))
        premises += chunk.premises
        hypotheses += chunk.hypotheses
        problems |= {chunk.start + i: problem for i, problem in chunk.problems.items()}
    return NliData(
        tuple(premises),
        tuple(hypotheses),
        tuple(labels),
        stream.dropped_unlabelled,
        problems,
        stream.identity,
        stream.notice,
    )
