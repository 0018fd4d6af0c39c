"""The loop of a word-level target's training: steps, epochs, new rows, and the state that it is resumed from."""

import copy
import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from textsem.processes import Processes
from textsem.runs.checkpoint import load_training_state, save_training_state
from textsem.runs.training_loop import write_metrics
from textsem.targets.word_level import WordLevelTarget
from textsem.training.encoded_pairs import EncodedPairs, encode_pairs
from textsem.training.labelled_pairs import LabelledPairs, accuracy, epoch_batches
from textsem.training.new_pairs import NewPairs, RowRenewer, read_new_pairs, remove_new_pairs, write_new_pairs
from textsem.training.parallel import is_anywhere
from textsem.training.target_config import TargetTrainingConfig
from textsem.training.target_steps import Position, TargetSteps

__all__ = ["TargetProgress", "TargetRun"]

_LOGGER = logging.getLogger(__name__)


@dataclass
class TargetProgress:
    """Where a run stands; with weights, optimiser and random state, all that the next step depends on.

    Args:
        epoch: Epochs completed.
        step_in_epoch: Steps taken since.
        loss_sum: Of these steps.
        best_accuracy: The highest on the development pairs so far.
        best_epoch: When that was.
        seconds: Time so far, that of making new rows included.
        augmentation_seconds: Time that making new rows has taken.
        new_rows: Each time that new rows came: after how many epochs, how many by origin, and their file's digest.
        metrics: One entry an epoch.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    loss_sum: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    augmentation_seconds: float = 0.0
    new_rows: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)


class TargetRun:
    """The loop of ``train_target``: holds what a saved state holds.

    Args:
        target: What is trained.
        train: Pairs of the data.
        config: Settings of the training.
        folder: For state and metrics.
        processes: Those that train.
        settings: What a state must have been made with to be resumed from.
        checkpoint_every: Steps between two saved states.
        renewer: Makes new rows at the start of an epoch.
    """

    def __init__(
        self,
        target: WordLevelTarget,
        train: LabelledPairs,
        config: TargetTrainingConfig,
        folder: Path,
        processes: Processes,
        *,
        settings: dict[str, Any],
        checkpoint_every: int,
        renewer: RowRenewer | None = None,
    ) -> None:
        self.target, self.config, self.folder, self.processes = target, config, folder, processes
        self.settings, self.checkpoint_every, self.renewer = settings, checkpoint_every, renewer
        self.best = copy.deepcopy(target)
        self.steps = TargetSteps(target, config, processes)
        self.progress = TargetProgress()
        self.own_pairs = encode_pairs(target, train)
        self.pairs: EncodedPairs = self.own_pairs

    @property
    def num_steps(self) -> int:
        """Steps of the present epoch."""
        return -(-len(self.pairs) // self.config.batch_size)

    def save(self) -> None:
        """Write state and metrics."""
        if not self.processes.is_main:
            return
        extra = {"settings": self.settings, "progress": asdict(self.progress)}
        modules = {"target": self.target, "best": self.best}
        save_training_state(self.folder, modules, {"adam": self.steps.optimiser}, {}, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        """Put the saved state back, new rows included.

        Raises:
            ValueError: If there is none, or it belongs to other settings or other rows.
        """
        self.processes.wait()  # for the main one to have written, had it something to write
        modules = {"target": self.target, "best": self.best}
        optimisers = {"adam": self.steps.optimiser}
        extra = load_training_state(self.folder, modules, optimisers, {}, settings=self.settings)
        self.progress = TargetProgress(**extra["progress"])
        if self.progress.new_rows:
            last = self.progress.new_rows[-1]
            new = read_new_pairs(self.folder, last["epoch"])
            if new.sha256() != last["sha256"]:
                raise ValueError(f"expected new rows with sha256 {last['sha256']} in {self.folder}, got {new.sha256()}")
            self.pairs = self.own_pairs + encode_pairs(self.target, new)

    def begin(self, new: NewPairs | None) -> None:
        """Begin a training, with these new rows if there are any; those of an earlier one are removed."""
        if self.processes.is_main:
            remove_new_pairs(self.folder)
        if new is not None:
            self.take(new, seconds=new.seconds)

    def take(self, new: NewPairs, *, seconds: float) -> None:
        """Train on these rows beside the data's own from here on, in place of earlier ones; keep them and the state."""
        progress = self.progress
        if self.processes.is_main:
            write_new_pairs(self.folder, progress.epoch, new)
        self.pairs = self.own_pairs + encode_pairs(self.target, new)
        progress.new_rows.append({"epoch": progress.epoch, "sha256": new.sha256(), "counts": new.counts()})
        progress.augmentation_seconds += seconds
        progress.seconds += seconds
        self.save()  # they were dear: what comes next may be killed

    def train(self, dev: LabelledPairs, *, max_minutes: float | None) -> bool:
        """Train to the end (True) or until time is up (False)."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        num_epochs, is_main = self.config.num_epochs, self.processes.is_main
        done, total = progress.epoch * self.num_steps + progress.step_in_epoch, num_epochs * self.num_steps
        with tqdm(total=total, initial=done, desc="target", unit="step", mininterval=5.0, disable=not is_main) as bar:
            while progress.epoch < num_epochs:
                self.renew()
                bar.total = bar.n - progress.step_in_epoch + (num_epochs - progress.epoch) * self.num_steps
                batches = epoch_batches(
                    self.pairs.lengths, self.config.batch_size, seed=self.config.seed, epoch=progress.epoch
                )
                while progress.step_in_epoch < self.num_steps:
                    progress.loss_sum += self.steps.step(self.pairs, batches[progress.step_in_epoch], self.position())
                    progress.step_in_epoch += 1
                    progress.seconds = time.monotonic() - started
                    bar.update()
                    bar.set_postfix(loss=f"{progress.loss_sum / progress.step_in_epoch:.3f}", refresh=False)
                    if max_minutes is not None and is_anywhere(progress.seconds > 60.0 * max_minutes, self.processes):
                        self.save()
                        return False
                    if progress.step_in_epoch % self.checkpoint_every == 0:
                        self.save()
                self.finish_epoch(dev)
                progress.seconds = time.monotonic() - started
                self.save()
        return True

    def position(self) -> Position:
        """Return where the next step stands."""
        return Position(self.progress.epoch, self.progress.step_in_epoch, self.num_steps)

    def renew(self) -> None:
        """At the start of an epoch ask for new rows, made against the model as it is.

        Torch's global random state, which dropout draws from, and the mode of the model are as before.
        """
        progress, target = self.progress, self.target
        is_asked = any(rows["epoch"] == progress.epoch for rows in progress.new_rows)
        if self.renewer is None or progress.step_in_epoch or is_asked:
            return
        started, was_training = time.monotonic(), target.training
        with torch.random.fork_rng(devices=[target.device] if target.device.type == "cuda" else []):
            new = self.renewer.rows(target.eval(), progress.epoch)
        target.train(was_training)
        if new is not None:
            self.take(new, seconds=time.monotonic() - started)
            _LOGGER.info("epoch %d: %d new rows", progress.epoch + 1, len(new))

    def finish_epoch(self, dev: LabelledPairs) -> None:
        """Measure on the development pairs, keep the best weights, move to the next epoch."""
        progress = self.progress
        dev_accuracy = accuracy(self.target, dev, processes=self.processes)
        train_loss = progress.loss_sum / self.num_steps
        progress.epoch += 1
        line: dict[str, Any] = {"epoch": progress.epoch, "train_loss": train_loss, "dev_accuracy": dev_accuracy}
        if progress.new_rows or self.renewer is not None:
            line["new_rows"] = progress.new_rows[-1]["counts"] if progress.new_rows else {}
        progress.metrics.append(line)
        if self.processes.is_main:
            _LOGGER.info("epoch %d: loss %.4f, dev accuracy %.4f", progress.epoch, train_loss, dev_accuracy)
        if dev_accuracy > progress.best_accuracy:
            progress.best_accuracy, progress.best_epoch = dev_accuracy, progress.epoch
            self.best.load_state_dict(self.target.state_dict())
        progress.step_in_epoch, progress.loss_sum = 0, 0.0
