"""Every option of the augmentation experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from textsem.evaluation.augmentation_arms import CONTROLS, PLAIN
from textsem.evaluation.augmentation_training import ArmTraining
from textsem.evaluation.compare import CompareConfig

__all__ = ["MeasureAugmentationConfig"]


@dataclass(frozen=True)
class MeasureAugmentationConfig:
    """Every option of ``scripts/measure_augmentation.py``.

    Args:
        augmented: Our arms: name and output folder of ``scripts/augment_nli.py``.  The controls get as many rows as the
            first has, made from the same pairs; of further ones that have more as many are drawn.
        output: Folder of models, measurements, table and figure.
        data: Training data; its first ``limit`` rows of ``split`` are the base of every arm.
        split: Which split.
        limit: Base rows.
        dev_data: Chooses the epoch.
        test_data: Clean accuracy.
        other: Other test sets, by name; ``:train`` or another split at the end names one.
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
        trained: Plain models that ``scripts/train_target.py`` has trained with the same settings on the same rows, by
            ``plain-SEED``; they are not trained again.
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
    trained: Mapping[str, str] = field(default_factory=dict)
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
        if self.num_workers < 1:
            raise ValueError(f"expected num_workers >= 1, got {self.num_workers}")
        if taken:
            raise ValueError(f"expected names of our own for augmented rows, got {', '.join(taken)}")
        if self.fresh_attacks:  # a wrong option is to be told before hours of training
            try:
                CompareConfig(**{**self.fresh_options(), "attacks": self.fresh_attacks})
            except TypeError as error:
                raise ValueError(f"expected compare_options to be those of CompareConfig: {error}") from error

    def arms(self) -> dict[str, str]:
        """Return the folder of augmented rows that each arm goes by."""
        return {**dict.fromkeys((PLAIN, *self.controls), self.beside()), **self.augmented}

    def beside(self) -> str:
        """Return the folder of the rows that no arm has more of."""
        return next(iter(self.augmented.values()))

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
                beside=self.beside(),
            )
            for seed in self.seeds
            for arm, augmented in self.arms().items()
        ]

    def fresh_options(self) -> dict[str, Any]:
        """Return the options of a fresh attack."""
        return {**self.compare_options, "limit": self.fresh_limit, "data": self.test_data}
