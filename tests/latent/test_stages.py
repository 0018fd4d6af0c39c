from dataclasses import dataclass, replace

import pytest

from tests.latent.toys import BATCH, ToyProblem, make_learner, start
from textsem.latent.learner import train_batch
from textsem.latent.stages import num_stage_steps, phase_of, set_stage_rates, stage_learner, warm_cosine


@dataclass(frozen=True)
class Settings:
    reconstruction_steps: int = 100
    manifold_steps: int = 3
    adversarial_steps: int = 2
    warmup_steps: int = 10
    learning_rate: float = 1.0


def test_stages_follow_each_other() -> None:
    config = Settings(reconstruction_steps=2)
    phases = [phase_of(config, step) for step in range(num_stage_steps(config))]
    assert phases == ["reconstruction"] * 2 + ["perturbed"] * 3 + ["adversarial"] * 2
    assert phase_of(replace(config, reconstruction_steps=0, manifold_steps=0), 0) == "adversarial"


def test_the_first_stage_takes_one_update_a_batch_and_leaves_the_learner_alone() -> None:
    learner = make_learner(num_inner_updates=4)
    assert stage_learner(learner, "reconstruction").config == replace(learner.config, num_inner_updates=1)
    assert stage_learner(learner, "perturbed") is stage_learner(learner, "adversarial") is learner
    assert learner.config.num_inner_updates == 4


def test_the_cosine_is_at_its_middle_half_way_and_its_floor_at_the_end() -> None:
    assert warm_cosine(0, num_steps=80, warmup_steps=0) == 1.0
    assert warm_cosine(40, num_steps=80, warmup_steps=8) == pytest.approx(0.05 + 0.95 / 2)
    assert warm_cosine(80, num_steps=80, warmup_steps=8) == pytest.approx(0.05)
    rising = [warm_cosine(step, num_steps=10**6, warmup_steps=4) for step in range(5)]
    assert rising == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0], abs=1e-6)


def test_learning_rates_warm_up_fall_and_are_the_learners_afterwards() -> None:
    config, learner = Settings(), make_learner(extractor_rate=0.3, decoder_rate=0.4)
    optimizer = learner.make_optimizer(ToyProblem().parameter_groups())
    base_rates, rates = [group["lr"] for group in optimizer.param_groups], []
    for step in range(101):
        set_stage_rates(optimizer, base_rates, config, step)
        rates.append([group["lr"] for group in optimizer.param_groups])
    first = [row[-1] for row in rates[:100]]
    assert first[0] == pytest.approx(0.1)
    assert max(first) == first[9] == pytest.approx(1.0, abs=0.03)
    assert first[9:] == sorted(first[9:], reverse=True)
    assert first[99] == pytest.approx(0.05, abs=0.001)
    assert [row[3] for row in rates[:100]] == first
    own = learner.config
    assert rates[0][:3] == pytest.approx([0.1 * own.recognition_rate, *[0.1 * own.recognition_rate_adv] * 2])
    assert rates[100] == [own.recognition_rate, *[own.recognition_rate_adv] * 2, 0.3, 0.4]


@pytest.mark.parametrize(("rates", "moves"), [((0.0, 0.0), [False, False]), ((0.0, 0.1), [False, True])])
def test_a_group_of_rate_0_learns_in_the_first_stage_and_is_held_still_afterwards(
    rates: tuple[float, float], moves: list[bool]
) -> None:
    config, problem = Settings(reconstruction_steps=1), ToyProblem()
    learner = make_learner(extractor_rate=rates[0], decoder_rate=rates[1])
    optimizer = learner.make_optimizer(problem.parameter_groups())
    base_rates, (state, _, generator) = [group["lr"] for group in optimizer.param_groups], start(learner)
    parts = [problem.extractor, problem.decoder]
    moved = []
    for step in range(3):
        phase = phase_of(config, step)
        set_stage_rates(optimizer, base_rates, config, step)
        before = [part.detach().clone() for part in parts]
        state, losses = train_batch(learner, problem, optimizer, state, BATCH, phase=phase, generator=generator)
        assert losses["fit_adv" if step else "reconstruction"] > 0
        moved.append([not part.detach().equal(old) for part, old in zip(parts, before, strict=True)])
        assert [part.requires_grad for part in parts] == moved[-1]
    assert moved == [[True, True], moves, moves]
