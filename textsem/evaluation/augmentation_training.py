"""Train the models of the augmentation experiment: one for each arm and seed, several at once, none of them twice."""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textsem.data.nli import NliData, load_nli
from textsem.evaluation.augmentation_arms import PLAIN, arm_rows, joined
from textsem.evaluation.augmented_rows import AugmentedRow, read_new_rows
from textsem.evaluation.trained_targets import check_trained, network_and_training, seconds_of_training
from textsem.runs.folder_lock import FolderLock
from textsem.runs.whole_files import write_json

__all__ = ["ArmTraining", "arm_new_rows", "train_arms"]

# A folder down, where they are no part of the model's digest: it is the same wherever and whenever it is trained.
JOB_NAME, DONE_NAME, LOG_NAME = "experiment/arm.json", "experiment/trained.json", "training.log"
PLACES = ("data", "dev_data", "augmented", "beside")  # where things lie does not matter, what they are does
_SAMPLE_SEED = 0

Trained = tuple["ArmTraining", Path, dict[str, Any]]


@dataclass(frozen=True)
class ArmTraining:
    """How one model is trained.

    Args:
        arm: ``plain``, a control of `augmentation_arms`, or a name of ours.
        seed: Of the training, and of a control's words.
        augmented: Our rows: an output folder of ``scripts/augment_nli.py``; for a control, those that it stands beside.
        beside: Folder of other rows of ours: no more than those are taken, drawn at random, for a fair comparison.
        data: Training data, as ``load_nli`` takes it.
        split: Which split.
        limit: Base rows, from the start.
        dev_data: Chooses the epoch.
        dev_split: Which split.
        num_epochs: Passes over base and new rows.
        batch_size: Pairs a step.
    """

    arm: str
    seed: int
    augmented: str
    data: str | None = None
    split: str = "train"
    limit: int = 30_000
    dev_data: str | None = None
    dev_split: str = "dev"
    num_epochs: int = 4
    batch_size: int = 64
    beside: str | None = None

    def folder_name(self) -> str:
        """Return the name of the model's folder."""
        return f"{self.arm.replace(' ', '-')}-{self.seed}"

    def pairs(self) -> tuple[NliData, NliData]:
        """Return the base rows, and the rows that choose the epoch."""
        base = load_nli(self.data, split=self.split, limit=self.limit)
        return base, load_nli(self.dev_data or self.data, split=self.dev_split)


def arm_new_rows(job: ArmTraining, controls: Sequence[str]) -> list[AugmentedRow]:
    """Return what the arm adds to the base rows; nothing for ``plain``."""
    if job.arm == PLAIN:
        return []
    ours = read_new_rows(Path(job.augmented))
    if job.beside is not None:
        most = len(read_new_rows(Path(job.beside)))
        taken = random.Random(_SAMPLE_SEED).sample(range(len(ours)), min(most, len(ours)))
        ours = [ours[i] for i in sorted(taken)]
    return arm_rows(job.arm, ours, seed=job.seed) if job.arm in controls else ours


def train_arms(
    jobs: Sequence[ArmTraining],
    folder: Path,
    *,
    controls: Sequence[str],
    num_workers: int = 1,
    trained: Mapping[str, str] | None = None,
) -> Generator[Trained]:
    """Train what is not trained and yield each job as it is finished, with its model and what was measured of it.

    A model that is there is taken as it is if it was trained by the same job on the same rows; one that was cut off is
    trained on.  Each process computes on one thread, so that a model does not depend on how many there are; what it
    says goes to ``training.log`` beside the model.

    Args:
        jobs: Which models.
        folder: Gets one folder a model.
        controls: Names of the arms whose rows are made from ours.
        num_workers: How many are trained at once.
        trained: Plain models of ``scripts/train_target.py`` that stand for a training, by the job's folder name.

    Raises:
        ValueError: If a folder holds the model of another job, or another process trains in it.
        ChildProcessError: If a worker dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known, by_name = dict(trained or {}), {job.folder_name(): job for job in jobs}
    unknown = [name for name in known if name not in by_name]
    if unknown:
        raise ValueError(f"expected trained models for {', '.join(by_name)}, got {', '.join(unknown)}")
    for name, place in known.items():
        yield by_name[name], Path(place), _facts_of(by_name[name], Path(place))
    waiting = [job for job in jobs if job.folder_name() not in known]
    yield from _by_workers(waiting, folder, tuple(controls), num_workers)


def _facts_of(job: ArmTraining, place: Path) -> dict[str, Any]:
    """Return what is known of a model that was trained elsewhere, after making sure that the job would give it."""
    if job.arm != PLAIN:
        raise ValueError(f"expected a trained model of the arm {PLAIN}, got one for {job.folder_name()}")
    base, dev = job.pairs()
    network, training = network_and_training(job.num_epochs, job.batch_size, job.seed)
    check_trained(place, network, training, train_data=base, dev_data=dev)
    return {"seconds": seconds_of_training(place), "processor_seconds": None, "rows": len(base), "new_rows": 0}


def _by_workers(
    jobs: Sequence[ArmTraining], folder: Path, controls: tuple[str, ...], num_workers: int
) -> Generator[Trained]:
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        num_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    is_done = False
    try:
        waiting = {executor.submit(_train, job, folder / job.folder_name(), controls): job for job in jobs}
        for done in as_completed(waiting):
            job = waiting[done]
            yield job, folder / job.folder_name(), done.result()
        is_done = True
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "expected every training to end, got a process that died: perhaps memory did not suffice; take fewer with "
            "--num-workers and give the same command again, which goes on"
        ) from error
    finally:
        if not is_done:  # nobody waits for models that nobody will measure; their states stay
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Make a process ready: one thread, deaf to Ctrl-C, which the main process hears, and gone when that is gone."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _train(job: ArmTraining, folder: Path, controls: tuple[str, ...]) -> dict[str, Any]:
    """Train one model, unless it is there; runs in a process of its own."""
    from textsem.runs.checkpoint import TRAINING_STATE_FILE
    from textsem.training.target import train_target

    new = arm_new_rows(job, controls)
    base, dev = job.pairs()
    pairs = joined(base, new)
    digests = {"base": base.identity.sha256, "dev": dev.identity.sha256, "new_rows": _digest(new)}
    described = json.loads(json.dumps({**asdict(job), **digests}))
    (folder / JOB_NAME).parent.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        if (folder / JOB_NAME).is_file():
            found = json.loads((folder / JOB_NAME).read_text(encoding="utf-8"))
            if _binding(found) != _binding(described):
                raise ValueError(f"expected the model of {described} in {folder.name}, got that of {found}: remove it")
        if (folder / DONE_NAME).is_file():
            return dict(json.loads((folder / DONE_NAME).read_text(encoding="utf-8")))
        write_json(folder / JOB_NAME, described)
        network, training = network_and_training(job.num_epochs, job.batch_size, job.seed)
        is_cut_off = (folder / TRAINING_STATE_FILE).is_file()
        began = time.process_time()
        with (folder / LOG_NAME).open("a", encoding="utf-8") as log, redirect_stderr(log):
            train_target(pairs, dev, network, training, folder, is_resumed=is_cut_off)
        facts = {
            "seconds": seconds_of_training(folder),
            "processor_seconds": None if is_cut_off else time.process_time() - began,
            "rows": len(pairs.labels),
            "new_rows": len(new),
        }
        write_json(folder / DONE_NAME, facts)
        return facts
    finally:
        lock.release()


def _binding(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in PLACES}


def _digest(rows: Sequence[AugmentedRow]) -> str:
    """Return a digest of what is trained on, in its order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.premise, row.hypothesis, row.label]).encode() + b"\n")
    return digest.hexdigest()
