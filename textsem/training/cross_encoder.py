"""Fine-tune a pre-trained encoder on NLI pairs: a classifier that reads premise and hypothesis together.

What the constraints use as a filter model, and a report as a second judge, comes from here: a user who has an encoder
and pairs makes one in half an hour on a core.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from textsem.processes import Processes
from textsem.runs.checkpoint import load_training_state, save_training_state
from textsem.runs.training_loop import write_metrics
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.text.half_products import tell_if_slow
from textsem.text.labels import LABEL_NAMES
from textsem.text.pretrained import load_pretrained
from textsem.training.labelled_pairs import LabelledPairs, accuracy, epoch_batches
from textsem.training.parallel import add_up_gradients, own_random_numbers
from textsem.training.target_report import RunDescription, write_card

__all__ = ["CrossEncoderConfig", "train_cross_encoder"]

_LOGGER = logging.getLogger(__name__)
_LOSS_WINDOW = 500  # steps that one line of metrics.jsonl averages


@dataclass(frozen=True)
class CrossEncoderConfig:
    """Settings of one run; with the base model and the data they fix the outcome.

    Args:
        num_epochs: Passes over the pairs.
        batch_size: Pairs a step.
        learning_rate: AdamW's step size after warming up; it falls linearly to zero.
        warmup_share: Share of the steps in which the step size rises linearly from zero.
        weight_decay: AdamW's.
        max_gradient_norm: Gradients are scaled down to this norm.
        max_tokens: A longer pair is cut, the longer sentence first.
        precision: Of the matrix products; ``bfloat16`` pays where the processor knows it.
        seed: Of the new layer, order and dropout.
    """

    num_epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 8e-5
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    max_tokens: int = 96
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    seed: int = 0


def train_cross_encoder(
    base: str,
    train: LabelledPairs,
    dev: LabelledPairs,
    config: CrossEncoderConfig,
    folder: Path,
    *,
    description: RunDescription | None = None,
    is_resumed: bool = False,
    checkpoint_every: int = 500,
    processes: Processes | None = None,
) -> HuggingFaceTarget:
    """Fine-tune ``base`` on ``train``, report on ``dev``, save all in ``folder`` in the format of transformers.

    A run that was killed and resumed ends with the same weights as one that was not (same machine, same number of
    threads).  Torch's global random state is seeded inside and put back before returning.

    Several processes (``accelerate launch``) share the rows of every batch and take the same steps; each drops out by
    numbers of its own, so that their outcome is one process's but for rounding where nothing is dropped out.  The main
    process writes; a run may be resumed by another number of them.

    Args:
        base: Folder or hub id of any encoder with a tokenizer.
        train: Pairs to learn from.
        dev: Pairs for the card's figure; nothing is chosen by it.
        config: Everything else that shapes the outcome.
        folder: Output: ``config.json``, ``model.safetensors`` (float16), tokenizer, ``README.md``, ``metrics.jsonl``.
        description: What the card says about data and command.
        is_resumed: Go on from the state in ``folder``.
        checkpoint_every: Steps between two saved states.
        processes: Those that train; None: as the environment says.

    Returns:
        The saved model, loaded back.

    Raises:
        ValueError: If there are no pairs, nothing can be loaded from ``base``, or the state belongs to other settings.
    """
    if not len(train.labels) or not len(dev.labels):
        raise ValueError(f"expected training and development pairs, got {len(train.labels)} and {len(dev.labels)}")
    processes = Processes.current() if processes is None else processes
    settings = {"base": Path(base).name, "training": asdict(config), "num_pairs": len(train.labels)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        run = _Run(base, train, config, folder, processes, settings=settings, checkpoint_every=checkpoint_every)
        if is_resumed:
            run.resume()
        run.train()
    if processes.is_main:
        run.model.half().save_pretrained(folder)
        run.tokenizer.save_pretrained(folder)
    processes.wait()
    saved = HuggingFaceTarget(str(folder))
    figures = {"dev_accuracy": accuracy(saved, dev, processes=processes), "seconds": run.seconds}
    figures |= {"processes": processes.count} if processes.count > 1 else {}
    if processes.is_main:
        write_card(
            folder,
            description or RunDescription(),
            settings=settings,
            figures=figures,
            title="A fine-tuned encoder that reads premise and hypothesis together",
            purpose="Made to filter candidates or to judge them, never both in one run.",
            is_chosen=False,
        )
    processes.wait()
    return saved


class _Run:
    """The loop of ``train_cross_encoder``: holds what a saved state holds."""

    def __init__(
        self,
        base: str,
        train: LabelledPairs,
        config: CrossEncoderConfig,
        folder: Path,
        processes: Processes,
        *,
        settings: dict[str, Any],
        checkpoint_every: int,
    ) -> None:
        from transformers import get_linear_schedule_with_warmup

        self.config, self.folder, self.settings, self.checkpoint_every = config, folder, settings, checkpoint_every
        self.processes = processes
        tell_if_slow(config.precision, "cpu")
        self.tokenizer, self.model = _load_base(base)
        encoded = self.tokenizer(
            list(train.premises), list(train.hypotheses), truncation="longest_first", max_length=config.max_tokens
        )
        self.rows = {name: encoded[name] for name in encoded}
        self.labels = torch.tensor(list(train.labels))
        self.lengths = [(len(ids), 0) for ids in self.rows["input_ids"]]
        steps = -(-len(self.lengths) // config.batch_size) * config.num_epochs
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        warmup = int(config.warmup_share * steps)
        self.schedule = get_linear_schedule_with_warmup(self.optimiser, warmup, steps)  # type: ignore[no-untyped-call]
        self.done, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self.metrics: list[dict[str, float]] = []

    def save(self) -> None:
        if not self.processes.is_main:
            return
        extra = {
            "settings": self.settings,
            "progress": [self.done, self.seconds, self.losses, self.metrics],
            "schedule": self.schedule.state_dict(),
        }
        save_training_state(self.folder, {"model": self.model}, {"adamw": self.optimiser}, {}, extra)
        write_metrics(self.folder, self.metrics)

    def resume(self) -> None:
        self.processes.wait()  # for the main one to have written, had it something to write
        parts = {"model": self.model}, {"adamw": self.optimiser}
        extra = load_training_state(self.folder, *parts, {}, settings=self.settings)
        self.done, self.seconds, self.losses, self.metrics = extra["progress"]
        self.schedule.load_state_dict(extra["schedule"])

    def train(self) -> None:
        """Take all the steps that are left."""
        config, started = self.config, time.monotonic() - self.seconds
        batches = [
            batch
            for epoch in range(config.num_epochs)
            for batch in epoch_batches(self.lengths, config.batch_size, seed=config.seed, epoch=epoch)
        ]
        self.model.train()
        is_main = self.processes.is_main
        for rows in tqdm(batches[self.done :], desc="cross-encoder", unit="step", mininterval=5.0, disable=not is_main):
            self.losses.append(self.step(rows))
            self.done += 1
            self.seconds = time.monotonic() - started
            if len(self.losses) == _LOSS_WINDOW or self.done == len(batches):
                loss = sum(self.losses) / len(self.losses)
                self.metrics.append({"step": self.done, "train_loss": loss, "seconds": round(self.seconds)})
                if is_main:
                    _LOGGER.info("step %d of %d: loss %.4f nats a pair", self.done, len(batches), loss)
                self.losses = []
            if self.done % self.checkpoint_every == 0 or self.done == len(batches):
                self.save()

    def step(self, rows: Sequence[int]) -> float:
        """Take one step on the cross-entropy (nats a pair) of these rows and return it."""
        own = [rows[i] for i in self.processes.share(len(rows))]
        own_random_numbers(self.config.seed, self.done, self.processes)
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros(())
        if own:  # the last batch may have fewer rows than there are processes
            loss = self.loss(own) * (len(own) / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
        value = add_up_gradients(self.model.parameters(), loss, self.processes)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_gradient_norm)
        self.optimiser.step()
        self.schedule.step()
        if value != value:
            raise ValueError(f"expected a finite loss, got {value} in step {self.done + 1}")
        return value

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Return the cross-entropy of rows, their mean."""
        batch = self.tokenizer.pad(
            {name: [values[row] for row in rows] for name, values in self.rows.items()}, return_tensors="pt"
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = self.model(**batch).logits
        return nn.functional.cross_entropy(logits.float(), self.labels[list(rows)])


def _load_base(base: str) -> tuple[Any, Any]:
    """Return tokenizer and a classifier of three labels; its last layer is new unless the base has one of three."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    id2label = dict(enumerate(LABEL_NAMES))
    labels = {"num_labels": len(id2label), "id2label": id2label, "label2id": {v: k for k, v in id2label.items()}}

    def load(is_local: bool) -> tuple[Any, Any]:
        options = {"local_files_only": is_local, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(base, **options)
        return tokenizer, AutoModelForSequenceClassification.from_pretrained(base, **options, **labels)

    tokenizer, model = load_pretrained(base, load, kind="an encoder with its tokenizer")
    return tokenizer, model.float()
