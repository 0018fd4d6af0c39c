"""The training loop: stages, batches, metrics, exact resumption.

Long because resumption is cut in each stage, over one shared tiny run.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.toys import CONFIG, PAIRS, SENTENCES, SHAPE, build_attacker, build_run
from textsem.latent.state import state_to_tensors
from textsem.runs.batch_order import batch_rows
from textsem.runs.checkpoint import TRAINING_STATE_FILE
from textsem.training.adversary import AdversaryRun, train_adversary
from textsem.training.adversary_parts import build_adversary

FIRST, SECOND = CONFIG.reconstruction_steps, CONFIG.reconstruction_steps + CONFIG.manifold_steps


class Killed(BaseException):
    """What no code catches, as a signal would."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End a run in the middle of its batch number ``step``: weights are changed, nothing of it is saved."""
    original = AdversaryRun.step

    def killed(self: AdversaryRun, number: int) -> dict[str, float]:
        values = original(self, number)
        if number == step:
            raise Killed
        return values

    monkeypatch.setattr(AdversaryRun, "step", killed)


def everything(run: AdversaryRun) -> dict[str, Any]:
    """Return all that a run leaves: weights, bank, Algorithm 2's state, Adam's, surrogate, answers, random states."""
    assert run.attacker is not None
    modules = {"model": run.model, "surrogate": run.attacker.surrogate.network}
    tensors = {f"{name}.{key}": v for name, module in modules.items() for key, v in module.state_dict().items()}
    tensors |= {f"learner.{key}": value for key, value in state_to_tensors(run.state).items()}
    for name, optimizer in (("adam", run.optimizer), ("surrogate adam", run.attacker.surrogate.optimizer)):
        for i, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{i}.{key}": value for key, value in moments.items()}
    for name, generator in (("run", run.generator), ("attacker", run.attacker.generator)):
        tensors[f"{name} generator"] = generator.get_state()
    return {"tensors": tensors, "buffer": run.attacker.surrogate.buffer, "metrics": run.progress.metrics}


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["tensors"].keys() == expected["tensors"].keys()
    for name, value in expected["tensors"].items():
        assert torch.equal(found["tensors"][name], value), name
    assert found["buffer"] == expected["buffer"]
    assert found["metrics"] == expected["metrics"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what an uninterrupted run leaves."""
    run = build_run(tmp_path_factory.mktemp("whole"))
    train_adversary(run, checkpoint_every=2)
    return everything(run)


@pytest.mark.parametrize("killed_at", [2, 3, FIRST, SECOND - 1, SECOND + 1, SECOND + 3])
def test_killed_and_resumed_run_leaves_the_same_in_every_stage(
    killed_at: int, whole: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(killed_at, patch)
        with pytest.raises(Killed):
            train_adversary(build_run(tmp_path), checkpoint_every=2)
    torch.manual_seed(12345)  # another process would start in another random state
    resumed = build_run(tmp_path)
    train_adversary(resumed, is_resumed=True, checkpoint_every=2)
    assert_same(everything(resumed), whole)


@pytest.mark.parametrize("gradient", ["evolution", "target"])
def test_runs_without_a_surrogate_resume_exactly_too(
    gradient: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, reconstruction_steps=0, manifold_steps=1, adversarial_gradient=gradient)  # type: ignore[arg-type]
    expected = build_run(tmp_path / "whole", config, "gradient")
    train_adversary(expected, checkpoint_every=1)
    with monkeypatch.context() as patch:
        kill_at(3, patch)
        with pytest.raises(Killed):
            train_adversary(build_run(tmp_path, config, "gradient"), checkpoint_every=1)
    resumed = build_run(tmp_path, config, "gradient")
    train_adversary(resumed, is_resumed=True, checkpoint_every=1)
    assert_same(everything(resumed), everything(expected))


def test_run_stopped_by_the_clock_is_resumed_exactly(whole: dict[str, Any], tmp_path: Path) -> None:
    """Metrics too: what was summed up before the stop is kept."""
    stopped = build_run(tmp_path)
    train_adversary(stopped, checkpoint_every=2, max_minutes=0.0)
    assert stopped.progress.step == 1
    assert stopped.progress.metrics == []
    resumed = build_run(tmp_path)
    train_adversary(resumed, is_resumed=True, checkpoint_every=2)
    assert_same(everything(resumed), whole)


def test_checkpoints_do_not_change_the_outcome(whole: dict[str, Any], tmp_path: Path) -> None:
    run = build_run(tmp_path)
    train_adversary(run, checkpoint_every=10**6)
    found = everything(run)
    assert len(found["metrics"]) == 1
    assert_same({**found, "metrics": whole["metrics"]}, whole)


def test_outcome_depends_on_the_seed_and_on_no_global_random_state(whole: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(999)
    before = torch.get_rng_state()
    again, other = build_run(tmp_path / "a"), build_run(tmp_path / "b", replace(CONFIG, seed=1))
    for run in (again, other):
        train_adversary(run, checkpoint_every=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(everything(again), whole)
    assert not torch.equal(other.model.embedding, again.model.embedding)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 7}, r"config\.seed of 0, got 7$"),
        ({"manifold_steps": 9, "precision": "bfloat16"}, r"manifold_steps of 3, got 9; .*'float32', got 'bfloat16'$"),
        ({"learner": replace(CONFIG.learner, inner_rate=0.5)}, r": config\.learner\.inner_rate of 0\.01, got 0\.5$"),
    ],
)
def test_resuming_with_other_settings_names_the_difference(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    train_adversary(build_run(tmp_path), max_minutes=0.0)
    other = build_run(tmp_path, replace(CONFIG, **change))
    before = other.model.embedding.clone()
    with pytest.raises(ValueError, match=message):
        train_adversary(other, is_resumed=True)
    assert torch.equal(other.model.embedding, before)


def test_resuming_with_other_networks_data_or_target_is_refused_in_one_line(tmp_path: Path) -> None:
    train_adversary(build_run(tmp_path), max_minutes=0.0)
    model, wider = (
        build_adversary(SENTENCES, shape, CONFIG)
        for shape in (replace(SHAPE, num_particles=3), replace(SHAPE, recognition_hidden=(5,), num_particles=3))
    )
    attacker = build_attacker(model, CONFIG)
    others = [
        (AdversaryRun(wider, SENTENCES, PAIRS, CONFIG, tmp_path, attacker=attacker), "recognition_hidden of (60, 70)"),
        (AdversaryRun(model, SENTENCES[1:], PAIRS, CONFIG, tmp_path, attacker=attacker), "data of '"),
    ]
    for name in ("premises", "hypotheses", "labels"):
        pairs = replace(PAIRS, **{name: getattr(PAIRS, name)[::-1]})
        others.append((AdversaryRun(model, SENTENCES, pairs, CONFIG, tmp_path, attacker=attacker), "data of '"))
    named = AdversaryRun(model, SENTENCES, PAIRS, CONFIG, tmp_path, attacker=attacker, identity={"target": "other"})
    others.append((named, "target of None, got 'other'"))
    for run, difference in others:
        with pytest.raises(ValueError, match="expected the settings of") as refusal:
            run.resume()
        assert difference in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_resuming_without_a_state_and_useless_options_are_refused(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    with pytest.raises(ValueError, match="expected a training state to resume from"):
        train_adversary(run, is_resumed=True)
    with pytest.raises(ValueError, match="expected checkpoint_every of at least 1, got 0"):
        train_adversary(run, checkpoint_every=0)
    with pytest.raises(ValueError, match="expected an attacker for 4 adversarial_steps, got None"):
        AdversaryRun(run.model, SENTENCES, PAIRS, CONFIG, tmp_path, attacker=None)
    with pytest.raises(ValueError, match="expected a sentence of 1 to 6 words, got none among 2"):
        AdversaryRun(run.model, ["", "a b c d e f g"], PAIRS, CONFIG, tmp_path, attacker=run.attacker)


def test_stages_follow_each_other(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    assert [run.phase(step) for step in range(run.num_steps)] == (
        ["reconstruction"] * CONFIG.reconstruction_steps
        + ["perturbed"] * CONFIG.manifold_steps
        + ["adversarial"] * CONFIG.adversarial_steps
    )
    seen = [set(run.step(step)) for step in (0, FIRST, SECOND)]
    assert seen[0] == {"reconstruction", "objective"}
    assert {"fit", "fit_adv", "gate_open", "log_posterior"} <= seen[1]
    assert seen[1] | {"adversarial", "flip_rate", "changed", "surrogate"} == seen[2]


def test_only_the_first_stage_leaves_the_particles_of_the_perturbation_alone(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}

    def is_changed(part: str) -> bool:
        values = {name: value for name, value in run.model.state_dict().items() if name.startswith(part)}
        return any(not torch.equal(value, before[name]) for name, value in values.items())

    run.step(0)
    assert not is_changed("recognition_adv.")
    assert all(map(is_changed, ("recognition.", "encoder.", "decoder.", "embedding", "log_scale")))
    run.step(FIRST)
    assert is_changed("recognition_adv.")


def test_first_stage_takes_one_update_a_batch_and_the_others_t(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    counts = []
    for step in (0, FIRST, SECOND):
        before = int(run.state.step)
        run.step(step)
        counts.append(int(run.state.step) - before)
    assert counts == [1, CONFIG.learner.num_inner_updates, CONFIG.learner.num_inner_updates]


def test_batches_hold_the_rows_of_their_step(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    size = CONFIG.pair_batch_size
    rows = batch_rows(len(run.pair_ids), size, step=SECOND, seed=CONFIG.seed + 1)
    batch = run._batch(SECOND, "adversarial")
    chosen = run.pair_rows[rows].tolist()
    assert list(batch.premises) == [PAIRS.premises[i] for i in chosen]
    assert batch.labels is not None
    assert batch.labels.tolist() == [PAIRS.labels[i] for i in chosen]
    for row, i in zip(batch.ids.tolist(), chosen, strict=True):
        assert run.model.vocabulary.decode(row) == PAIRS.hypotheses[i].lower().replace(".", " .").split()
    assert max(PAIRS.labels[i] for i in run.pair_rows.tolist()) == 1  # all contradictions are too long
    assert len(run._batch(0, "reconstruction").ids) == CONFIG.batch_size


@pytest.mark.parametrize("num_particles", [1, 2, 5, 10, 15])
def test_every_number_of_particles_runs_a_batch_of_every_stage(num_particles: int, tmp_path: Path) -> None:
    learner = replace(CONFIG.learner, num_particles=num_particles)
    config = replace(CONFIG, learner=learner, num_negatives=None if num_particles == 2 else 12)
    run = build_run(tmp_path, config)
    for step in (0, FIRST, SECOND):
        values = run.step(step)
        assert all(abs(value) < float("inf") for value in values.values())
    assert run.state.delta.shape[0] == num_particles


def test_autoencoder_learns_its_sentences(tmp_path: Path) -> None:
    config = replace(CONFIG, reconstruction_steps=150, manifold_steps=0, adversarial_steps=0)
    config = replace(config, learning_rate=2e-2, learner=replace(config.learner, code_noise=0.0))
    run = AdversaryRun(build_adversary(SENTENCES, SHAPE, config), SENTENCES, PAIRS, config, tmp_path, attacker=None)
    train_adversary(run, checkpoint_every=50)
    losses = [line["reconstruction"] for line in run.progress.metrics]
    assert losses[2] < 0.5 * losses[0]
    g = torch.Generator().manual_seed(0)
    theta = run.model.draw_particles(1, g)[0]
    with torch.no_grad():
        decoded = run.model.decode_ids(run.model.codes(run.model.features(run.ids), theta)[0])
    assert (decoded == run.ids).float().mean() > 0.9


def test_folder_has_state_and_metrics_while_the_run_goes_on(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    train_adversary(run, checkpoint_every=4)
    assert (tmp_path / TRAINING_STATE_FILE).is_file()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 11]
    assert lines == run.progress.metrics


def test_bank_holds_features_of_training_hypotheses(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    model = train_adversary(run, checkpoint_every=100)
    assert not model.training
    with torch.no_grad():
        features = model.features(run.pair_ids)
    is_same = torch.linalg.vector_norm(model.bank_features[:, None] - features, dim=-1) < 1e-5
    assert bool(is_same.any(dim=1).all())
    # 48 places for 24 hypotheses: each of them twice; "An animal eats." stands in four pairs.
    copies = [sum(PAIRS.hypotheses[i] == PAIRS.hypotheses[j] for j in run.pair_rows) for i in run.pair_rows]
    assert is_same.sum(dim=0).tolist() == [2 * count for count in copies]


def test_first_weights_depend_on_the_seed_alone() -> None:
    models = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(state)
        models.append(build_adversary(SENTENCES, SHAPE, replace(CONFIG, seed=seed)))
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name
    assert not torch.equal(models[0].embedding, models[2].embedding)
    assert models[0].language_model is not None
    counted = build_adversary(SENTENCES, SHAPE, replace(CONFIG, embeddings="cooccurrence", max_words=9))
    assert counted.vocabulary.size == 13
    assert not torch.equal(counted.embedding, build_adversary(SENTENCES, SHAPE, replace(CONFIG, max_words=9)).embedding)
