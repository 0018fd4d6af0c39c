from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.builders import build_tiny_adversary
from tests.training.toys import CONFIG, PAIRS, build_run, word_level
from textsem.outputs import QueryCounts
from textsem.protocols import Access
from textsem.targets.metering import MeteredTarget
from textsem.training.adversary import AdversaryRun
from textsem.training.adversary_config import AdversaryTrainingConfig
from textsem.training.attacker import Attacker

STEPS = CONFIG.reconstruction_steps + CONFIG.manifold_steps
INNER = CONFIG.learner.num_inner_updates
BATCH = CONFIG.pair_batch_size


def adversarial_run(folder: Path, gradient: str, access: Access = "score") -> AdversaryRun:
    """Return a run without memory of answers, so that every row asked for is a row sent."""
    config = replace(CONFIG, adversarial_gradient=gradient)  # type: ignore[arg-type]
    run = build_run(folder, config, access)
    assert run.attacker is not None
    run.attacker.target.cache_size = 0
    return run


def rows_sent(run: AdversaryRun) -> int:
    assert run.attacker is not None
    assert run.attacker.target.counts["attack"] == QueryCounts()
    return run.attacker.target.counts["training"].rows_sent


@pytest.mark.parametrize(
    ("gradient", "access", "rows_an_update"),
    [
        ("surrogate", "score", 0),
        ("surrogate", "label", 0),
        ("evolution", "score", 2 * CONFIG.evolution_pairs + 1),
        ("evolution", "label", 2 * CONFIG.evolution_pairs + 1),
        ("target", "gradient", 1),
    ],
)
def test_every_query_is_counted_as_training(gradient: str, access: Access, rows_an_update: int, tmp_path: Path) -> None:
    """After every batch x and x' are asked; within an update what the gradient needs."""
    run = adversarial_run(tmp_path, gradient, access)
    for batches in (1, 2):
        run.step(STEPS + batches)
        assert rows_sent(run) == batches * BATCH * (2 + INNER * rows_an_update)
    assert run.attacker is not None
    assert run.attacker.target.meter.phase == "attack"


def test_nothing_is_asked_in_the_first_two_stages_and_in_warm_up(tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, "surrogate")
    for step in (0, CONFIG.reconstruction_steps):
        run.step(step)
    attacker = run.attacker
    assert attacker is not None
    assert not attacker.is_warm
    before = attacker.surrogate.network.embedding.weight.clone()
    attacker.before_batch(PAIRS)
    assert attacker.is_warm
    assert not torch.equal(attacker.surrogate.network.embedding.weight, before)
    assert rows_sent(run) == 0
    assert attacker.surrogate.buffer.premises == []


def test_warm_up_happens_once_takes_its_steps_and_learns_the_labels() -> None:
    model, seen = build_tiny_adversary(), []
    config = replace(CONFIG, surrogate_warmup_steps=30, pair_batch_size=12)
    attacker = Attacker(MeteredTarget(word_level()), model, word_level(seed=2), config)
    fit = attacker.surrogate.fit

    def recorded(premises: Sequence[str], hypotheses: Sequence[str], answers: Tensor) -> float:
        for premise, hypothesis, label in zip(premises, hypotheses, answers.argmax(dim=1).tolist(), strict=True):
            row = PAIRS.hypotheses.index(hypothesis)
            assert PAIRS.labels[row] == label
            assert premise in PAIRS.premises
        seen.append(fit(premises, hypotheses, answers))
        return seen[-1]

    attacker.surrogate.fit = recorded  # type: ignore[method-assign]
    attacker.before_batch(PAIRS)
    attacker.before_batch(PAIRS)
    assert len(seen) == 30
    assert sum(seen[-5:]) < 0.9 * sum(seen[:5])


@pytest.mark.parametrize("gradient", ["evolution", "target"])
def test_without_a_surrogate_nothing_is_warmed_up_or_distilled(gradient: str, tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, gradient, "gradient")
    attacker = run.attacker
    assert attacker is not None
    before = attacker.surrogate.network.embedding.weight.clone()
    values = run.step(STEPS)
    assert torch.equal(attacker.surrogate.network.embedding.weight, before)
    assert "surrogate" not in values
    assert attacker.surrogate.buffer.premises == []


def test_answers_of_x_and_of_x_adv_fill_the_buffer(tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, "surrogate")
    values = run.step(STEPS)
    assert run.attacker is not None
    buffer = run.attacker.surrogate.buffer
    assert len(buffer.hypotheses) == 2 * BATCH
    assert buffer.premises[:BATCH] == buffer.premises[BATCH:]
    answers = word_level(seed=1).predict(buffer.premises, buffer.hypotheses)
    torch.testing.assert_close(torch.tensor(buffer.answers), answers)
    changed = sum(a != b for a, b in zip(buffer.hypotheses[:BATCH], buffer.hypotheses[BATCH:], strict=True))
    assert values["changed"] == changed / BATCH


def test_flip_rate_is_among_the_pairs_that_the_target_had_right(tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, "surrogate")
    assert run.attacker is not None
    step = STEPS

    class Scripted:
        """Right on x in the first three rows, wrong on x' in the second and fourth."""

        label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            labels = run._batch(step, "adversarial").labels
            assert labels is not None
            wrong = (labels + 1) % 3
            clean = torch.where(torch.tensor([True, True, True, False]), labels, wrong)
            perturbed = torch.where(torch.tensor([True, False, True, False]), labels, wrong)
            return torch.nn.functional.one_hot(torch.cat([clean, perturbed]), 3).float()

    run.attacker.target = MeteredTarget(Scripted(), cache_size=0)
    assert run.step(step)["flip_rate"] == pytest.approx(1 / 3)


def attacker_for(target: MeteredTarget, config: AdversaryTrainingConfig) -> Attacker:
    return Attacker(target, build_tiny_adversary(), word_level(), config)


def test_gradient_of_the_target_needs_gradient_access() -> None:
    config = replace(CONFIG, adversarial_gradient="target")
    for access in ("score", "label"):
        with pytest.raises(ValueError, match=f"expected gradient access.*got {access} access to WordLevelTarget"):
            attacker_for(MeteredTarget(word_level(), access=access), config)


class HuggingFaceStyle:
    """A model with a vocabulary of its own: it can only be asked."""

    label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        return torch.full((len(hypotheses), 3), 1 / 3)


def test_hugging_face_style_target_has_no_gradient_access() -> None:
    with pytest.raises(ValueError, match=r"expected a word-level target.*for gradient access, got HuggingFaceStyle"):
        MeteredTarget(HuggingFaceStyle(), access="gradient")
    with pytest.raises(ValueError, match=r"expected gradient access.*got score access to HuggingFaceStyle"):
        attacker_for(MeteredTarget(HuggingFaceStyle()), replace(CONFIG, adversarial_gradient="target"))


def test_gradient_of_the_target_is_taken_through_the_target(tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, "target", "gradient")
    assert run.attacker is not None
    asked: list[int] = []
    target = run.attacker.target.target
    original = target.logits_from_soft_words  # type: ignore[attr-defined]

    def recorded(premises: Sequence[str], *arguments: object) -> Tensor:
        asked.append(len(premises))
        logits: Tensor = original(premises, *arguments)
        return logits

    target.logits_from_soft_words = recorded  # type: ignore[attr-defined]
    run.step(STEPS)
    assert asked == [BATCH] * INNER


def test_flip_that_the_keeper_follows_is_no_gain(tmp_path: Path) -> None:
    run = adversarial_run(tmp_path, "surrogate")
    attacker = run.attacker
    assert attacker is not None
    labels = run._batch(STEPS, "adversarial").labels
    assert labels is not None
    gold_labels: Tensor = labels

    class Keeper:
        """Keeps the label of every other row."""

        label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            is_kept = torch.arange(len(hypotheses)) % 2 == 0
            return torch.nn.functional.one_hot(torch.where(is_kept, gold_labels, (gold_labels + 1) % 3), 3).float()

    attacker.keeper = Keeper()
    run.step(STEPS)
    buffer = attacker.surrogate.buffer
    answers = torch.tensor(buffer.answers)
    asked = word_level(seed=1).predict(buffer.premises, buffer.hypotheses)
    followed = BATCH + torch.arange(1, BATCH, 2)
    gold = torch.nn.functional.one_hot(labels[1::2], 3).float()
    torch.testing.assert_close(answers[followed], gold)
    told = torch.ones(2 * BATCH, dtype=torch.bool)
    told[followed] = False
    torch.testing.assert_close(answers[told], asked[told])


def test_keeper_needs_a_surrogate() -> None:
    config = replace(CONFIG, adversarial_gradient="evolution")
    with pytest.raises(ValueError, match="expected a surrogate beside a keeper"):
        Attacker(MeteredTarget(word_level()), build_tiny_adversary(), word_level(), config, word_level(seed=3))
