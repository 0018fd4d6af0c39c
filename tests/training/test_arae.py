"""The loop on a toy language: the loss falls, the schedule is kept, resuming is exact, the best weights stay."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.arae_toys import CODE, CONFIG, HELD_OUT, SHAPE, build_run, exact
from tests.training.toys import SENTENCES
from textsem.text.vocabulary import PAD_ID
from textsem.training.arae import ARAERun, build_arae, is_better, train_arae
from textsem.training.arae_config import with_encoder


def weights(run: ARAERun) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def test_toy_training_lowers_the_loss_and_brings_words_back(tmp_path: Path) -> None:
    config = replace(exact(), num_steps=100, learning_rate=3e-2)
    run = build_run(tmp_path, config)
    losses = [run.step(step)["reconstruction"] for step in range(100)]
    assert losses[0] > math.log(10)
    assert losses[-1] < 0.3
    decoded = run.model.decode_ids(run.model.encode(run.ids))
    assert float((decoded == run.ids)[run.ids != PAD_ID].float().mean()) > 0.9


def test_generator_finds_the_real_codes(tmp_path: Path) -> None:
    run = build_run(tmp_path, replace(CONFIG, generator_rate=1e-2, critic_rate=1e-2))
    where = torch.nn.functional.normalize(torch.ones(1, CODE) * torch.tensor([1.0, -1.0]).repeat(CODE // 2), dim=-1)
    run.steps.recent = [where.expand(20, CODE)]
    noise = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))

    def cosine() -> float:
        with torch.no_grad():
            return float((run.model.generator(noise) @ where[0]).mean())

    assert cosine() < 0.5
    for _ in range(100):
        run.steps.critic_step()
        run.steps.generator_step()
    assert cosine() > 0.9


@pytest.mark.parametrize("encoder", ["lstm", "convolutional"])
def test_both_encoders_learn(tmp_path: Path, encoder: str) -> None:
    run = build_run(tmp_path, replace(exact(), learning_rate=1e-2), with_encoder(SHAPE, encoder))
    before = weights(run)
    losses = [run.steps.autoencoder_step(run.ids[:6], 0)["reconstruction"] for _ in range(15)]
    assert losses[-1] < losses[0] - 0.2
    changed = {name for name, value in weights(run).items() if not torch.equal(value, before[name])}
    assert {name for name in before if name.startswith("encoder.")} <= changed


def test_batch_is_one_autoencoder_step_several_of_the_critic_and_one_of_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = build_run(tmp_path, replace(CONFIG, critic_steps=5))
    taken: list[str] = []
    for name, optimiser in run.steps.optimisers.items():
        step = optimiser.step

        def recorded(name: str = name, step: Any = step) -> None:
            taken.append(name)
            step()

        monkeypatch.setattr(optimiser, "step", recorded)
    run.step(0)
    assert taken == ["autoencoder", *["critic"] * 5, "generator"]


def test_each_step_changes_its_own_weights_alone(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    own: dict[str, tuple[str, ...]] = {"critic": ("critic.",), "generator": ("generator.",)}
    own["autoencoder"] = ("encoder.", "decoder.", "embedding", "log_scale")
    run.steps.autoencoder_step(run.ids[:6], 0)
    steps: dict[str, Callable[[], object]] = {"autoencoder": lambda: run.steps.autoencoder_step(run.ids[:6], 1)}
    steps |= {"critic": run.steps.critic_step, "generator": run.steps.generator_step}
    for name, step in steps.items():
        before = weights(run)
        step()
        changed = {key for key, value in weights(run).items() if not torch.equal(value, before[key])}
        mine = {key for key in before if key.startswith(own[name])}
        # The critic's last bias has no gradient: it lifts real and generated codes alike.
        assert changed | {"critic.perceptron.layers.1.bias"} & mine == mine, name


def test_critic_sees_the_codes_of_the_last_batches(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    for step in range(3):
        run.step(step)
    assert [len(codes) for codes in run.steps.recent] == [6, 6]  # as many batches as critic steps
    latest = run.steps.recent[-1]
    torch.testing.assert_close(latest.norm(dim=-1), torch.ones(6))
    assert not latest.requires_grad


def test_encoder_makes_real_codes_look_generated(tmp_path: Path) -> None:
    scores = {}
    for weight in (0.0, 1e4):
        run = build_run(tmp_path, replace(exact(), encoder_weight=weight, warmup_steps=0))
        ids = run.ids[:6]
        for step in range(5):
            run.steps.autoencoder_step(ids, step)
        with torch.no_grad():
            scores[weight] = run.model.critic(run.model.encode(ids)).mean()
    assert scores[1e4] < scores[0.0] - 1e-3


def test_loss_is_the_cross_entropy_of_words_and_end_symbols(tmp_path: Path) -> None:
    run = build_run(tmp_path, exact())
    ids, model = run.ids[:4], run.model
    with torch.no_grad():
        vectors = model.position_vectors(model.encode(ids), ids)
        logits = model.word_logits(vectors)
        logits[..., [0, 1]] = -torch.inf  # pad and start are never written
        picked = logits.log_softmax(dim=-1).gather(-1, ids[..., None])[..., 0]
        expected = -picked[ids != PAD_ID].mean()
    found = run.steps.autoencoder_step(ids, 0)["reconstruction"]
    torch.testing.assert_close(found, expected)


def test_rate_is_warmed_up_and_falls_by_a_cosine(tmp_path: Path) -> None:
    run = build_run(tmp_path, replace(CONFIG, num_steps=100, warmup_steps=10, learning_rate=1.0))
    rates = []
    for step in (0, 4, 50, 100):
        run.steps.autoencoder_step(run.ids[:6], step)
        rates.append(run.steps.optimisers["autoencoder"].param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.5, 0.05 + 0.95 / 2, 0.05], abs=2e-3)


def test_interrupted_and_resumed_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = build_run(tmp_path / "whole")
    best = train_arae(whole, watch_every=2)
    first = build_run(tmp_path / "parts")
    train_arae(first, watch_every=2, max_minutes=0)  # stops after one batch
    for _ in range(2):
        again = build_run(tmp_path / "parts")
        again.model.initialise(torch.zeros_like(again.model.embedding), torch.Generator().manual_seed(99))
        train_arae(again, is_resumed=True, watch_every=2, max_minutes=0)
    last = build_run(tmp_path / "parts")
    assert last.progress.step == 0
    kept = train_arae(last, is_resumed=True, watch_every=2)
    assert last.progress.step == whole.progress.step == CONFIG.num_steps
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, last.model.state_dict()[name]), name
        assert torch.equal(best.state_dict()[name], kept.state_dict()[name]), name
    assert last.progress.metrics == whole.progress.metrics
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == (tmp_path / "parts" / "metrics.jsonl").read_text()


def test_watches_are_lines_of_metrics_from_the_untrained_model_on(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    train_arae(run, watch_every=3)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 3, 6, 7]
    names = {"tokens_free", "tokens_forced", "sentences_exact", "forward_perplexity", "reverse_perplexity", "samples"}
    assert all(names <= set(line) for line in lines)
    assert {"reconstruction", "critic", "generator", "distance"} <= set(lines[-1])
    assert set(run.progress.references) == {"forward_perplexity", "reverse_perplexity"}


def test_weights_at_which_time_was_up_are_watched_after_the_state_is_saved(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    best = train_arae(run, watch_every=5, max_minutes=0)
    assert [line["step"] for line in run.progress.metrics] == [0, 1]
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1
    assert not best.training
    again = build_run(tmp_path)
    again.resume()
    assert [line["step"] for line in again.progress.metrics] == [0]
    again.config = replace(again.config, num_steps=2)
    train_arae(again, is_resumed=True, watch_every=1, max_minutes=0)
    assert [line["step"] for line in again.progress.metrics] == [0, 2]  # was due: not twice


def test_watching_does_not_change_the_training(tmp_path: Path) -> None:
    often, rarely = build_run(tmp_path / "often"), build_run(tmp_path / "rarely")
    train_arae(often, watch_every=1)
    train_arae(rarely, watch_every=7)
    for name, value in often.model.state_dict().items():
        assert torch.equal(value, rarely.model.state_dict()[name]), name


def line(tokens: float, reverse: float) -> dict[str, float]:
    return {"tokens_free": tokens, "reverse_perplexity": reverse}


@pytest.mark.parametrize(
    ("new", "best", "best_tokens", "expected"),
    [
        (line(0.5, 90), None, 0.5, True),
        (line(0.9, 80), line(0.9, 90), 0.9, True),
        (line(0.9, 95), line(0.9, 90), 0.9, False),
        (line(0.895, 80), line(0.9, 90), 0.9, True),  # within a point
        (line(0.88, 80), line(0.9, 90), 0.9, False),  # two points worse
        (line(0.9, 95), line(0.88, 90), 0.9, True),  # what was kept is no longer good enough
        (line(0.9, 95), line(0.895, 90), 0.9, False),
    ],
)
def test_best_weights_have_the_lowest_reverse_perplexity_among_good_autoencoders(
    new: dict[str, float], best: dict[str, float] | None, best_tokens: float, expected: bool
) -> None:
    assert is_better(new, best, best_tokens=best_tokens) is expected


def test_kept_weights_are_those_of_the_best_watch(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    run.look()
    first = weights(run)
    run.step(0)
    run.watch = replace(run.watch, held_out=run.watch.held_out[:1])
    run.progress.best = {**(run.progress.best or {}), "tokens_free": 1.0, "reverse_perplexity": 0.0}
    run.look()
    assert all(torch.equal(value, first[name]) for name, value in run.best.state_dict().items())
    run.progress.best["reverse_perplexity"] = math.inf
    run.progress.best["tokens_free"] = 0.0
    run.look()
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in run.best.state_dict().items())


def test_kept_weights_are_part_of_the_state(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    run.look()
    kept = {name: value.clone() for name, value in run.best.state_dict().items()}
    run.step(0)
    run.save()
    again = build_run(tmp_path, CONFIG)
    again.model.initialise(torch.zeros_like(again.model.embedding), torch.Generator().manual_seed(99))
    again.best.load_state_dict(again.model.state_dict())
    again.resume()
    assert all(torch.equal(value, kept[name]) for name, value in again.best.state_dict().items())
    assert not torch.equal(again.model.embedding, again.best.embedding)


def test_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    run = build_run(tmp_path, replace(CONFIG, learning_rate=math.inf))
    with pytest.raises(FloatingPointError, match="expected a finite loss reconstruction, got nan at step"):
        train_arae(run, watch_every=100)


def test_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    train_arae(build_run(tmp_path), max_minutes=0)
    other = build_run(tmp_path, replace(CONFIG, noise_std=0.5))
    with pytest.raises(ValueError, match=r"config.noise_std of 0.1, got 0.5"):
        train_arae(other, is_resumed=True)
    with pytest.raises(ValueError, match="expected watch_every of at least 1, got 0"):
        train_arae(other, watch_every=0)
    with pytest.raises(ValueError, match="expected a training state to resume from"):
        train_arae(build_run(tmp_path / "none"), is_resumed=True)


def test_same_seed_gives_the_same_model_and_another_does_not() -> None:
    first, again = (build_arae(SENTENCES, SHAPE, CONFIG) for _ in range(2))
    other = build_arae(SENTENCES, SHAPE, replace(CONFIG, seed=1))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.decoder.out.weight, other.decoder.out.weight)
    assert first.vocabulary.words == other.vocabulary.words
    assert "animal" in first.vocabulary.words
    assert len(HELD_OUT) == 5
