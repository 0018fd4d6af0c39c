"""More rows to train an NLI classifier on: the same premises and labels with hypotheses from the learned manifold.

    augmenter = AdversarialAugmenter(AugmentationConfig(target="path/to/classifier"))
    augmented = augmenter.augment(dataset)               # or dataset.map(augmenter, batched=True)
    dataset.set_transform(augmenter.transform)           # other rows in each epoch: augmenter.set_epoch(epoch)

What a pair gets depends on the pair, the seed, the epoch and the models: not on batch size, order or worker.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from textsem.attacks.candidates import pair_seed
from textsem.attacks.new_rows import ADVERSARIAL, BOUNDARY, NEIGHBOURS, SOURCES, NewRow, find_new_rows
from textsem.evaluation.augmentation_batches import (
    ORIGIN,
    ORIGINAL,
    ORIGINAL_HYPOTHESIS,
    PairBatch,
    label_names,
    with_origin,
)
from textsem.evaluation.augmentation_config import (
    AugmentationConfig,
    AugmentationParts,
    identify_parts,
    load_parts,
    load_target_of,
)
from textsem.model import TextAdversary
from textsem.protocols import Target, TargetError
from textsem.targets.objects import as_target

__all__ = [
    "ADVERSARIAL",
    "BOUNDARY",
    "NEIGHBOURS",
    "ORIGIN",
    "ORIGINAL",
    "ORIGINAL_HYPOTHESIS",
    "SOURCES",
    "AdversarialAugmenter",
    "AugmentationConfig",
    "NewRow",
]

_EPOCHS = 1_000_003  # prime above any number of epochs, so that no two (seed, epoch) meet
_SHARE_BITS = 32

Data = TypeVar("Data")
logger = logging.getLogger(__name__)


class AdversarialAugmenter:
    """Make new rows; a function for ``datasets.Dataset.map(batched=True)``.

    Models are loaded with the first row, once a process; what travels to workers and into fingerprints is the config,
    the digests of the models' files, and the objects that were given.

    Args:
        config: Every option.
        target: A classifier in place of ``config.target``: an object or a function, see `as_target`.
        adversary: An adversary in place of ``config.model``.

    Attributes:
        counts: What became of pairs and candidates in this process, since the start.
        identity: The models that take part, by role, with the digests of their files.

    Raises:
        ValueError: If an option does not fit, or no target is there for a source that needs one.
    """

    def __init__(
        self,
        config: AugmentationConfig | None = None,
        *,
        target: Any = None,
        adversary: TextAdversary | None = None,
    ) -> None:
        self.config = AugmentationConfig() if config is None else config
        self.counts: Counter[str] = Counter()
        self.identity = identify_parts(self.config, given_target=target, given_adversary=adversary)
        self.rules = self.config.rules(has_target="target" in self.identity)
        if "target" not in self.identity and set(self.rules.sources) != {NEIGHBOURS}:
            raise ValueError(f"expected a target for the sources {', '.join(self.rules.sources)}, got none")
        self._given = {"target": target, "adversary": adversary}
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # which forked workers see
        self._parts: AugmentationParts | None = None
        self._target: Target | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what tells this augmenter from another: no loaded model, no counts."""
        return {"config": self.config, "identity": self.identity, "given": self._given, "epoch": self.epoch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make an augmenter that loads its models when it needs them."""
        self.__init__(state["config"], **state["given"])  # type: ignore[misc]
        self.set_epoch(state["epoch"])

    def with_target(self, target: Any) -> "AdversarialAugmenter":
        """Return an augmenter against another target, an object or a function, with the models loaded so far."""
        other = AdversarialAugmenter(self.config, target=target, adversary=self._given["adversary"])
        other._parts, other._epoch = self._load(), self._epoch
        return other

    @property
    def epoch(self) -> int:
        """Which epoch rows are made for."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Ask for the rows of another epoch: other draws for the same pairs; DataLoader workers hear of it too."""
        if epoch < 0:
            raise ValueError(f"expected epoch >= 0, got {epoch}")
        self._epoch.fill_(epoch)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return a batch in which each row is followed by its new ones; the other columns are copied.

        The columns ``origin`` (``original`` or a source) and ``original_hypothesis`` are added.  A row without label,
        or one that cannot be read, stays alone.

        Raises:
            ValueError: If there is no column of premises, hypotheses or labels.
            TargetError: If the target does not answer.
        """
        pairs = PairBatch(batch, self.config.data_label_order)
        choices: list[tuple[int, str | None, str]] = []
        for i, own in enumerate(self.new_rows(pairs.premises, pairs.hypotheses, pairs.labels)):
            choices += [(i, None, ORIGINAL), *((i, row.hypothesis, row.origin) for row in own)]
        return pairs.rows(choices)

    def transform(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return a batch of as many rows, each replaced by one of its new ones where it has any; for ``set_transform``.

        ``config.share`` is the share of rows that are tried.
        """
        pairs = PairBatch(batch, self.config.data_label_order)
        choices: list[tuple[int, str | None, str]] = []
        for i, own in enumerate(self.new_rows(pairs.premises, pairs.hypotheses, pairs.labels)):
            place = pair_seed(self.epoch, pairs.premises[i], pairs.hypotheses[i], "choice") % max(len(own), 1)
            choices.append((i, own[place].hypothesis, own[place].origin) if own else (i, None, ORIGINAL))
        return pairs.rows(choices)

    def augment(self, dataset: Data, *, batch_size: int = 64, num_proc: int | None = None) -> Data:
        """Return a ``Dataset`` or ``IterableDataset`` with the new rows, its features and label names kept.

        Where the label is a ``ClassLabel``, its names say what the numbers mean, whatever ``data_label_order`` says.

        Args:
            dataset: One split; a test split is better left alone.
            batch_size: Rows in a batch; a matter of speed alone.
            num_proc: Processes, of a ``Dataset``.

        Raises:
            ValueError: If this is no single split, or a column is missing.
        """
        from datasets import Dataset, IterableDataset

        if not isinstance(dataset, Dataset | IterableDataset):
            raise ValueError(f"expected a Dataset or an IterableDataset, one split, got {type(dataset).__name__}")
        names = label_names(dataset.features)
        augmenter = self if names is None else self._reading(names)
        options: dict[str, Any] = {"batched": True, "batch_size": batch_size}
        if dataset.features is not None:
            options["features"] = with_origin(dataset.features)
        if isinstance(dataset, Dataset):
            options |= {"num_proc": num_proc, "desc": "augmenting"}
        mapped: Data = dataset.map(augmenter, **options)
        return mapped

    def new_rows(
        self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
    ) -> list[list[NewRow]]:
        """Return the new rows of each pair, in the order of ``SOURCES``.

        Args:
            premises: One a pair.
            hypotheses: One a pair.
            labels: Names of ``GOLD_NAMES``; None for a pair that is to get none.

        Raises:
            TargetError: If the target does not answer.
        """
        found: list[list[NewRow]] = [[] for _ in premises]
        parts = self._load()
        seeds = {}
        for i, (premise, hypothesis, label) in enumerate(zip(premises, hypotheses, labels, strict=True)):
            self.counts["pairs"] += 1
            if label is None or not premise.strip() or not hypothesis.strip():
                self.counts["unlabelled or unread"] += 1
                continue
            seed = pair_seed(self.config.seed * _EPOCHS + self.epoch, premise, hypothesis, label)
            if seed % (1 << _SHARE_BITS) >= self.config.share * (1 << _SHARE_BITS):
                self.counts["not drawn"] += 1
            elif parts.source.supports(hypothesis) is not None:
                self.counts["unsupported"] += 1
            else:
                self.counts["perturbed"] += 1
                seeds[i] = seed
        self._find(list(seeds), premises, hypotheses, labels, seeds, found)
        return found

    def _find(
        self,
        places: list[int],
        premises: Sequence[str],
        hypotheses: Sequence[str],
        labels: Sequence[str | None],
        seeds: Mapping[int, int],
        found: list[list[NewRow]],
    ) -> None:
        """Write the rows of some pairs into ``found``; if anything raises, by halves, down to the guilty pair."""
        if not places:
            return
        parts = self._load()
        try:
            rows, counts = find_new_rows(
                [premises[i] for i in places],
                [hypotheses[i] for i in places],
                [str(labels[i]) for i in places],
                [seeds[i] for i in places],
                source=parts.source,
                rules=self.rules,
                target=self._target,
                limits=self.config.limits(),
                constraints=parts.constraints,
                consent=parts.consent,
                word_weight=parts.word_weight,
            )
        except TargetError:
            raise
        except Exception as error:
            if len(places) == 1:
                self.counts["errors"] += 1
                logger.warning("no new rows for %r: %s: %s", hypotheses[places[0]], type(error).__name__, error)
                return
            for half in (places[: len(places) // 2], places[len(places) // 2 :]):
                self._find(half, premises, hypotheses, labels, seeds, found)
            return
        self.counts.update(counts)
        for i, own in zip(places, rows, strict=True):
            found[i] = own

    def _load(self) -> AugmentationParts:
        if self._parts is None:
            self._parts = load_parts(self.config, self._given["adversary"])
        if self._target is None:
            given = self._given["target"]
            self._target = load_target_of(self.config) if given is None else as_target(given)
        return self._parts

    def _reading(self, label_order: tuple[str, ...]) -> "AdversarialAugmenter":
        """Return an augmenter that differs in what label numbers of the data mean; models, counts, epoch are shared."""
        other = AdversarialAugmenter(replace(self.config, data_label_order=label_order), **self._given)
        other._parts, other._target, other._epoch, other.counts = self._parts, self._target, self._epoch, self.counts
        return other
