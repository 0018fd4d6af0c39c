"""Train the models of the augmentation experiment: one for each arm and seed, several at once, none of them twice."""

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textsem.data.nli import load_nli
from textsem.evaluation.augmentation_arms import PLAIN, arm_rows, joined
from textsem.evaluation.augmented_rows import AugmentedRow, read_new_rows
from textsem.evaluation.whole_files import write_json

__all__ = ["ArmTraining", "arm_new_rows", "train_arms"]

JOB_NAME, DONE_NAME = "arm.json", "trained.json"


@dataclass(frozen=True)
class ArmTraining:
    """How one model is trained.

    Args:
        arm: ``plain``, a control of `augmentation_arms`, or a name of ours.
        seed: Of the training, and of a control's words.
        augmented: Our rows: an output folder of ``scripts/augment_nli.py``; for a control, those that it stands beside.
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

    def folder_name(self) -> str:
        """Return the name of the model's folder."""
        return f"{self.arm.replace(' ', '-')}-{self.seed}"


def arm_new_rows(job: ArmTraining, controls: Sequence[str]) -> list[AugmentedRow]:
    """Return what the arm adds to the base rows; nothing for ``plain``."""
    if job.arm == PLAIN:
        return []
    ours = read_new_rows(Path(job.augmented))
    return arm_rows(job.arm, ours, seed=job.seed) if job.arm in controls else ours


def train_arms(
    jobs: Sequence[ArmTraining], folder: Path, *, controls: Sequence[str], num_workers: int = 1
) -> Iterator[tuple[ArmTraining, Path, dict[str, Any]]]:
    """Train what is not trained and yield each job as it is finished, with its model and what was measured of it.

    A model that is there is taken as it is if it was trained by the same job on the same rows; one that was cut off is
    trained on.  Each process computes on one thread, so that a model does not depend on how many there are.

    Args:
        jobs: Which models.
        folder: Gets one folder a model.
        controls: Names of the arms whose rows are made from ours.
        num_workers: How many are trained at once.

    Raises:
        ValueError: If a folder holds the model of another job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_train, job, folder / job.folder_name(), tuple(controls)): job for job in jobs}
        for done in as_completed(waiting):
            job = waiting[done]
            yield job, folder / job.folder_name(), done.result()


def _train(job: ArmTraining, folder: Path, controls: tuple[str, ...]) -> dict[str, Any]:
    """Train one model, unless it is there; runs in a process of its own."""
    import torch

    from textsem.targets.attention import AttentionConfig
    from textsem.training.checkpoint import TRAINING_STATE_FILE
    from textsem.training.target import TargetTrainingConfig, train_target

    torch.set_num_threads(1)
    new = arm_new_rows(job, controls)
    base = load_nli(job.data, split=job.split, limit=job.limit)
    pairs = joined(base, new)
    described = json.loads(json.dumps({**asdict(job), "base": base.identity.sha256, "new_rows": _digest(new)}))
    if (folder / JOB_NAME).is_file():
        found = json.loads((folder / JOB_NAME).read_text(encoding="utf-8"))
        places = ("data", "dev_data", "augmented")  # where things lie does not matter, what they are does
        if {k: v for k, v in found.items() if k not in places} != {
            k: v for k, v in described.items() if k not in places
        }:
            raise ValueError(f"expected the model of {described} in {folder.name}, got that of {found}: remove it")
    if (folder / DONE_NAME).is_file():
        return dict(json.loads((folder / DONE_NAME).read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / JOB_NAME, described)
    began = time.monotonic()
    train_target(
        pairs,
        load_nli(job.dev_data or job.data, split=job.dev_split),
        AttentionConfig(),
        TargetTrainingConfig(num_epochs=job.num_epochs, batch_size=job.batch_size, seed=job.seed),
        folder,
        is_resumed=(folder / TRAINING_STATE_FILE).is_file(),
    )
    facts = {"seconds": time.monotonic() - began, "rows": len(pairs.labels), "new_rows": len(new)}
    write_json(folder / DONE_NAME, facts)
    return facts


def _digest(rows: Sequence[AugmentedRow]) -> str:
    """Return a digest of rows in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(list(asdict(row).values())).encode() + b"\n")
    return digest.hexdigest()
