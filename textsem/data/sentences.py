"""Sentences without labels, for autoencoders and language models, with held-out ones kept out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from textsem.data.locations import read_table
from textsem.data.nli import NliData
from textsem.data.table import COLUMN_NAMES, column_of

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
        ValueError: If a source cannot be read or has none of the columns.
    """
    unseen = {comparable(text) for data in held_out for text in (*data.premises, *data.hypotheses)}
    sentences: dict[str, None] = {}
    for source in sources:
        table = read_table(source, split)
        columns = [name for name in (column_of(table.found, role) for role in roles) if name is not None]
        if not columns:
            wanted = ", ".join(name for role in roles for name in COLUMN_NAMES[role])
            raise ValueError(
                f"expected one of the columns {wanted} in {source!r}, got {', '.join(table.found) or 'none'}"
            )
        for name in columns:
            found = (text.strip() for text in table.columns[name] if isinstance(text, str))
            sentences.update((text, None) for text in found if comparable(text))
    kept = tuple(text for text in sentences if comparable(text) not in unseen)
    return SentenceData(kept, len(sentences) - len(kept), tuple(sources))
