"""Trainings of the arms: none twice, a killed one goes on, and a folder keeps the model of its own job."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.augmentation_experiment import (
    LIMIT,
    NUM_NEW,
    Killed,
    job,
    kill_at,
    training,
    use_small_networks,
    write_augmented,
    write_data,
    write_pairs,
)
from textsem.evaluation.augmentation_training import ArmTraining, _train, arm_new_rows, train_arms
from textsem.runs.folder_lock import FolderLock
from textsem.text.labels import LABEL_NAMES
from textsem.training import target as target_module
from textsem.training.target import train_target
from textsem.training.target_report import RunDescription

CONTROLS = ("duplicates", "word dropout")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_small_networks(monkeypatch)
    return write_data(tmp_path)


def train(jobs: list[ArmTraining], root: Path, **options: Any) -> dict[str, tuple[Path, dict[str, Any]]]:
    found = train_arms(jobs, root / "models", controls=CONTROLS, **options)
    return {done.folder_name(): (model, facts) for done, model, facts in found}


def refuse_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("expected no training, got one")

    monkeypatch.setattr(target_module, "train_target", refuse)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_all_arms_but_plain_have_as_many_new_rows(root: Path) -> None:
    rows = {arm: arm_new_rows(job(root, arm), CONTROLS) for arm in ("plain", *CONTROLS, "ours")}
    assert {arm: len(new) for arm, new in rows.items()} == {"plain": 0, **dict.fromkeys((*CONTROLS, "ours"), NUM_NEW)}
    pairs = [(row.premise, row.original, row.label) for row in rows["ours"]]
    assert all([(row.premise, row.original, row.label) for row in rows[arm]] == pairs for arm in CONTROLS)


def test_arm_of_ours_with_more_rows_gives_as_many_as_the_first(root: Path) -> None:
    few = write_augmented(root / "few", num_new=NUM_NEW - 2)
    more = arm_new_rows(job(root), CONTROLS)
    drawn = arm_new_rows(replace(job(root), beside=str(few)), CONTROLS)
    assert len(drawn) == NUM_NEW - 2
    assert [row for row in more if row in drawn] == drawn
    assert arm_new_rows(replace(job(root), beside=str(few)), CONTROLS) == drawn
    assert arm_new_rows(replace(job(root), beside=str(root / "augmented")), CONTROLS) == more


def test_models_learn_from_base_and_new_rows_and_are_not_trained_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(root, "plain"), job(root, "ours")]
    first = train(jobs, root)
    assert {name: (facts["rows"], facts["new_rows"]) for name, (_, facts) in first.items()} == {
        "plain-0": (LIMIT, 0),
        "ours-0": (LIMIT + NUM_NEW, NUM_NEW),
    }
    before = {name: weights(model) for name, (model, _) in first.items()}
    assert before["plain-0"] != before["ours-0"]
    refuse_training(monkeypatch)
    assert train(jobs, root) == first
    assert {name: weights(model) for name, (model, _) in first.items()} == before


def test_killed_training_goes_on_to_the_same_weights(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(job(root), root / "whole", CONTROLS)
    steps = -(-(LIMIT + NUM_NEW) // 8)
    with monkeypatch.context() as patch:
        kill_at(steps + 2, patch)  # in the second of two epochs; a state is saved after the first
        with pytest.raises(Killed):
            train([job(root)], root)
    assert not (root / "models" / "ours-0" / "experiment" / "trained.json").exists()
    seen: list[bool] = []
    original = train_target

    def noted(*args: Any, is_resumed: bool, **kwargs: Any) -> Any:
        seen.append(is_resumed)
        return original(*args, is_resumed=is_resumed, **kwargs)

    monkeypatch.setattr(target_module, "train_target", noted)
    train([job(root)], root)
    assert seen == [True]
    assert weights(root / "models" / "ours-0") == weights(root / "whole")
    spent = {
        name: json.loads((root / name / "experiment" / "trained.json").read_text())
        for name in ("whole", "models/ours-0")
    }
    # Of the part before the kill nobody knows.
    assert spent["whole"]["processor_seconds"] > 0.0
    assert spent["models/ours-0"]["processor_seconds"] is None


def test_folder_with_the_model_of_other_rows_is_refused(root: Path) -> None:
    train([job(root)], root)
    write_augmented(root / "augmented", num_new=NUM_NEW - 1)
    with pytest.raises(ValueError, match=r"expected the model of .* in ours-0, got that of"):
        train([job(root)], root)


def test_folder_with_a_model_that_other_rows_have_chosen_is_refused(root: Path) -> None:
    train([job(root)], root)
    write_pairs(root / "dev.jsonl", 20, seed=7)
    with pytest.raises(ValueError, match=r"expected the model of .* in ours-0, got that of"):
        train([job(root)], root)


def test_folder_that_was_moved_is_the_same_job(root: Path) -> None:
    train([job(root)], root)
    (root / "train.jsonl").rename(root / "elsewhere.jsonl")
    moved = replace(job(root), data=str(root / "elsewhere.jsonl"))
    assert train([moved], root)["ours-0"][1]["rows"] == LIMIT + NUM_NEW


def test_folder_that_another_process_trains_in_is_refused(root: Path) -> None:
    (root / "models" / "ours-0").mkdir(parents=True)
    lock = FolderLock(root / "models" / "ours-0")
    try:
        with pytest.raises(ValueError, match="expected a folder that no other run writes to"):
            train([job(root)], root)
    finally:
        lock.release()


def trained_by_script(root: Path, **changes: Any) -> Path:
    """Train as ``scripts/train_target.py`` does, card and all."""
    base, dev = job(root, "plain").pairs()
    network, settings = training(2, 8, 0)
    shown = [f"{len(part)} pairs, sha256 {part.identity.sha256[:16]}" for part in (base, dev)]
    folder = root / "trained"
    train_target(base, dev, network, replace(settings, **changes), folder, description=RunDescription(*shown))  # type: ignore[arg-type]
    return folder


def test_model_that_was_trained_before_is_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = trained_by_script(root)
    refuse_training(monkeypatch)
    found = train([job(root, "plain")], root, trained={"plain-0": str(folder)})
    assert found["plain-0"][0] == folder
    assert found["plain-0"][1]["rows"] == LIMIT
    assert not (root / "models" / "plain-0").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "expected a model trained with seed 0 in .*, got 1"),
        ({"num_epochs": 1}, "expected a model trained with num_epochs 2 in .*, got 1"),
        ({"learning_rate": 0.1}, "expected a model trained with learning_rate 0.01 in .*, got 0.1"),
    ],
)
def test_model_of_another_training_is_refused(root: Path, changes: dict[str, Any], message: str) -> None:
    folder = trained_by_script(root, **changes)
    with pytest.raises(ValueError, match=message):
        train([job(root, "plain")], root, trained={"plain-0": str(folder)})


def test_model_of_other_rows_or_another_arm_is_refused(root: Path) -> None:
    folder = str(trained_by_script(root))
    with pytest.raises(ValueError, match="expected a trained model of the arm plain, got one for ours-0"):
        train([job(root, "ours")], root, trained={"ours-0": folder})
    with pytest.raises(ValueError, match="expected trained models for plain-0, got plain-1"):
        train([job(root, "plain")], root, trained={"plain-1": folder})
    write_pairs(root / "train.jsonl", 50, seed=7)
    with pytest.raises(ValueError, match=r"expected training data of 40 pairs, sha256 .* got 40 pairs, sha256"):
        train([job(root, "plain")], root, trained={"plain-0": folder})


def test_processes_train_the_same_model_and_an_error_ends_all(tmp_path: Path) -> None:
    """The one test with processes of their own: the experiment's network, and as many words as it has dimensions."""
    write_data(tmp_path)
    words = [f"w{i}" for i in range(160)]
    rows = [
        {"premise": " ".join(words[8 * (i % 20) :][:8]), "hypothesis": words[i], "label": LABEL_NAMES[i % 3]}
        for i in range(LIMIT)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = tmp_path / "models" / "ours-1" / "experiment"
    other.mkdir(parents=True)
    (other / "arm.json").write_text("{}")
    found = train_arms([job(tmp_path), job(tmp_path, seed=1)], tmp_path / "models", controls=CONTROLS)
    _, model, _ = next(found)
    assert "step" in (model / "training.log").read_text()
    with pytest.raises(ValueError, match="remove it"):
        next(found)
    assert not multiprocessing.active_children()
    _train(job(tmp_path), tmp_path / "here", CONTROLS)
    assert weights(model) == weights(tmp_path / "here")
