"""The loop of an adversary's training: batch after batch, means of losses, saved states, an end by the clock."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from textsem.runs.checkpoint import write_text

__all__ = ["Progress", "TrainingRun", "train_to_the_end", "write_metrics"]

_LOGGER = logging.getLogger(__name__)


def write_metrics(folder: Path, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write ``metrics.jsonl``: one JSON object a line."""
    write_text(folder / "metrics.jsonl", "".join(json.dumps(dict(line)) + "\n" for line in metrics))


@dataclass
class Progress:
    """Where a run stands: what a saved state holds of its loop, as plain types.

    Args:
        step: Batches done.
        seconds: What they took.
        sums: Of every loss since the last line of metrics.
        counts: Batches since then that had it.
        metrics: Lines closed so far.
    """

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)

    def add(self, losses: Mapping[str, float]) -> None:
        """Add the losses of a batch to those of the open line."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def close_line(self, phase: str) -> dict[str, Any]:
        """End the open line and return it: the mean of each loss over the batches that had it.

        Args:
            phase: Stage of the last batch.
        """
        means = {name: round(total / self.counts[name], 5) for name, total in self.sums.items()}
        self.metrics.append({"step": self.step, "phase": phase, **means})
        self.sums, self.counts = {}, {}
        return self.metrics[-1]


class TrainingRun(Protocol):
    """What the loop asks of a run."""

    progress: Progress

    @property
    def num_steps(self) -> int:
        """Batches of all stages."""
        ...

    def phase(self, step: int) -> str:
        """Return the stage that a batch belongs to."""
        ...

    def step(self, step: int) -> dict[str, float]:
        """Train on a batch and return its losses, ``reconstruction`` among them."""
        ...

    def save(self) -> None:
        """Write the state that ``resume`` reads."""
        ...

    def resume(self) -> None:
        """Put the saved state back."""
        ...


def train_to_the_end(
    run: TrainingRun,
    *,
    is_resumed: bool,
    checkpoint_every: int,
    max_minutes: float | None,
    is_main: bool = True,
    agree: Callable[[bool], bool] = bool,
) -> bool:
    """Train until all steps are done (True), or until time is up (False); the state is saved then.

    Args:
        run: Model, data, settings and progress; changed in place.
        is_resumed: Go on from the run's saved state.
        checkpoint_every: Batches between two lines of metrics, after each of which the state is saved.
        max_minutes: Stop after the batch that passes this time; resuming goes on exactly.
        is_main: Whether this process shows and logs how far it is.
        agree: Tells in every process whether a thing is so in any, so that all stop after the same batch.

    Raises:
        ValueError: If ``checkpoint_every`` is not positive, or there is no state of these settings to resume.
        FloatingPointError: If a loss is not finite.
    """
    if checkpoint_every < 1:
        raise ValueError(f"expected checkpoint_every of at least 1, got {checkpoint_every}")
    if is_resumed:
        run.resume()
    progress, total = run.progress, run.num_steps
    started = time.monotonic() - progress.seconds
    with tqdm(
        total=total, initial=progress.step, desc="adversary", unit="batch", mininterval=5.0, disable=not is_main
    ) as bar:
        while progress.step < total:
            phase, losses = run.phase(progress.step), run.step(progress.step)
            progress.step += 1
            progress.seconds = time.monotonic() - started
            progress.add(losses)
            bar.update()
            bar.set_postfix(phase=phase, loss=f"{losses['reconstruction']:.3f}", refresh=False)
            is_due = progress.step % checkpoint_every == 0 or progress.step == total
            if is_due:
                line = progress.close_line(phase)
                if is_main:
                    _LOGGER.info("%s", line)
            is_late = max_minutes is not None and agree(progress.seconds > 60 * max_minutes)
            if is_due or is_late:
                run.save()
            if is_late:
                if is_main:
                    _LOGGER.warning("time is up after %d of %d batches", progress.step, total)
                return False
    return True
