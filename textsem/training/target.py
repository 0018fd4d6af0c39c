"""Train a word-level target: Adam, dropout, the best epoch on the development set, exact resume."""

import copy
import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from textsem.processes import Processes
from textsem.targets.loading import (
    NetworkConfig,
    build_word_level_target,
    load_word_level_target,
    save_word_level_target,
)
from textsem.targets.word_level import WordLevelTarget, pad_ids
from textsem.text.embeddings import cooccurrence_embeddings
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import UNKNOWN_ID
from textsem.training.checkpoint import load_training_state, save_training_state
from textsem.training.labelled_pairs import LabelledPairs, accuracy, build_vocabulary, epoch_batches
from textsem.training.parallel import add_up_gradients, is_anywhere, own_random_numbers
from textsem.training.target_report import RunDescription, write_card, write_curve, write_metrics

__all__ = ["LabelledPairs", "TargetTrainingConfig", "train_target"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetTrainingConfig:
    """Settings of one training run; with the network's config and the data they fix the outcome.

    Args:
        num_epochs: Passes over the training pairs.
        batch_size: Pairs a step.
        learning_rate: Adam's step size at the start; it falls linearly to zero over all steps.
        max_gradient_norm: Gradients are scaled down to this norm.
        unknown_rate: Share of the words in training that are replaced by the unknown word.
        max_words: Most words in the vocabulary.
        word_vectors: How they start: ``random``, or ``co-occurrence`` of the training sentences.
        precision: Of the matrix products in training; ``bfloat16`` pays where the processor knows it.
        seed: Of weights, order and dropout.
    """

    num_epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 1e-3
    max_gradient_norm: float = 5.0
    unknown_rate: float = 0.02
    max_words: int = 15_000
    word_vectors: Literal["random", "co-occurrence"] = "co-occurrence"
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0


@dataclass
class _Progress:
    """Where a run stands; with weights, optimiser and random state, all that the next step depends on."""

    epoch: int = 0
    step_in_epoch: int = 0
    loss_sum: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    metrics: list[dict[str, Any]] = field(default_factory=list)


def train_target(
    train: LabelledPairs,
    dev: LabelledPairs,
    network_config: NetworkConfig,
    config: TargetTrainingConfig,
    folder: Path,
    *,
    test: LabelledPairs | None = None,
    description: RunDescription | None = None,
    device: str = "cpu",
    is_resumed: bool = False,
    max_minutes: float | None = None,
    checkpoint_every: int = 500,
    half_precision: bool = False,
    processes: Processes | None = None,
) -> WordLevelTarget:
    """Train on ``train``, keep the epoch that is best on ``dev``, report on ``test``, save all in ``folder``.

    The folder gets the model (``config.json``, ``vocabulary.json``, ``model.safetensors``), ``README.md`` with the
    figures, ``metrics.jsonl``, ``curve.png`` and the training state.  A run that was killed and resumed ends with the
    same weights as one that was not (same machine, same number of threads).  Dropout reads torch's global random state:
    it is seeded inside and put back before returning.

    Several processes (``accelerate launch``) share the rows of every batch and take the same steps; each drops out by
    numbers of its own, so that their outcome is one process's but for rounding where nothing is dropped out.  The main
    process writes; a run may be resumed by another number of them.

    Args:
        train: Pairs to learn from; the vocabulary is theirs.
        dev: Pairs that choose the epoch.
        network_config: Architecture and sizes.
        config: Everything else that shapes the outcome.
        folder: Output.
        test: Pairs for the final figure alone.
        description: What the model card says about data and command.
        device: Where to train.
        is_resumed: Go on from the state in ``folder``.
        max_minutes: Stop after the step that passes this time (all runs of a resumed training together).  What is
            saved then is the better of the best epoch and the present weights; resuming goes on exactly.
        checkpoint_every: Steps between two saved states.
        half_precision: Save the model as float16; figures are then of the rounded model.
        processes: Those that train; None: as the environment says.

    Returns:
        The saved model, loaded back.

    Raises:
        ValueError: If the data are empty, or the state to resume from is missing or belongs to other settings.
    """
    if not len(train.labels) or not len(dev.labels):
        raise ValueError(f"expected training and development pairs, got {len(train.labels)} and {len(dev.labels)}")
    processes = Processes.current() if processes is None else processes
    device = processes.place(device)
    settings = {"network": _plain(asdict(network_config)), "training": asdict(config), "num_pairs": len(train.labels)}
    cuda_devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=cuda_devices):
        torch.manual_seed(config.seed)
        vocabulary = build_vocabulary(train, max_words=config.max_words)
        target = build_word_level_target(network_config, vocabulary).to(device)
        run = _Run(target, train, config, folder, processes, settings=settings, checkpoint_every=checkpoint_every)
        if is_resumed:
            run.resume()
        elif config.word_vectors == "co-occurrence":
            run.start_from_co_occurrence(train)
        is_finished = run.train(dev, max_minutes=max_minutes)
        progress, best = run.progress, run.best
        if not is_finished:
            present = accuracy(target, dev, processes=processes)
            best = target if present > progress.best_accuracy else best
    if processes.is_main:
        save_word_level_target(best, network_config, folder, half_precision=half_precision)
    processes.wait()
    saved = load_word_level_target(folder).to(device)
    figures: dict[str, Any] = {"dev_accuracy": accuracy(saved, dev, processes=processes)}
    if test is not None:
        figures["test_accuracy"] = accuracy(saved, test, processes=processes)
    figures |= {"epochs_completed": progress.epoch, "best_epoch": progress.best_epoch, "seconds": progress.seconds}
    figures |= {"processes": processes.count} if processes.count > 1 else {}
    if processes.is_main:
        write_curve(folder, progress.metrics)
        write_card(folder, description or RunDescription(), settings=settings, figures=figures)
    processes.wait()
    return saved


class _Run:
    """The loop of ``train_target``: holds what a saved state holds."""

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
    ) -> None:
        self.target, self.config, self.folder, self.processes = target, config, folder, processes
        self.settings, self.checkpoint_every = settings, checkpoint_every
        self.best = copy.deepcopy(target)
        self.optimiser = torch.optim.Adam(target.parameters(), lr=config.learning_rate, fused=True)
        self.progress = _Progress()
        self.premises, self.hypotheses = target.encode(train.premises), target.encode(train.hypotheses)
        self.labels = torch.tensor(list(train.labels))
        self.lengths = [(len(p), len(h)) for p, h in zip(self.premises, self.hypotheses, strict=True)]
        self.num_steps = -(-len(self.lengths) // config.batch_size)

    def save(self) -> None:
        if not self.processes.is_main:
            return
        extra = {"settings": self.settings, "progress": asdict(self.progress)}
        modules = {"target": self.target, "best": self.best}
        save_training_state(self.folder, modules, {"adam": self.optimiser}, {}, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        self.processes.wait()  # for the main one to have written, had it something to write
        modules = {"target": self.target, "best": self.best}
        extra = load_training_state(self.folder, modules, {"adam": self.optimiser}, {})
        if extra["settings"] != self.settings:
            raise ValueError(
                f"expected the settings of the state to resume from, {extra['settings']}, got {self.settings}"
            )
        self.progress = _Progress(**extra["progress"])

    def start_from_co_occurrence(self, train: LabelledPairs) -> None:
        """Replace the random word vectors, scaled so that their entries spread as before; a sentence counts once."""
        weight = self.target.embedding.weight
        vectors = cooccurrence_embeddings(
            [tokenize(sentence).words for sentence in dict.fromkeys((*train.premises, *train.hypotheses))],
            vocabulary=self.target.vocabulary,
            dim=weight.shape[1],
            generator=torch.Generator().manual_seed(self.config.seed),
        ).to(weight)
        vectors[:UNKNOWN_ID] = 0.0  # pad, start and end stand for no word of a target
        with torch.no_grad():
            weight.copy_(vectors * (weight.std() / vectors.std()))

    def train(self, dev: LabelledPairs, *, max_minutes: float | None) -> bool:
        """Train to the end (True) or until time is up (False)."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        total = self.config.num_epochs * self.num_steps
        done = progress.epoch * self.num_steps + progress.step_in_epoch
        is_main = self.processes.is_main
        with tqdm(total=total, initial=done, desc="target", unit="step", mininterval=5.0, disable=not is_main) as bar:
            while progress.epoch < self.config.num_epochs:
                batches = epoch_batches(
                    self.lengths, self.config.batch_size, seed=self.config.seed, epoch=progress.epoch
                )
                while progress.step_in_epoch < self.num_steps:
                    progress.loss_sum += self.step(batches[progress.step_in_epoch])
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

    def step(self, rows: list[int]) -> float:
        """Take one Adam step on the cross-entropy (nats a pair) of these rows and return it."""
        progress, config = self.progress, self.config
        done = (progress.epoch * self.num_steps + progress.step_in_epoch) / (config.num_epochs * self.num_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * (1.0 - done)
        self.target.train()
        own = [rows[i] for i in self.processes.share(len(rows))]
        own_random_numbers(config.seed, progress.epoch * self.num_steps + progress.step_in_epoch, self.processes)
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.target.device)
        if own:  # the last batch of an epoch may have fewer rows than there are processes
            loss = self.loss(own) * (len(own) / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
        value = add_up_gradients(self.target.parameters(), loss, self.processes)
        nn.utils.clip_grad_norm_(self.target.parameters(), config.max_gradient_norm)
        self.optimiser.step()
        if value != value:
            raise ValueError(f"expected a finite loss, got {value} in epoch {progress.epoch + 1}")
        return value

    def loss(self, rows: list[int]) -> Tensor:
        """Return the cross-entropy of rows, their mean."""
        premise_ids, hypothesis_ids = self.batch(self.premises, rows), self.batch(self.hypotheses, rows)
        device = self.target.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = self.target(premise_ids, hypothesis_ids)
        return F.cross_entropy(logits.float(), self.labels[rows].to(device))

    def batch(self, sentences: list[list[int]], rows: list[int]) -> Tensor:
        """Return padded ids with a few words made unknown."""
        chosen = [sentences[row] for row in rows]
        ids = pad_ids(chosen, max(map(len, chosen)))
        is_dropped = (torch.rand(ids.shape) < self.config.unknown_rate) & (ids > UNKNOWN_ID)
        return ids.masked_fill(is_dropped, UNKNOWN_ID).to(self.target.device)

    def finish_epoch(self, dev: LabelledPairs) -> None:
        """Measure on the development pairs, keep the best weights, move to the next epoch."""
        progress = self.progress
        dev_accuracy = accuracy(self.target, dev, processes=self.processes)
        train_loss = progress.loss_sum / self.num_steps
        progress.epoch += 1
        progress.metrics.append({"epoch": progress.epoch, "train_loss": train_loss, "dev_accuracy": dev_accuracy})
        if self.processes.is_main:
            _LOGGER.info("epoch %d: loss %.4f, dev accuracy %.4f", progress.epoch, train_loss, dev_accuracy)
        if dev_accuracy > progress.best_accuracy:
            progress.best_accuracy, progress.best_epoch = dev_accuracy, progress.epoch
            self.best.load_state_dict(self.target.state_dict())
        progress.step_in_epoch, progress.loss_sum = 0, 0.0


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as JSON would give them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
