"""What is said of the arms of the augmentation experiment before any model is trained: rows, label noise, cost."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from textsem.data.nli import NliData
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.evaluation.augmentation_measures import Augmenter, label_noise, measure_cost
from textsem.evaluation.augmentation_training import ArmTraining, arm_new_rows
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.evaluation.identity import BUNDLED_MODEL, check_independent, identify_model
from textsem.targets.loading import load_target

__all__ = ["check_judge", "cost_of_rows", "describe_arms"]

SETTINGS_NAME = "settings.json"  # of scripts/augment_nli.py


def describe_arms(
    arms: Mapping[str, str],
    base: NliData,
    *,
    beside: str,
    seed: int,
    controls: Sequence[str],
    judge_name: str | None,
    found: Mapping[str, Any],
) -> dict[str, Any]:
    """Return rows, origins and label noise of each arm.

    Args:
        arms: The folder of augmented rows that each arm goes by.
        base: The rows that all arms have.
        beside: Folder of the rows that no arm has more of.
        seed: Of the controls' words.
        controls: Names of the arms whose rows are made from ours.
        judge_name: Who tells label noise; None for nobody.
        found: What an earlier call returned; noise that the same judge found on as many rows of the same origins is
            taken from it.
    """
    judge, described = None, dict[str, Any]()
    for arm, augmented in arms.items():
        new = arm_new_rows(ArmTraining(arm, seed, augmented, beside=beside), controls)
        described[arm] = {
            "num_rows": len(base) + len(new),
            "num_new": len(new),
            "origins": dict(Counter(row.origin for row in new)),
            "label_noise": None,
        }
        if judge_name is None:
            continue
        identity = {"judge": Path(judge_name).name, "sha256": identify_model(judge_name, BUNDLED_MODEL)["sha256"]}
        known = found.get(arm, {})
        noise = known.get("label_noise") or {}
        if identity.items() <= noise.items() and {**known, "label_noise": None} == described[arm]:
            described[arm]["label_noise"] = noise
            continue
        judge = judge or load_target(judge_name)
        rows = new or [
            AugmentedRow(premise, hypothesis, label, hypothesis, "original")
            for premise, hypothesis, label in zip(base.premises, base.hypotheses, base.labels, strict=True)
        ]
        described[arm]["label_noise"] = {**identity, **label_noise(judge, rows)}
    return described


def check_judge(judge: str, augmented: Mapping[str, str]) -> None:
    """Refuse a judge that took part in the making of our rows.

    Args:
        judge: Name or folder.
        augmented: Our arms with their folders; nothing is known of those without settings.

    Raises:
        ValueError: If it is the target, the filter model or another model of an arm.
    """
    for place in augmented.values():
        models = _settings(place).get("models", {})
        check_independent([judge], {role: identity for role, identity in models.items() if identity is not None})


def cost_of_rows(augmented: str, pairs: NliData, augmenter: Augmenter, *, num_pairs: int) -> dict[str, Any]:
    """Return what rows cost by the settings that lie beside them, neighbours by the defaults where none do.

    Args:
        augmented: Folder of ``scripts/augment_nli.py``.
        pairs: On which it is timed.
        augmenter: Makes what makes rows.
        num_pairs: Of all that was augmented, for ``seconds_of_augmentation``.

    Returns:
        See `measure_cost`; ``share_of_training`` is None, for nothing is trained yet.
    """
    options = _settings(augmented).get("options", {})
    names = {field.name for field in fields(AugmentationConfig)}
    given = {name: value for name, value in options.items() if name in names} or {"sources": ("neighbours",)}
    config = AugmentationConfig(**given)
    cost = measure_cost(config, pairs, augmenter)
    seconds = cost["ms_a_row_with_filters"] * config.share * num_pairs / 1000.0
    return {**cost, "seconds_of_augmentation": seconds, "share_of_training": None}


def _settings(place: str) -> Mapping[str, Any]:
    path = Path(place) / SETTINGS_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
