"""The augmentation experiment: train every arm with every seed, measure all alike, and keep what was measured.

``measurements.json`` is written anew after every model and holds, for each model, a digit for each row of each test set
(1: right), so that every figure and every test of the report can be computed again from the file.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from textsem.data.nli import load_nli
from textsem.evaluation.augmentation_arms import CONTROLS, PLAIN
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.evaluation.augmentation_measures import (
    MeasuredSet,
    label_noise,
    load_measured_set,
    measure_cost,
    read_unseen,
    right_digits,
)
from textsem.evaluation.augmentation_training import ArmTraining, arm_new_rows, train_arms
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.evaluation.compare import CompareConfig, compare_attacks
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model
from textsem.evaluation.results import RESULTS_NAME, read_results
from textsem.evaluation.run_facts import package_versions
from textsem.evaluation.whole_files import write_json
from textsem.processes import Processes
from textsem.targets.loading import load_target

__all__ = ["MEASUREMENTS_NAME", "MeasureAugmentationConfig", "measure_augmentation"]

MEASUREMENTS_NAME = "measurements.json"


@dataclass(frozen=True)
class MeasureAugmentationConfig:
    """Every option of ``scripts/measure_augmentation.py``.

    Args:
        augmented: Our arms: name and output folder of ``scripts/augment_nli.py``.  The controls get as many rows as the
            first has, made from the same pairs.
        output: Folder of models, measurements, table and figure.
        data: Training data; its first ``limit`` rows of ``split`` are the base of every arm.
        split: Which split.
        limit: Base rows.
        dev_data: Chooses the epoch.
        test_data: Clean accuracy.
        other: Other test sets, by name.
        unseen: Attack runs by name, against a plain model that is no arm's.
        controls: Arms beside plain and ours.
        seeds: Of trainings.
        num_epochs: Passes over an arm's rows.
        batch_size: Pairs a step.
        fresh_attacks: Names of ``scripts/compare_attacks.py`` by which every model is attacked afresh.
        fresh_limit: Pairs of ``test_data`` for that.
        compare_options: Options of ``CompareConfig`` for them, ``judges`` and ``peers_script`` among them.
        judge: NLI model that scores label noise; took no part anywhere else.
        cost_pairs: Base pairs on which the cost is measured; 0 for not.
        num_workers: Models trained at once, one thread each.
        machine: What the report says of the machine.
    """

    augmented: Mapping[str, str]
    output: str = "runs/augmentation"
    data: str | None = None
    split: str = "train"
    limit: int = 30_000
    dev_data: str | None = None
    test_data: str | None = None
    other: Mapping[str, str] = field(default_factory=dict)
    unseen: Mapping[str, str] = field(default_factory=dict)
    controls: tuple[str, ...] = CONTROLS
    seeds: tuple[int, ...] = (0, 1, 2)
    num_epochs: int = 4
    batch_size: int = 64
    fresh_attacks: tuple[str, ...] = ()
    fresh_limit: int = 150
    compare_options: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    cost_pairs: int = 200
    num_workers: int = 1
    machine: str = "not stated"

    def __post_init__(self) -> None:
        """Check the names; lists become tuples."""
        for name in ("controls", "seeds", "fresh_attacks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = [name for name in self.controls if name not in CONTROLS]
        if unknown:
            raise ValueError(f"expected controls among {', '.join(CONTROLS)}, got {', '.join(unknown)}")
        if not self.augmented or not self.seeds:
            raise ValueError("expected at least one arm of augmented rows and one seed, got none")
        taken = [name for name in self.augmented if name in (PLAIN, *CONTROLS)]
        if taken:
            raise ValueError(f"expected names of our own for augmented rows, got {', '.join(taken)}")

    def arms(self) -> dict[str, str]:
        """Return the folder of augmented rows that each arm goes by."""
        first = next(iter(self.augmented.values()))
        return {**dict.fromkeys((PLAIN, *self.controls), first), **self.augmented}

    def jobs(self) -> list[ArmTraining]:
        """Return the trainings, seed by seed."""
        return [
            ArmTraining(
                arm,
                seed,
                augmented,
                data=self.data,
                split=self.split,
                limit=self.limit,
                dev_data=self.dev_data,
                num_epochs=self.num_epochs,
                batch_size=self.batch_size,
            )
            for seed in self.seeds
            for arm, augmented in self.arms().items()
        ]


def measure_augmentation(config: MeasureAugmentationConfig) -> dict[str, Any]:
    """Train, measure, and write ``measurements.json``; what is there already is not done again.

    Returns:
        What the file holds.

    Raises:
        ValueError: If an option, the data or a model does not fit, or an unseen attack was made against an arm's model.
    """
    Processes.current().expect_alone("an augmentation experiment")
    folder = Path(config.output)
    sets, against = _load_sets(config)
    path = folder / MEASUREMENTS_NAME
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    content: dict[str, Any] = {
        "settings": {**json.loads(json.dumps(asdict(config))), "versions": package_versions()},
        "sets": {name: rows.describe() for name, rows in sets.items()},
        "arms": _describe_arms(config, found.get("arms", {})),
        **{part: found.get(part, {}) for part in ("right", "fresh", "training_seconds")},
        "cost": found.get("cost") or _cost(config),
    }
    write_json(path, content)
    for job, model, facts in train_arms(
        config.jobs(), folder / "models", controls=config.controls, num_workers=config.num_workers
    ):
        digest = identify_model(str(model), BUNDLED_MODEL)["sha256"]
        if digest in against.values():
            names = [name for name, target in against.items() if target == digest]
            raise ValueError(f"expected attacks on a model that is no arm's, got {', '.join(names)} on {model.name}")
        arm, seed = job.arm, str(job.seed)
        content["training_seconds"].setdefault(arm, {})[seed] = facts["seconds"]
        known = content["right"].setdefault(arm, {}).setdefault(seed, {})
        target = load_target(str(model))
        for name, rows in sets.items():
            if len(known.get(name, "")) != len(rows.labels):
                known[name] = right_digits(target, rows)
        write_json(path, content)
        fresh = content["fresh"].setdefault(arm, {}).setdefault(seed, {})
        for attack in config.fresh_attacks:
            if attack not in fresh:
                fresh[attack] = _attack(config, attack, model, folder / "fresh" / model.name)
                write_json(path, content)
    return content


def _load_sets(config: MeasureAugmentationConfig) -> tuple[dict[str, MeasuredSet], dict[str, str | None]]:
    """Return the test sets by name, and the digest of the model that each unseen attack was made against."""
    sets = {"clean": load_measured_set(config.test_data, split="test", kind="clean")}
    against: dict[str, str | None] = {}
    for name, place in config.unseen.items():
        parts, against[name] = read_unseen(name, Path(place))
        sets |= parts
    for name, place in config.other.items():
        sets[name] = load_measured_set(place, split="test", kind="other")
    return sets, {name: digest for name, digest in against.items() if digest is not None}


def _describe_arms(config: MeasureAugmentationConfig, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return rows, origins and label noise of each arm; of an arm that was described before, the noise found then."""
    judge = None if config.judge is None else load_target(config.judge)
    base = load_nli(config.data, split=config.split, limit=config.limit)
    described = {}
    for arm, augmented in config.arms().items():
        new = arm_new_rows(ArmTraining(arm, config.seeds[0], augmented), config.controls)
        known = found.get(arm, {})
        described[arm] = {
            "num_rows": len(base) + len(new),
            "num_new": len(new),
            "origins": dict(Counter(row.origin for row in new)),
            "label_noise": known.get("label_noise") if known.get("num_new") == len(new) else None,
        }
        if judge is not None and described[arm]["label_noise"] is None:
            rows: Sequence[AugmentedRow] = new or [
                AugmentedRow(*row, original="", origin="")
                for row in zip(base.premises, base.hypotheses, base.labels, strict=True)
            ]
            described[arm]["label_noise"] = {"judge": Path(str(config.judge)).name, **label_noise(judge, rows)}
    return described


def _cost(config: MeasureAugmentationConfig) -> dict[str, Any] | None:
    """Return what our first arm's rows cost a pair, by the settings that lie beside them; None where none do."""
    settings = Path(next(iter(config.augmented.values()))) / "settings.json"
    if not config.cost_pairs or not settings.is_file():
        return None
    options = json.loads(settings.read_text(encoding="utf-8"))["augmentation"]
    pairs = load_nli(config.data, split=config.split, limit=config.cost_pairs)
    return dict(measure_cost(AugmentationConfig(**options), pairs))


def _attack(config: MeasureAugmentationConfig, attack: str, model: Path, folder: Path) -> dict[str, Any]:
    """Attack one model afresh and return how it held out."""
    options = {"limit": config.fresh_limit, "data": config.test_data, "target": str(model), "output": str(folder)}
    compare_attacks(CompareConfig(**{**config.compare_options, **options, "attacks": (attack,)}))
    results = read_results(folder / attack / RESULTS_NAME)
    right = "".join("1" if result.status in ("failed", "unsupported") else "0" for result in results)
    compared = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    valid = [row["valid"]["count"] for row in compared["rows"] if row["attack"] == attack]
    return {
        "pairs": len(results),
        "right_before": sum(result.status != "skipped" for result in results),
        "right_under_attack": right.count("1"),
        "valid": valid[0] if valid else None,
        "right": right,
    }
