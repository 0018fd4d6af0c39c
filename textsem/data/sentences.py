"""Sentences without labels, for autoencoders and language models, with held-out ones kept out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from textsem.data.locations import open_rows
from textsem.data.nli import NliData
from textsem.data.shown import listed
from textsem.data.table import COLUMN_NAMES, RowSource, column_of

__all__ = ["SentenceData", "comparable", "load_sentences"]

_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class SentenceData:
    """Unique sentences, in the order in which they were first met.

    Args:
        sentences: Surfaces as they came, outer blanks apart.
        dropped_held_out: Unique sentences left out because they equal a held-out one.
        sources: What was read.
    """

    sentences: tuple[str, ...]
    dropped_held_out: int
    sources: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.sentences)


def comparable(sentence: str) -> str:
    """Return the form in which sentences are compared: lower case, no punctuation, single blanks.

    >>> comparable("  A man's T-shirt, folded. ")
    'a man s t shirt folded'
    """
    return _SEPARATORS.sub(" ", sentence.casefold()).strip()


def load_sentences(
    sources: Sequence[str],
    *,
    split: str = "train",
    held_out: Sequence[NliData] = (),
    roles: Sequence[str] = ("premise", "hypothesis", "caption"),
) -> SentenceData:
    """Load the unique sentences of NLI data and of caption files.

    Args:
        sources: Files, folders or hub ids, as for ``load_nli``; labels are neither needed nor read.
        split: Split to read of folders and hub ids.
        held_out: Data to be kept unseen (dev, test): sentences that equal one of its premises or hypotheses, case,
            punctuation and extra blanks apart, are dropped.
        roles: Which columns to take, of those that a source has.

    Raises:
        ValueError: If a source or a row of it cannot be read, or if it has none of the columns.
    """
    unseen = {comparable(text) for data in held_out for text in (*data.premises, *data.hypotheses)}
    sentences: dict[str, None] = {}
    for source in sources:
        rows = open_rows(source, split)
        columns = [name for name in (column_of(rows.found, role) for role in roles) if name is not None]
        if not columns:
            wanted = ", ".join(name for role in roles for name in COLUMN_NAMES[role])
            raise ValueError(f"expected one of the columns {wanted} in {source!r}, got {listed(rows.found)}")
        for name in columns:
            sentences.update((text, None) for text in _texts(rows, name) if comparable(text))
    kept = tuple(text for text in sentences if comparable(text) not in unseen)
    return SentenceData(kept, len(sentences) - len(kept), tuple(sources))


def _texts(rows: RowSource, column: str) -> Iterator[str]:
    for row in rows.rows():
        if row.problem is not None:
            raise ValueError(row.problem)
        text = row.values.get(column)
        if isinstance(text, str):
            yield text.strip()
