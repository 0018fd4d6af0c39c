"""The experiment whole, on small data and networks: complete, killed and continued, refused where it is not fair."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.augmentation_experiment import (
    BATCH,
    EPOCHS,
    LIMIT,
    NUM_NEW,
    Killed,
    job,
    training,
    use_small_networks,
    write_augmented,
    write_data,
    write_pairs,
    write_run,
)
from textsem.augmentation import AdversarialAugmenter
from textsem.data.nli import load_nli
from textsem.evaluation import described_arms, measure_augmentation
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.evaluation.augmentation_measures import MeasuredSet, load_measured_set, right_digits
from textsem.evaluation.augmentation_tables import write_report
from textsem.evaluation.identity import identify_model
from textsem.evaluation.measure_augmentation import MEASUREMENTS_NAME
from textsem.evaluation.measure_augmentation import measure_augmentation as measure
from textsem.evaluation.measure_augmentation_config import MeasureAugmentationConfig
from textsem.targets.loading import load_target
from textsem.training.target import train_target

ARMS = ("plain", "duplicates", "word dropout", "ours", "ours, more")
SETS = {"clean": 30, "peer": 2, "peer, label kept": 1, "held out": 20}
FRESH = {"pairs": 3, "right_before": 2, "right_under_attack": 1, "right": "100", "valid": 1}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write data, a plain model that is no arm's, an attack on it, and a judge."""
    root = write_data(tmp_path_factory.mktemp("world"))
    write_augmented(root / "more", num_new=NUM_NEW + 3)
    base, dev = job(root, "plain").pairs()
    for name, seed in (("fourth", 9), ("judge", 11)):
        network, settings = training(1, BATCH, seed)
        train_target(base, dev, network, settings, root / name)  # type: ignore[arg-type]
    write_run(root / "runs" / "peer", root / "fourth")
    return root


@pytest.fixture
def config(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeasureAugmentationConfig:
    use_small_networks(monkeypatch)
    cost = {"ms_a_row_with_filters": 20.0, "ms_a_row_without_filters": 5.0, "new_rows_a_pair": 0.5}
    monkeypatch.setattr(described_arms, "measure_cost", lambda *rest: dict(cost))
    monkeypatch.setattr(
        measure_augmentation, "attack_afresh", lambda attacks, *rest: {attack: dict(FRESH) for attack in attacks}
    )
    return MeasureAugmentationConfig(
        augmented={"ours": str(world / "augmented"), "ours, more": str(world / "more")},
        output=str(tmp_path / "out"),
        data=str(world / "train.jsonl"),
        limit=LIMIT,
        dev_data=str(world / "dev.jsonl"),
        test_data=str(world / "test.jsonl"),
        other={"held out": str(world / "dev.jsonl")},
        unseen={"peer": str(world / "runs" / "peer")},
        controls=("duplicates", "word dropout"),
        seeds=(0, 1),
        num_epochs=EPOCHS,
        batch_size=BATCH,
        fresh_attacks=("ours", "textfooler"),
        compare_options={"judges": ["judge"], "peers_script": "peer.py"},
        judge=str(world / "judge"),
        cost_pairs=4,
        machine="a small one",
    )


def read(config: MeasureAugmentationConfig) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(config.output, MEASUREMENTS_NAME).read_text(encoding="utf-8"))
    return found


def test_measurements_are_complete_and_read_back(config: MeasureAugmentationConfig, world: Path) -> None:
    content = measure(config, augmenter=AdversarialAugmenter)
    found = read(config)
    assert found == content
    assert {name: (one["rows"]) for name, one in found["sets"].items()} == SETS
    assert {name: one["kind"] for name, one in found["sets"].items()} == dict(
        zip(SETS, ("clean", "unseen", "label kept", "other"), strict=True)
    )
    assert {arm: (one["num_rows"], one["num_new"]) for arm, one in found["arms"].items()} == {
        "plain": (LIMIT, 0),
        **dict.fromkeys(ARMS[1:], (LIMIT + NUM_NEW, NUM_NEW)),
    }
    assert found["arms"]["ours"]["origins"] == {"adversarial": NUM_NEW // 2, "neighbours": NUM_NEW // 2}
    assert [one["label_noise"]["rows"] for one in found["arms"].values()] == [LIMIT, *[NUM_NEW] * 4]
    for arm in ARMS:
        assert set(found["right"][arm]) == set(found["training_seconds"][arm]) == {"0", "1"}
        for seed, digits in found["right"][arm].items():
            assert {name: len(text) for name, text in digits.items()} == SETS
            assert set("".join(digits.values())) <= {"0", "1"}
            assert found["fresh"][arm][seed] == {"ours": FRESH, "textfooler": FRESH}
    assert found["settings"]["seeds"] == [0, 1]
    assert found["settings"]["machine"] == "a small one"
    assert found["settings"]["versions"]["torch"]
    data = load_nli(config.data, split="train", limit=LIMIT)
    assert found["settings"]["identity"]["data"] == {
        "name": "train.jsonl", "rows": LIMIT, "sha256": data.identity.sha256,
    }  # fmt: skip
    model = load_target(str(Path(config.output, "models", "word-dropout-1")))
    clean = load_measured_set(config.test_data, kind="clean")
    assert found["right"]["word dropout"]["1"]["clean"] == right_digits(model, clean)
    assert found["cost"]["seconds_of_augmentation"] == pytest.approx(0.02 * LIMIT)
    spent = found["processor_seconds"]["plain"]
    assert found["cost"]["share_of_training"] == pytest.approx(0.02 * LIMIT * 2 / (spent["0"] + spent["1"]))
    text = write_report(Path(config.output))
    assert all(arm in text for arm in ARMS)


def test_killed_experiment_goes_on_and_measures_nothing_twice(
    config: MeasureAugmentationConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, measured = right_digits, list[str]()

    def killed_later(target: Any, rows: Any) -> str:
        measured.append(rows.source)
        if len(measured) == 3 * len(SETS) + 1:
            raise Killed
        return original(target, rows)

    monkeypatch.setattr(measure_augmentation, "right_digits", killed_later)
    with pytest.raises(Killed):
        measure(config)
    kept = read(config)["right"]
    assert {arm: list(seeds) for arm, seeds in kept.items()} == {arm: ["0"] for arm in ARMS[:3]}
    measure(config)
    assert len(measured) == 2 * len(ARMS) * len(SETS) + 1
    assert all(read(config)["right"][arm]["0"] == kept[arm]["0"] for arm in kept)
    before = read(config)
    assert measure(config) == before
    assert len(measured) == 2 * len(ARMS) * len(SETS) + 1


def test_another_set_of_the_same_size_is_measured_anew(
    config: MeasureAugmentationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(config, seeds=(0,), controls=(), fresh_attacks=())
    first = measure(few)
    assert first["fresh"]["plain"]["0"] == {}
    other = write_pairs(tmp_path / "other.jsonl", SETS["held out"], seed=8)
    asked: list[str] = []

    def noted(target: Any, rows: MeasuredSet) -> str:
        asked.append(rows.source)
        return right_digits(target, rows)

    monkeypatch.setattr(measure_augmentation, "right_digits", noted)
    second = measure(replace(few, other={"held out": str(other)}))
    assert asked == ["other.jsonl"] * 3  # plain and two of ours
    for arm in ("plain", "ours"):
        assert second["right"][arm]["0"]["clean"] == first["right"][arm]["0"]["clean"]


def test_model_that_was_trained_anew_is_measured_anew(config: MeasureAugmentationConfig, tmp_path: Path) -> None:
    few = replace(config, seeds=(0,), controls=(), fresh_attacks=(), augmented={"ours": config.augmented["ours"]})
    first = measure(few)
    model = Path(few.output, "models", "ours-0")
    shutil.rmtree(model)
    second = measure(replace(few, augmented={"ours": config.augmented["ours, more"]}))
    assert second["models"]["ours"] != first["models"]["ours"]
    target = load_target(str(model))
    assert second["right"]["ours"]["0"]["clean"] == right_digits(target, load_measured_set(few.test_data, kind="clean"))


def test_unseen_attack_on_a_model_of_an_arm_is_refused(
    config: MeasureAugmentationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(config, seeds=(0,), controls=(), fresh_attacks=())
    measure(few)
    own = write_run(tmp_path / "own", Path(config.output, "models", "plain-0"))
    message = "expected attacks on a model that is no arm's, got own on plain-0"
    # Found before anything is trained where the model is there, and as soon as it is trained where it is not.
    with monkeypatch.context() as patch:
        patch.setattr(measure_augmentation, "train_arms", None)
        with pytest.raises(ValueError, match=message):
            measure(replace(few, unseen={"own": str(own)}))
    with pytest.raises(ValueError, match=message):
        measure(replace(few, unseen={"own": str(own)}, output=str(tmp_path / "anew")))
    assert read(replace(few, output=str(tmp_path / "anew")))["right"] == {}


def test_judge_that_made_the_rows_is_refused(config: MeasureAugmentationConfig, world: Path, tmp_path: Path) -> None:
    folder = write_augmented(tmp_path / "augmented")
    identity = identify_model(str(world / "judge"), world)
    (folder / "settings.json").write_text(json.dumps({"models": {"filter_model": identity}, "options": {}}))
    with pytest.raises(ValueError, match="expected an independent judge"):
        measure(replace(config, augmented={"ours": str(folder)}))


def test_cost_follows_the_settings_beside_the_rows(
    config: MeasureAugmentationConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = write_augmented(tmp_path / "augmented"), list[AugmentationConfig]()
    options = {"sources": ["neighbours"], "share": 0.25, "max_edits": 2, "data": "x", "num_workers": 2, "limit": 9}
    (folder / "settings.json").write_text(json.dumps({"options": options, "models": {}}))

    def noted(settings: AugmentationConfig, *rest: object) -> dict[str, float]:
        asked.append(settings)
        return {"ms_a_row_with_filters": 8.0}

    monkeypatch.setattr(described_arms, "measure_cost", noted)
    pairs = load_nli(config.data, split="train", limit=4)
    cost = described_arms.cost_of_rows(str(folder), pairs, AdversarialAugmenter, num_pairs=1000)
    assert cost["seconds_of_augmentation"] == pytest.approx(2.0)  # 8 ms for a quarter of the pairs
    assert (asked[0].sources, asked[0].share, asked[0].max_edits) == (("neighbours",), 0.25, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"controls": ("paraphrase",)}, "expected controls among duplicates, word dropout, wordnet, got paraphrase"),
        ({"augmented": {}}, "expected at least one arm of augmented rows"),
        ({"augmented": {"plain": "x"}}, "expected names of our own for augmented rows, got plain"),
        ({"num_workers": 0}, "expected num_workers >= 1, got 0"),
        ({"fresh_attacks": ("wish",)}, "expected attacks among"),
        ({"compare_options": {"judges": (), "peers_script": "p"}}, "expected at least one judge"),
        ({"compare_options": {"judges": ("j",)}}, "expected compare_options to be those of CompareConfig"),
    ],
)
def test_wrong_option_is_told_before_anything_is_done(
    config: MeasureAugmentationConfig, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(config, **options)
