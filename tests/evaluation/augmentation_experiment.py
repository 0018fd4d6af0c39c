"""A small augmentation experiment: pairs of animals, our rows beside them, small networks, attack runs."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from textsem.evaluation import augmentation_training
from textsem.evaluation.augmentation_training import ArmTraining
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model
from textsem.evaluation.judges import Judgement, write_judgements
from textsem.evaluation.results import ResultsWriter
from textsem.outputs import AttackResult
from textsem.targets.attention import AttentionConfig
from textsem.text.labels import LABEL_NAMES
from textsem.training.labelled_pairs import JoinedPairs
from textsem.training.target import TargetTrainingConfig

NUM_BASE, LIMIT, NUM_NEW = 50, 40, 12
EPOCHS, BATCH = 2, 8
NETWORK = AttentionConfig(embedding_dim=8, hidden_dim=8, num_layers=1, classifier_dim=8)


class Killed(BaseException):
    """What no code catches, as a signal would."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a training in the middle of a step."""
    original, calls = torch.nn.utils.clip_grad_norm_, [0]

    def counted(*args: object) -> object:
        calls[0] += 1
        if calls[0] > step:
            raise Killed
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", counted)


def toy_pairs(num_pairs: int, *, seed: int) -> JoinedPairs:
    """Return pairs in which the same animal entails, "no" contradicts, and another animal is neutral."""
    rng, rows = random.Random(seed), []
    for _ in range(num_pairs):
        animal, other = rng.sample(("dog", "cat", "horse", "bird", "fish"), 2)
        place, label = rng.choice(("in the park", "at home", "outside")), rng.randrange(3)
        hypothesis = (f"there is a {animal}", f"there is a {other}", f"there is no {animal}")[label]
        rows.append((f"a {animal} sleeps {place}", hypothesis, label))
    premises, hypotheses, labels = zip(*rows, strict=True)
    return JoinedPairs(premises, hypotheses, labels)


def training(num_epochs: int, batch_size: int, seed: int) -> tuple[object, TargetTrainingConfig]:
    """Return a network of 8 dimensions where the experiment would train one of its own size."""
    return NETWORK, TargetTrainingConfig(num_epochs=num_epochs, batch_size=batch_size, learning_rate=0.01, seed=seed)


def use_small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train small networks, in this process."""

    def here(jobs, folder, controls, num_workers):  # type: ignore[no-untyped-def]
        for job in jobs:
            place = folder / job.folder_name()
            yield job, place, augmentation_training._train(job, place, controls)

    monkeypatch.setattr(augmentation_training, "network_and_training", training)
    monkeypatch.setattr(augmentation_training, "_by_workers", here)


def write_pairs(path: Path, num_pairs: int, *, seed: int) -> Path:
    """Write pairs as jsonl."""
    pairs = toy_pairs(num_pairs, seed=seed)
    rows = zip(pairs.premises, pairs.hypotheses, pairs.labels, strict=True)
    path.write_text(
        "".join(json.dumps({"premise": p, "hypothesis": h, "label": LABEL_NAMES[i]}) + "\n" for p, h, i in rows)
    )
    return path


def write_augmented(folder: Path, *, num_new: int = NUM_NEW) -> Path:
    """Write what ``scripts/augment_nli.py`` writes: the first rows with one new row each, then the others."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs, lines = toy_pairs(LIMIT, seed=0), []
    for i, (premise, hypothesis, label) in enumerate(zip(pairs.premises, pairs.hypotheses, pairs.labels, strict=True)):
        row = {"premise": premise, "label": LABEL_NAMES[label], "original_hypothesis": hypothesis, "index": i}
        lines.append({**row, "hypothesis": hypothesis, "origin": "original"})
        if i < num_new:
            changed = hypothesis.replace("there is", "there sits")
            lines.append({**row, "hypothesis": changed, "origin": ("adversarial", "neighbours")[i % 2]})
    (folder / "augmented.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def job(root: Path, arm: str = "ours", seed: int = 0) -> ArmTraining:
    """Return a training on the experiment's data."""
    return ArmTraining(
        arm,
        seed,
        str(root / "augmented"),
        data=str(root / "train.jsonl"),
        limit=LIMIT,
        dev_data=str(root / "dev.jsonl"),
        num_epochs=EPOCHS,
        batch_size=BATCH,
    )


def write_data(root: Path) -> Path:
    """Write training, development and test pairs, and our rows."""
    write_pairs(root / "train.jsonl", NUM_BASE, seed=0)
    write_pairs(root / "dev.jsonl", 20, seed=1)
    write_pairs(root / "test.jsonl", 30, seed=2)
    write_augmented(root / "augmented")
    return root


LINES = (
    AttackResult(0, "a dog sleeps", "there is a dog", "entailment", "entailment", "failed", queries=9),
    AttackResult(
        1, "a cat sleeps", "there is a cat", "entailment", "entailment", "success", adversarial="there sits a cat",
        adversarial_prediction="neutral", queries=3, distance=0.5, edits=1,
    ),
    AttackResult(2, "a bird sleeps", "there is a dog", "neutral", "entailment", "skipped"),
    AttackResult(
        3, "a bird sleeps", "there is no bird", "contradiction", "contradiction", "success",
        adversarial="there is some bird", adversarial_prediction="entailment", queries=2, distance=0.7, edits=1,
    ),
    AttackResult(4, "a fish sleeps", "there is no fish", "contradiction", "contradiction", "unsupported"),
    AttackResult(5, "a fish sleeps", "", "neutral", None, "error", message="expected a hypothesis, got none"),
)  # fmt: skip


def write_run(folder: Path, target: Path, results: Sequence[AttackResult] = LINES, *, is_judged: bool = True) -> Path:
    """Write a finished attack run: two successes, of which the judge keeps the label of the first."""
    folder.mkdir(parents=True)
    with ResultsWriter(folder / "results.jsonl") as writer:
        writer.write([replace(result, index=i) for i, result in enumerate(results)])
    settings = {"target": str(target), "identity": {"target": identify_model(str(target), BUNDLED_MODEL)}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "summary.json").write_text("{}")
    if is_judged:
        after = {1: "entailment", 3: "entailment"}
        judgements = [
            Judgement(i, {"judge": result.label}, *(({"judge": after[i]}, 0.9, 1.1, False) if i in after else ()))
            for i, result in enumerate(results)
        ]
        write_judgements(folder / "judgements.jsonl", judgements)
    return folder
