"""Adversarial training: new rows for a training set, made once, or against the model in training every few epochs.

    train_target(train, dev, ..., new_rows=rows_once(train, AugmentationConfig(target="path/to/classifier")))
    train_target(train, dev, ..., renewer=RenewedRows(train, AugmentationConfig(share=0.3), every=2))

The first attacks a classifier that stays as it is; the second finds what the model has not learnt yet.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from textsem.augmentation import AdversarialAugmenter, AugmentationConfig, NewRow
from textsem.data.nli import NliData
from textsem.evaluation.augmentation_chunks import CHUNK_SIZE
from textsem.evaluation.augmentation_progress import AugmentationProgress
from textsem.evaluation.augmentation_workers import augmented_chunks
from textsem.evaluation.augmented_rows import read_new_rows
from textsem.processes import Processes
from textsem.targets.word_level import WordLevelTarget
from textsem.text.labels import LABEL_NAMES
from textsem.training.adversary_report import file_name
from textsem.training.new_pairs import NewPairs, read_new_pairs

__all__ = ["RenewedRows", "rows_from", "rows_once"]

# Models go by their digests, and where and in which batches they run changes no row.
_NOT_BINDING = ("target", "model", "filter_model", "sentence_encoder", "device", "batch_size")
_LOGGER = logging.getLogger(__name__)


def rows_once(
    data: NliData, config: AugmentationConfig, *, resumed: Path | None = None, show_progress: bool = False
) -> NewPairs:
    """Make new rows before a training.

    Args:
        data: The training pairs.
        config: How rows are made; its ``target`` is attacked, and without one they are neighbours alone.
        resumed: Folder of a training that goes on: its rows are read, not made.
        show_progress: Tell on standard error how far it is.

    Raises:
        ValueError: If an option or a model does not fit, no row comes out, or several processes are to make them.
        TargetError: If the target does not answer.
    """
    augmenter = AdversarialAugmenter(config)
    settings = _settings(augmenter)
    if resumed is not None:
        return replace(read_new_pairs(resumed, 0), settings=settings)
    Processes.current().expect_alone("making new rows before a training")
    made = _made(augmenter, data, show_progress=show_progress)
    if not len(made):
        raise ValueError(f"expected new rows of {len(data)} pairs, got none: {dict(augmenter.counts)}")
    return replace(made, settings=settings)


def rows_from(path: Path) -> NewPairs:
    """Return the rows that ``scripts/augment_nli.py`` has made, the data's own left out.

    Args:
        path: Its output folder, or the file there.

    Raises:
        ValueError: If there is nothing of the kind, or no new row in it.
    """
    rows = read_new_rows(path)
    if not rows:
        raise ValueError(f"expected new rows in {path}, got the data's own alone")
    return NewPairs(
        tuple(row.premise for row in rows),
        tuple(row.hypothesis for row in rows),
        tuple(row.label for row in rows),
        tuple(row.origin for row in rows),
        tuple(row.original for row in rows),
    )


class RenewedRows:
    """Make new rows against the model in training, every few epochs; implements ``RowRenewer``.

    Args:
        data: The training pairs.
        config: How rows are made; without target, for that is the model in training.
        every: Epochs before the first new rows, and from then on between two renewals.
        show_progress: Tell on standard error how far each renewal is.

    Attributes:
        counts: What became of pairs and candidates, renewal by renewal of this process.

    Raises:
        ValueError: If an option or a model does not fit.
    """

    def __init__(
        self, data: NliData, config: AugmentationConfig, *, every: int = 1, show_progress: bool = False
    ) -> None:
        if config.target is not None:
            raise ValueError(f"expected no target, for it is the model in training, got {file_name(config.target)}")
        if every < 1:
            raise ValueError(f"expected rows to be renewed every 1 or more epochs, got {every}")
        self.data, self.every, self.show_progress = data, every, show_progress
        self._augmenter = AdversarialAugmenter(config, target=_not_yet)
        self._augmenter.new_rows([], [], [])  # loads the models: one that is missing is told of before a long training
        self.counts: list[dict[str, int]] = []

    @property
    def settings(self) -> Mapping[str, Any]:
        """Say how rows are made."""
        return {"every": self.every, **_settings(self._augmenter)}

    def rows(self, target: WordLevelTarget, epoch: int) -> NewPairs | None:
        """Return rows made against the model as it is; None where it is not their epoch."""
        if epoch == 0 or epoch % self.every:
            return None
        augmenter = self._augmenter.with_target(target)
        augmenter.set_epoch(epoch)
        made = _made(augmenter, self.data, show_progress=self.show_progress)
        self.counts.append(dict(augmenter.counts))
        return made


def _made(augmenter: AdversarialAugmenter, data: NliData, *, show_progress: bool) -> NewPairs:
    began = time.monotonic()
    found: list[tuple[str, str, int, NewRow]] = []
    with AugmentationProgress(len(data), is_shown=show_progress) as progress:
        for chunk in augmented_chunks(augmenter, data.chunks(CHUNK_SIZE)):
            rows = [(p.premise, p.hypothesis, LABEL_NAMES.index(p.label), row) for p in chunk.pairs for row in p.new]
            found += rows
            progress.update(len(chunk.pairs) + chunk.num_problems, len(rows))
    seconds = time.monotonic() - began
    _LOGGER.info("%d new rows of %d pairs in %.0f s", len(found), len(data), seconds)
    return NewPairs(
        tuple(premise for premise, _, _, _ in found),
        tuple(row.hypothesis for _, _, _, row in found),
        tuple(label for _, _, label, _ in found),
        tuple(row.origin for _, _, _, row in found),
        tuple(original for _, original, _, _ in found),
        seconds=seconds,
    )


def _settings(augmenter: AdversarialAugmenter) -> dict[str, Any]:
    """Return options and models, which a card may show: no folder of a machine."""
    options = {name: value for name, value in asdict(augmenter.config).items() if name not in _NOT_BINDING}
    models = {
        role: {**model, "name": file_name(str(model["name"]))}
        for role, model in augmenter.identity.items()
        if role != "target" or augmenter.config.target is not None
    }
    return {"options": options, "models": models}


def _not_yet(pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
    """Stand for the model in training until there is one."""
    raise ValueError(f"expected to be asked of a model in training, got {len(pairs)} pairs without one")
