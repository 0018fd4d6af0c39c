"""Train an ARAE: one autoencoder step, several critic steps, one generator step a batch; watched, resumable."""

import copy
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from textsem.arae import ARAE, ARAEConfig
from textsem.processes import Processes
from textsem.runs.batch_order import batch_rows
from textsem.runs.checkpoint import load_training_state, save_training_state
from textsem.runs.training_loop import write_metrics
from textsem.text.embeddings import cooccurrence_embeddings, random_embeddings
from textsem.text.half_products import tell_if_slow
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary
from textsem.training.adversary_data import digest, encode_fitting
from textsem.training.arae_config import ARAETrainingConfig
from textsem.training.arae_steps import ARAESteps
from textsem.training.arae_watch import Watch, make_watch
from textsem.training.parallel import check_batches, is_anywhere

__all__ = ["ARAERun", "build_arae", "is_better", "train_arae"]

ALONE = Processes()
_LOGGER = logging.getLogger(__name__)
TOLERATED_LOSS = 0.01  # share of tokens below the best reconstruction that the best checkpoint may lie


def build_arae(sentences: Sequence[str], model_config: ARAEConfig, config: ARAETrainingConfig) -> ARAE:
    """Make vocabulary and first weights from unlabelled sentences."""
    words = [tokenize(sentence).words for sentence in sentences]
    vocabulary = Vocabulary.from_counts(Counter(word for row in words for word in row), config.max_words)
    generator = torch.Generator().manual_seed(config.seed)
    dim = model_config.encoder.embedding_dim
    if config.embeddings == "random":
        table = random_embeddings(vocabulary.size, dim, generator=generator)
    else:
        table = cooccurrence_embeddings(words, vocabulary=vocabulary, dim=dim, generator=generator)
    return ARAE(model_config, vocabulary).initialise(table, generator)


def is_better(line: Mapping[str, Any], best: Mapping[str, Any] | None, *, best_tokens: float) -> bool:
    """Tell whether a watch's weights are to be kept in place of the best so far.

    The best checkpoint has the lowest reverse perplexity of those whose free running reconstruction is within
    ``TOLERATED_LOSS`` of the best one seen: a generator of good sentences is of no use beside a bad autoencoder.

    Args:
        line: The watch, a line of metrics.
        best: That of the weights kept so far; None at first.
        best_tokens: Highest ``tokens_free`` of all watches, this one included.
    """
    if best is None or best["tokens_free"] < best_tokens - TOLERATED_LOSS:
        return True
    is_close = line["tokens_free"] >= best_tokens - TOLERATED_LOSS
    return bool(is_close and line["reverse_perplexity"] < best["reverse_perplexity"])


@dataclass
class _Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0
    watch_seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)  # of every loss since the last line of metrics
    num_summed: int = 0
    best_tokens: float = 0.0
    best: dict[str, Any] | None = None
    references: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)


class ARAERun:
    """The loop, and all that a saved state holds.

    Args:
        model: Fresh from ``build_arae``; changed in place.
        sentences: Unlabelled sentences to learn from.
        held_out: Other sentences, for the watches alone.
        config: Settings.
        folder: Where states and metrics are saved.
        identity: Plain types that must be the same again when the run is resumed.
        processes: Those that train the same model, each on its own rows of every batch; their number is free to
            change when the run is resumed.  The main process watches and writes.

    Raises:
        ValueError: If no sentence is short enough, or a batch has fewer rows than there are processes.
    """

    def __init__(
        self,
        model: ARAE,
        sentences: Sequence[str],
        held_out: Sequence[str],
        config: ARAETrainingConfig,
        folder: Path,
        *,
        identity: Mapping[str, Any] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.model, self.config, self.folder, self.processes = model, config, folder, processes
        self.device = model.embedding.device
        tell_if_slow(config.precision, self.device)
        vocabulary, max_length = model.vocabulary, model.config.max_length
        self.ids = encode_fitting(sentences, vocabulary=vocabulary, max_length=max_length)[1]
        check_batches(min(len(self.ids), config.batch_size), processes)
        held_out_ids = encode_fitting(held_out, vocabulary=vocabulary, max_length=max_length)[1]
        self.watch: Watch = make_watch(
            self.ids,
            held_out_ids,
            vocabulary=vocabulary,
            num_watched=config.num_watched,
            num_samples=config.num_samples,
            seed=config.seed,
        )
        self.settings = {
            "config": asdict(config),
            "model": asdict(model.config),
            "data": digest(sentences, held_out),
            **(identity or {}),
        }
        self.steps = ARAESteps(model, self.ids, config, processes)
        self.best = copy.deepcopy(model)
        self.progress = _Progress()

    def train(self, *, watch_every: int, max_minutes: float | None = None) -> bool:
        """Go on to the end (True), or until time is up (False)."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        if not progress.step:
            self.look()
        total, is_main = self.config.num_steps, self.processes.is_main
        with tqdm(
            total=total, initial=progress.step, desc="arae", unit="batch", mininterval=5.0, disable=not is_main
        ) as bar:
            while progress.step < total:
                losses = self.step(progress.step)
                progress.step += 1
                self._add(losses)
                bar.update()
                bar.set_postfix(loss=f"{losses['reconstruction']:.3f}", refresh=False)
                is_due = progress.step % watch_every == 0 or progress.step == total
                if is_due:
                    self.look()
                progress.seconds = time.monotonic() - started
                is_late = max_minutes is not None and is_anywhere(progress.seconds > 60 * max_minutes, self.processes)
                if is_due or is_late:
                    self.save()
                if is_late:
                    return False
        return True

    def step(self, step: int) -> dict[str, float]:
        """Train on one batch: see ``ARAESteps.take``."""
        rows = batch_rows(len(self.ids), self.config.batch_size, step=step, seed=self.config.seed)
        return self.steps.take(self.ids[rows], step)

    def _add(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        self.progress.num_summed += 1

    def look(self) -> None:
        """Measure, close a line of metrics, and keep the weights if they are the best; the main process does."""
        if not self.processes.is_main:
            return
        progress, started = self.progress, time.monotonic()
        if not progress.references:
            progress.references = self.watch.references()
        means = {name: round(total / progress.num_summed, 5) for name, total in progress.sums.items()}
        found = self.watch.measure(self.model)
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()}
        line = {"step": progress.step, **means, **rounded}
        progress.best_tokens = max(progress.best_tokens, line["tokens_free"])
        if is_better(line, progress.best, best_tokens=progress.best_tokens):
            progress.best = line
            self.best.load_state_dict(self.model.state_dict())
        progress.metrics.append(line)
        progress.sums, progress.num_summed = {}, 0
        progress.watch_seconds += time.monotonic() - started
        _LOGGER.info("%s", line)

    def save(self) -> None:
        """Write the state that ``resume`` reads, and ``metrics.jsonl``; the main process does."""
        if not self.processes.is_main:
            return
        extra = {"settings": self.settings, "progress": asdict(self.progress), "recent": self.steps.recent}
        save_training_state(self.folder, self._modules(), self.steps.optimisers, {"run": self.steps.random}, extra)
        write_metrics(self.folder, self.progress.metrics)

    def resume(self) -> None:
        """Put the saved state back.

        Raises:
            ValueError: If there is none, or it belongs to other settings or data; the difference is named.
        """
        self.processes.wait()  # for the main one to have written, had it something to write
        generators = {"run": self.steps.random}
        extra = load_training_state(
            self.folder, self._modules(), self.steps.optimisers, generators, settings=self.settings
        )
        self.progress = _Progress(**extra["progress"])
        self.steps.recent = [codes.to(self.device) for codes in extra["recent"]]

    def _modules(self) -> dict[str, nn.Module]:
        return {"model": self.model, "best": self.best}


def train_arae(
    run: ARAERun, *, is_resumed: bool = False, watch_every: int = 1000, max_minutes: float | None = None
) -> ARAE:
    """Run the schedule and return the best weights, in evaluation mode; of several processes the main one knows them.

    Args:
        run: Model, data and settings.
        is_resumed: Go on from the state in the run's folder.
        watch_every: Batches between two watches, after each of which the state is saved.
        max_minutes: Stop after the batch that passes this time; the state is saved, then the present weights are
            watched and may be the best.  Resuming goes on from the saved state, exactly.

    Raises:
        ValueError: If ``watch_every`` is not positive, or there is no state of these settings to resume.
        FloatingPointError: If a loss is not finite.
    """
    if watch_every < 1:
        raise ValueError(f"expected watch_every of at least 1, got {watch_every}")
    if is_resumed:
        run.resume()
    is_finished = run.train(watch_every=watch_every, max_minutes=max_minutes)
    if not is_finished and run.processes.is_main:
        _LOGGER.warning("time is up after %d of %d batches", run.progress.step, run.config.num_steps)
        if run.progress.metrics[-1]["step"] != run.progress.step:
            run.look()
    return run.best.eval()
