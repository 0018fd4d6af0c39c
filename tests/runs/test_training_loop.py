"""The loop: when it saves, what a line of metrics means, and how it ends and goes on."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

import pytest

from textsem.runs.training_loop import Progress, train_to_the_end, write_metrics


class Counting:
    """A run of seven batches in two stages whose loss is the number of the batch; saves into a list."""

    num_steps = 7

    def __init__(self, saved: list[Progress] | None = None) -> None:
        self.progress, self.saved = Progress(), saved if saved is not None else []
        self.trained_on: list[int] = []

    def phase(self, step: int) -> str:
        return "first" if step < 4 else "second"

    def step(self, step: int) -> dict[str, float]:
        self.trained_on.append(step)
        return {"reconstruction": float(step), **({"flips": 1.0} if step == 5 else {})}

    def save(self) -> None:
        self.saved.append(Progress(**json.loads(json.dumps(asdict(self.progress)))))

    def resume(self) -> None:
        self.progress = self.saved[-1]


def test_lines_are_means_over_the_batches_that_had_a_loss() -> None:
    run = Counting()
    assert train_to_the_end(run, is_resumed=False, checkpoint_every=3, max_minutes=None)
    assert run.progress.metrics == [
        {"step": 3, "phase": "first", "reconstruction": 1.0},
        {"step": 6, "phase": "second", "reconstruction": 4.0, "flips": 1.0},
        {"step": 7, "phase": "second", "reconstruction": 6.0},
    ]
    assert [progress.step for progress in run.saved] == [3, 6, 7]
    assert run.saved[0].metrics == run.progress.metrics[:1]
    assert (run.progress.sums, run.progress.counts) == ({}, {})


def test_a_run_that_the_clock_stopped_goes_on_where_it_was(caplog: pytest.LogCaptureFixture) -> None:
    whole = Counting()
    train_to_the_end(whole, is_resumed=False, checkpoint_every=3, max_minutes=None)
    stopped = Counting()
    assert not train_to_the_end(stopped, is_resumed=False, checkpoint_every=3, max_minutes=0.0)
    assert [progress.step for progress in stopped.saved] == [1]
    assert "time is up after 1 of 7 batches" in caplog.text
    resumed = Counting(stopped.saved)
    assert train_to_the_end(resumed, is_resumed=True, checkpoint_every=3, max_minutes=None)
    assert resumed.trained_on == list(range(1, 7))
    assert resumed.progress.metrics == whole.progress.metrics
    assert resumed.progress.seconds >= stopped.progress.seconds > 0


def test_all_stop_when_one_process_is_late_and_only_the_main_one_tells(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run, asked = Counting(), []

    def agree(is_here: bool) -> bool:
        asked.append(is_here)
        return len(asked) == 2

    finished = train_to_the_end(run, is_resumed=False, checkpoint_every=1, max_minutes=60.0, is_main=False, agree=agree)
    assert (finished, asked, run.progress.step) == (False, [False, False], 2)
    assert not caplog.records


def test_checkpoints_are_at_least_a_batch_apart() -> None:
    with pytest.raises(ValueError, match="expected checkpoint_every of at least 1, got 0"):
        train_to_the_end(Counting(), is_resumed=False, checkpoint_every=0, max_minutes=None)


def test_metrics_are_one_object_a_line(tmp_path: Path) -> None:
    write_metrics(tmp_path, [{"step": 1}, {"step": 2, "loss": 0.5}])
    assert (tmp_path / "metrics.jsonl").read_text(encoding="utf-8") == '{"step": 1}\n{"step": 2, "loss": 0.5}\n'
