"""New rows that join the training pairs: where they come from, and how a training's folder keeps them.

    new_rows/epoch_1.jsonl      made before the training
    new_rows/epoch_4.jsonl      made against the model as it was before its fourth epoch, in their place

The files have the columns of ``scripts/augment_nli.py`` and can be read as any data set.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from textsem.runs.checkpoint import write_text
from textsem.targets.word_level import WordLevelTarget
from textsem.text.labels import LABEL_NAMES

__all__ = ["NewPairs", "RowRenewer", "new_pairs_file", "read_new_pairs", "remove_new_pairs", "write_new_pairs"]

_FOLDER = "new_rows"


@dataclass(frozen=True)
class NewPairs:
    """Pairs that were made from those of the data; implements ``LabelledPairs``.

    Args:
        premises: One a pair.
        hypotheses: One a pair.
        labels: Positions in ``LABEL_NAMES``.
        origins: What made each pair.
        originals: The hypothesis that each was made from.
        settings: How they were made, plain JSON types; a training that is resumed must have the same.
        seconds: How long that took.
    """

    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]
    origins: tuple[str, ...]
    originals: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.labels)

    def counts(self) -> dict[str, int]:
        """Return the number of pairs by origin."""
        return dict(sorted(Counter(self.origins).items()))

    def text(self) -> str:
        """Return the pairs as the lines of a file."""
        rows = zip(self.premises, self.hypotheses, self.labels, self.origins, self.originals, strict=True)
        return "".join(
            json.dumps(
                {
                    "premise": premise,
                    "hypothesis": hypothesis,
                    "label": LABEL_NAMES[label],
                    "origin": origin,
                    "original_hypothesis": original,
                }
            )
            + "\n"
            for premise, hypothesis, label, origin, original in rows
        )

    def sha256(self) -> str:
        """Return the digest of the file."""
        return hashlib.sha256(self.text().encode()).hexdigest()


class RowRenewer(Protocol):
    """What makes new rows while a training goes on."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Say how rows are made, in plain JSON types; a training that is resumed must have the same."""
        ...

    def rows(self, target: WordLevelTarget, epoch: int) -> NewPairs | None:
        """Return the rows that join the training pairs from this epoch on, or None to keep those there are.

        What comes back depends on the arguments alone, or a killed run would not resume exactly.

        Args:
            target: The model in training, in evaluation mode; to be asked, not to be changed.
            epoch: Number of epochs that it has been trained for.
        """
        ...


def new_pairs_file(folder: Path, epoch: int) -> Path:
    """Return where the rows lie that were made after so many epochs."""
    return folder / _FOLDER / f"epoch_{epoch + 1}.jsonl"


def write_new_pairs(folder: Path, epoch: int, pairs: NewPairs) -> None:
    """Write the rows that were made after so many epochs into a training's folder."""
    path = new_pairs_file(folder, epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, pairs.text())


def read_new_pairs(folder: Path, epoch: int) -> NewPairs:
    """Return the rows that were made after so many epochs.

    Raises:
        ValueError: If there is no such file, or it is not whole.
    """
    path = new_pairs_file(folder, epoch)
    if not path.is_file():
        raise ValueError(f"expected the new rows of the training in {path}, found none: begin the training anew")
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        names = ("premise", "hypothesis", "label", "origin", "original_hypothesis")
        premises, hypotheses, labels, origins, originals = (tuple(row[name] for row in rows) for name in names)
        return NewPairs(premises, hypotheses, tuple(map(LABEL_NAMES.index, labels)), origins, originals)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"expected rows of a training in {path}, got another file: begin the training anew") from error


def remove_new_pairs(folder: Path) -> None:
    """Remove what an earlier training has left in the folder."""
    for path in _files(folder):
        path.unlink()
    if (folder / _FOLDER).is_dir() and not any((folder / _FOLDER).iterdir()):
        (folder / _FOLDER).rmdir()


def _files(folder: Path) -> Sequence[Path]:
    return sorted((folder / _FOLDER).glob("epoch_*.jsonl"))
