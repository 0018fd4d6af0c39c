"""The augmentation experiment: train every arm with every seed, measure all alike, and keep what was measured.

``measurements.json`` is written anew after every model and holds, for each model, a digit for each row of each test set
(1: right), so that every figure and every test of the report can be computed again from the file.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from textsem.data.nli import load_nli
from textsem.evaluation.augmentation_arms import PLAIN
from textsem.evaluation.augmentation_fresh import attack_afresh
from textsem.evaluation.augmentation_measures import (
    Augmenter,
    MeasuredSet,
    load_measured_set,
    read_unseen,
    right_digits,
)
from textsem.evaluation.augmentation_training import ArmTraining, train_arms
from textsem.evaluation.described_arms import check_judge, cost_of_rows, describe_arms
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model
from textsem.evaluation.measure_augmentation_config import MeasureAugmentationConfig
from textsem.processes import Processes
from textsem.runs.folder_lock import FolderLock
from textsem.runs.versions import package_versions
from textsem.runs.whole_files import check_writable, write_json
from textsem.targets.loading import load_target

__all__ = ["MEASUREMENTS_NAME", "measure_augmentation"]

MEASUREMENTS_NAME = "measurements.json"
PARTS = ("models", "right", "fresh", "training_seconds", "processor_seconds")  # by arm and seed

logger = logging.getLogger(__name__)


def measure_augmentation(config: MeasureAugmentationConfig, *, augmenter: Augmenter | None = None) -> dict[str, Any]:
    """Train, measure, and write ``measurements.json``; what is there already is not done again.

    Args:
        config: The options.
        augmenter: Makes what makes rows, `textsem.augmentation.AdversarialAugmenter`, for their cost; None: no cost.

    Returns:
        What the file holds.

    Raises:
        ValueError: If an option, the data or a model does not fit, or an unseen attack was made against an arm's model.
        PeerError: If a peer's process fails; what was written stays, and the same call continues.
    """
    Processes.current().expect_alone("an augmentation experiment")
    folder = Path(config.output)
    check_writable(folder)
    lock = FolderLock(folder)
    try:
        return _measure(config, folder, augmenter)
    finally:
        lock.release()


def _measure(config: MeasureAugmentationConfig, folder: Path, augmenter: Augmenter | None) -> dict[str, Any]:
    sets, against = _load_sets(config)
    jobs, models = config.jobs(), folder / "models"
    for job in jobs:
        _refuse_own(Path(config.trained.get(job.folder_name(), models / job.folder_name())), against)
    if config.judge is not None:
        check_judge(config.judge, config.augmented)
    content = _begin(config, sets, folder / MEASUREMENTS_NAME)
    if augmenter is not None and config.cost_pairs and content["cost"] is None:
        pairs = load_nli(config.data, split=config.split, limit=config.cost_pairs)
        num_pairs = content["settings"]["identity"]["data"]["rows"]
        content["cost"] = cost_of_rows(config.beside(), pairs, augmenter, num_pairs=num_pairs)
    training = train_arms(
        jobs, models, controls=config.controls, num_workers=config.num_workers, trained=config.trained
    )
    with closing(training):
        for number, (job, model, facts) in enumerate(training, start=1):
            _refuse_own(model, against)
            _measure_model(config, job, model, facts, sets, content)
            logger.info("%s: %d of %d models measured", job.folder_name(), number, len(jobs))
    return content


def _begin(config: MeasureAugmentationConfig, sets: Mapping[str, MeasuredSet], path: Path) -> dict[str, Any]:
    """Write what is known before any model is: options, sets, arms, cost; of an earlier call, what still holds."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    data = load_nli(config.data, split=config.split, limit=config.limit)
    dev = load_nli(config.dev_data or config.data, split="dev")
    identities = {"data": data.identity, "dev_data": dev.identity}
    settings = {
        **json.loads(json.dumps(asdict(config))),
        "versions": package_versions(),
        "identity": {
            role: {"name": Path(identity.source).name, "rows": identity.rows, "sha256": identity.sha256}
            for role, identity in identities.items()
        },
    }
    content: dict[str, Any] = {
        "settings": settings,
        "sets": {name: rows.describe() for name, rows in sets.items()},
        "arms": describe_arms(
            config.arms(), data, beside=config.beside(), seed=config.seeds[0], controls=config.controls,
            judge_name=config.judge, found=found.get("arms", {}),
        ),
        **{part: found.get(part, {}) for part in PARTS},
        "cost": found.get("cost"),
    }  # fmt: skip
    for seeds in content["right"].values():  # digits of a set that was another one then
        for digits in seeds.values():
            for name in [name for name in digits if content["sets"].get(name) != found["sets"].get(name)]:
                del digits[name]
    before = found.get("settings", {})
    if any(before.get(name) != settings[name] for name in ("fresh_limit", "test_data", "compare_options")):
        content["fresh"] = {}
    write_json(path, content)
    return content


def _measure_model(
    config: MeasureAugmentationConfig,
    job: ArmTraining,
    model: Path,
    facts: Mapping[str, Any],
    sets: Mapping[str, MeasuredSet],
    content: dict[str, Any],
) -> None:
    """Fill in what the content lacks of one model, and write it after each part."""
    path = Path(config.output) / MEASUREMENTS_NAME
    arm, seed, digest = job.arm, str(job.seed), identify_model(str(model), BUNDLED_MODEL)["sha256"]
    own = {part: content[part].setdefault(arm, {}) for part in PARTS}
    if own["models"].get(seed) != digest:  # what was measured was measured of another model
        own["right"][seed], own["fresh"][seed] = {}, {}
    own["models"][seed], own["training_seconds"][seed] = digest, facts["seconds"]
    own["processor_seconds"][seed] = facts.get("processor_seconds")
    right, fresh = own["right"].setdefault(seed, {}), own["fresh"].setdefault(seed, {})
    plain = [spent for spent in content["processor_seconds"].get(PLAIN, {}).values() if spent]
    if content["cost"] and plain:  # both in processor time, which other work on the machine does not stretch
        content["cost"]["share_of_training"] = content["cost"]["seconds_of_augmentation"] / fmean(plain)
    target = load_target(str(model))
    right |= {name: right_digits(target, rows) for name, rows in sets.items() if name not in right}
    write_json(path, content)
    missing = [attack for attack in config.fresh_attacks if attack not in fresh]
    if missing:
        place = Path(config.output) / "fresh" / job.folder_name()
        fresh |= attack_afresh(missing, config.fresh_options(), model, place)
        write_json(path, content)


def _load_sets(config: MeasureAugmentationConfig) -> tuple[dict[str, MeasuredSet], dict[str, str | None]]:
    """Return the test sets by name, and the digest of the model that each unseen attack was made against."""
    sets = {"clean": load_measured_set(config.test_data, kind="clean")}
    against: dict[str, str | None] = {}
    for name, place in config.unseen.items():
        parts, against[name] = read_unseen(name, Path(place))
        sets |= parts
    for name, place in config.other.items():
        sets[name] = load_measured_set(place, kind="other")
    return sets, {name: digest for name, digest in against.items() if digest is not None}


def _refuse_own(model: Path, against: Mapping[str, str | None]) -> None:
    """Refuse unseen attacks that were made against a model of an arm, which has seen them in a way."""
    digest = identify_model(str(model), BUNDLED_MODEL)["sha256"]
    names = [name for name, target in against.items() if target == digest]
    if names:
        raise ValueError(f"expected attacks on a model that is no arm's, got {', '.join(names)} on {model.name}")
