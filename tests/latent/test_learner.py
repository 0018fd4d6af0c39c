"""Algorithm 2 on a toy problem: a loop over particles as oracle, phases, choices, resumption.

Long because the naive reference step is shared by all of them.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.latent.toys import BATCH, DOUBLE, D, ToyProblem, make_learner, normal, one_update, run, start, weights
from textsem.latent.configuration import LearnerConfig
from textsem.latent.gram_schmidt import gram_schmidt
from textsem.latent.kernels import rbf_kernel
from textsem.latent.learner import Learner, apply_update, compute_update, train_batch
from textsem.latent.objective import fooling_loss, inject_gradient
from textsem.latent.particles import ParticleConfig, ParticleMLP
from textsem.latent.posterior import sample_mixture
from textsem.latent.state import LearnerState, state_from_tensors, state_to_tensors


class Reference:
    """Algorithm 2 again, one particle at a time, with Adam by hand; default settings."""

    def __init__(self, learner: Learner, problem: ToyProblem) -> None:
        self.config = learner.config
        self.learner, self.problem = copy.deepcopy(learner), copy.deepcopy(problem)
        self.theirs = [self.problem.extractor, self.problem.decoder]
        self.ours = list(self.learner.recognition.parameters())
        self.ours_adv = list(self.learner.recognition_adv.parameters())
        self.first = [torch.zeros_like(p) for p in [*self.ours, *self.ours_adv, *self.theirs]]
        self.second = [torch.zeros_like(p) for p in self.first]
        self.count = 0
        self.squares: list[Tensor | None] = [None, None]

    def step(self, direction: Tensor, which: int) -> Tensor:
        old = self.squares[which]
        new = direction**2 if old is None else 0.9 * old + 0.1 * direction**2
        self.squares[which] = new
        return 1e-3 * direction / (1e-6 + new.sqrt())

    def direction(self, theta: Tensor, followers: Tensor, score: Tensor) -> Tensor:
        leaders = theta.detach().clone().requires_grad_()
        kernel = rbf_kernel(leaders, followers.detach())
        rows = []
        for i in range(len(followers)):
            total = torch.autograd.grad(kernel[:, i].sum(), leaders, retain_graph=True)[0].sum(0)
            for j in range(len(theta)):
                total = total + kernel[j, i].detach() * score[j]
            rows.append(total / len(theta))
        return torch.stack(rows)

    def update(self, state: LearnerState, xi: Tensor, t: int, generator: torch.Generator) -> LearnerState:
        one, one_adv = self.learner.particles, self.learner.particles_adv
        problem, M = self.problem, len(xi)
        theta, theta_adv = self.learner.recognition(xi), self.learner.recognition_adv(xi)
        features = problem.features(BATCH)
        codes = torch.cat([one(theta[m : m + 1], features) for m in range(M)])
        z = sample_mixture(codes, generator=generator)[0]
        loss = problem.reconstruction(problem.decode(z), BATCH).mean()
        codes_adv = torch.cat([one_adv(theta_adv[m : m + 1], codes[m].detach()) for m in range(M)])
        z_adv = sample_mixture(codes_adv, generator=generator)[0]
        x_adv = problem.decode(z_adv)
        terms = []
        for b in range(len(BATCH)):
            term = problem.reconstruction(x_adv[b], BATCH[b])
            if problem.distance(x_adv[b], BATCH[b]) < self.config.epsilon:
                term = term + problem.adversarial(x_adv[b : b + 1], BATCH[b : b + 1])[0]
            terms.append(term)
        loss_adv = torch.stack(terms).mean()

        mean = theta.detach() if t == 1 else state.clean.prior_mean
        scores, gammas, lambdas, z_tildes = [], [], [], []
        for m in range(M):
            z_tilde = one(theta[m : m + 1], problem.reencode(problem.decode(codes[m])))[0].detach()
            S, W = ((z_tilde - codes[m]) ** 2).sum(), ((theta[m] - mean[m]) ** 2).sum()
            density = -0.5 * state.clean.gamma[m] * S - 0.5 * state.clean.lambda_[m] * W
            scores.append(torch.autograd.grad(density, theta, retain_graph=True)[0][m])
            gammas.append(min((1 + len(BATCH) * D / 2) / (0.1 + S.item() / 2), 100.0))
            lambdas.append(min((1 + theta.shape[1] / 2) / (1 + W.item() / 2), 100.0))
            z_tildes.append(z_tilde)
        score = torch.stack(scores)
        moved = theta.detach() + self.step(self.direction(theta, theta, score), 0)

        signs, deltas, rows = gram_schmidt(codes).sign(), [], []
        for m in range(M):
            residual = codes[m].detach() - codes_adv[m]
            best = (residual * signs[m]).sum(0) / ((signs[m] ** 2).sum(0) + 0.01 * len(BATCH))
            deltas.append((0.9 * state.delta[m] + 0.1 * best.detach()).clamp(-1, 1))
            squares = ((residual - deltas[m] * signs[m]) ** 2).sum()
            rows.append(theta_adv[m].detach() - 1e-4 * torch.autograd.grad(squares, theta_adv, retain_graph=True)[0][m])
        perturbed = torch.stack(rows)
        moved_adv = perturbed + self.step(self.direction(theta, perturbed, score), 1)

        outer = torch.autograd.grad(loss, self.ours, retain_graph=True)
        outer += torch.autograd.grad(loss_adv, self.ours_adv, retain_graph=True)
        outer += torch.autograd.grad(loss, self.theirs[0], retain_graph=True)
        outer += torch.autograd.grad(loss + loss_adv, self.theirs[1], retain_graph=True)
        inner = torch.autograd.grad(((theta - moved) ** 2).sum(), self.ours)
        inner += torch.autograd.grad(((theta_adv - moved_adv) ** 2).sum(), self.ours_adv)
        self.count += 1
        with torch.no_grad():
            for parameter, gradient in zip([*self.ours, *self.ours_adv], inner, strict=True):
                parameter.sub_(1e-2 * gradient)
            for n, (parameter, gradient) in enumerate(
                zip([*self.ours, *self.ours_adv, *self.theirs], outer, strict=True)
            ):
                self.first[n] = 0.9 * self.first[n] + 0.1 * gradient
                self.second[n] = 0.999 * self.second[n] + 0.001 * gradient**2
                mean_ = self.first[n] / (1 - 0.9**self.count)
                root = (self.second[n] / (1 - 0.999**self.count)).sqrt()
                parameter.sub_(5e-4 * mean_ / (root + 1e-8))
        clean = replace(
            state.clean, gamma=torch.tensor(gammas), lambda_=torch.tensor(lambdas, dtype=DOUBLE), prior_mean=mean
        )
        return replace(state, clean=clean, delta=torch.stack(deltas))


def test_inner_updates_equal_a_reference_with_a_loop_over_particles() -> None:
    learner, problem = make_learner(), ToyProblem()
    reference = Reference(learner, problem)
    state, xi, generator = start(learner)
    their_state, _, their_generator = start(learner)
    optimizer = learner.make_optimizer(problem.parameter_groups())
    for t in (1, 2, 3):
        update = compute_update(
            learner, problem, state, BATCH, xi, inner_update=t, phase="adversarial", generator=generator
        )
        assert 0 < update.losses["gate_open"].item() < 1
        apply_update(optimizer, update)
        state = update.state
        their_state = reference.update(their_state, xi, t, their_generator)
        got, expected = weights(learner, problem), weights(reference.learner, reference.problem)
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(state.clean.gamma, their_state.clean.gamma.double())
        torch.testing.assert_close(state.clean.lambda_, their_state.clean.lambda_)
        torch.testing.assert_close(state.delta, their_state.delta)


OTHER_VALUES: list[tuple[str, Any]] = [
    ("svgd_step", 2e-3),
    ("svgd_step_adv", 2e-3),
    ("svgd_update", "plain"),
    ("kernel_space", "codes"),
    ("inner_rate", 2e-2),
    ("inner_rate_adv", 2e-2),
    ("recognition_rate", 1e-3),
    ("recognition_rate_adv", 1e-3),
    ("decoder_rate", 1e-3),
    ("extractor_rate", 1e-3),
    ("likelihood_scale", 2.0),
    ("prior_mean", "zero"),
    ("prior_mean", "current"),
    ("precision_update", "gradient"),
    ("precision_cap", 1.0),
    ("gamma_shape", 2.0),
    ("gamma_rate", 1.0),
    ("lambda_shape", 2.0),
    ("lambda_rate", 2.0),
    ("inversion_examples", 3),
    ("mixture", "mean"),
    ("component_noise", True),
    ("code_noise", 0.3),
    ("perturbation_input", "features"),
    ("direction", "basis"),
    ("gbsm_rate", 1e-3),
    ("ridge", 1.0),
    ("delta_start", 0.3),
    ("delta_cap", 0.05),
    ("delta_memory", 0.0),
    ("epsilon", 0.0),
    ("reconstruction_adv_weight", 0.5),
    ("adversarial_weight", 0.5),
    ("num_inner_updates", 1),
]


@pytest.mark.parametrize(("field", "value"), OTHER_VALUES)
def test_the_other_value_of_a_field_changes_the_step(field: str, value: Any) -> None:
    # One batch of T = 2: some readings (prior mean, precisions) act from the second inner update on.
    ends = []
    for fields in ({}, {field: value}):
        learner, problem = make_learner(**{"num_inner_updates": 2, **fields}), ToyProblem()
        state = run(learner, problem, batches=1)
        ends.append(torch.cat([weights(learner, problem), state.delta.flatten()]))
    assert (ends[0] - ends[1]).abs().max() > 1e-9


def test_the_step_of_the_log_precision_matters_in_gradient_mode() -> None:
    gammas = [
        one_update(make_learner(precision_update="gradient", precision_step=s), ToyProblem()).state.clean.gamma
        for s in (0.1, 0.2)
    ]
    assert (gammas[0] - gammas[1]).abs().min() > 1e-3


def test_every_field_but_counts_and_modes_has_its_other_value_tested() -> None:
    tested = {name for name, _ in OTHER_VALUES} | {"num_particles", "precision_step", "common_rate_adv"}
    assert set(asdict(LearnerConfig())) == tested


def test_prior_pulls_nothing_at_the_first_inner_update_and_back_later() -> None:
    def fits(prior_mean: str, t: int) -> Tensor:
        learner, problem = make_learner(prior_mean=prior_mean, svgd_update="plain"), ToyProblem()
        state, xi, generator = start(learner)
        if t > 1:
            state = replace(state, clean=replace(state.clean, prior_mean=learner.recognition(xi).detach() + 0.1))
        update = compute_update(learner, problem, state, BATCH, xi, inner_update=t, phase="clean", generator=generator)
        return torch.cat([g.flatten() for _, g, _ in update.inner])

    torch.testing.assert_close(fits("t1", 1), fits("current", 1))
    assert (fits("t1", 2) - fits("current", 2)).abs().max() > 1e-6


def test_a_fit_that_moves_nothing_has_no_gradient() -> None:
    learner = make_learner(svgd_step=0.0, svgd_step_adv=0.0, delta_start=0.0)
    with torch.no_grad():
        for parameter in learner.recognition_adv.parameters():
            parameter.zero_()
    update = one_update(learner, ToyProblem())
    assert len(update.inner) == 8
    for _, gradient, _ in update.inner:
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_the_perturbed_loss_reaches_neither_eta_nor_the_extractor() -> None:
    learner, problem = make_learner(), ToyProblem()
    clean = {id(p): g for p, g in one_update(learner, problem, phase="clean").outer}
    full = {id(p): g for p, g in one_update(learner, problem, phase="adversarial").outer}
    for parameter in [*learner.recognition.parameters(), problem.extractor]:
        torch.testing.assert_close(full[id(parameter)], clean[id(parameter)])
    assert (full[id(problem.decoder)] - clean[id(problem.decoder)]).abs().max() > 1e-6
    assert not any(id(p) in clean for p in learner.recognition_adv.parameters())
    assert all(id(p) in full for p in learner.recognition_adv.parameters())


def test_phases_decode_and_ask_only_what_they_need() -> None:
    B, M = len(BATCH), 3
    expected = {"reconstruction": B, "clean": B + M * B, "perturbed": 2 * B + M * B, "adversarial": 2 * B + M * B}
    for phase, rows in expected.items():
        problem = ToyProblem()
        one_update(make_learner(), problem, phase=phase)  # type: ignore[arg-type]
        assert problem.decoded == rows
        assert problem.asked == (B if phase == "adversarial" else 0)


def test_the_target_is_not_asked_while_every_gate_is_shut() -> None:
    problem = ToyProblem()
    update = one_update(make_learner(epsilon=0.0), problem)
    assert problem.asked == 0
    assert update.losses["gate_open"].item() == 0


def test_a_clean_phase_leaves_the_perturbed_network_alone() -> None:
    learner, problem = make_learner(), ToyProblem()
    before = copy.deepcopy(learner.recognition_adv.state_dict())
    state = run(learner, problem, phase="clean")
    for name, value in learner.recognition_adv.state_dict().items():
        assert torch.equal(value, before[name])
    assert state.step.item() == 6


def test_a_part_of_identical_examples_stands_for_all_of_them() -> None:
    batch = BATCH[:1].expand(8, 6)
    slopes = []
    for inversion_examples in (None, 2):
        learner, problem = make_learner(inversion_examples=inversion_examples, svgd_update="plain"), ToyProblem()
        state, xi, _ = start(learner)
        update = compute_update(
            learner, problem, state, batch, xi, inner_update=1, phase="clean", generator=torch.Generator()
        )
        slopes.append([update.state.clean.gamma, *(g for _, g, _ in update.inner)])
    for all_examples, some in zip(*slopes, strict=True):
        torch.testing.assert_close(some, all_examples)


def test_a_bank_takes_the_place_of_the_batch_in_the_basis() -> None:
    bank = normal(8, D, seed=20)
    own = one_update(make_learner(), ToyProblem()).state.delta
    other = one_update(make_learner(), ToyProblem(), basis_codes=bank).state.delta
    again = one_update(make_learner(), ToyProblem(), basis_codes=bank.expand(3, 8, D)).state.delta
    assert (own - other).abs().max() > 1e-6
    torch.testing.assert_close(other, again)


def test_nothing_in_the_state_carries_a_graph_and_the_old_state_is_not_written() -> None:
    learner = make_learner()
    state, xi, generator = start(learner)
    before = state_to_tensors(state)
    update = compute_update(
        learner, ToyProblem(), state, BATCH, xi, inner_update=1, phase="adversarial", generator=generator
    )
    assert not any(tensor.requires_grad for tensor in vars(update.state.clean).values() if isinstance(tensor, Tensor))
    assert not update.state.delta.requires_grad
    for name, tensor in state_to_tensors(state).items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("kernel_space", ["weights", "codes"])
@pytest.mark.parametrize("M", [1, 2, 5, 10, 15])
def test_training_stays_finite_at_every_number_of_particles(M: int, kernel_space: str) -> None:
    learner, problem = make_learner(num_particles=M, kernel_space=kernel_space), ToyProblem()
    state = run(learner, problem)
    assert bool(weights(learner, problem).isfinite().all())
    assert all(bool(tensor.isfinite().all()) for tensor in state_to_tensors(state).values())


def test_state_survives_its_round_trip_and_training_goes_on_the_same() -> None:
    ends = []
    for through_tensors in (False, True):
        learner, problem = make_learner(), ToyProblem()
        state = run(learner, problem, batches=1)
        if through_tensors:
            state = state_from_tensors(state_to_tensors(state))
        optimizer = learner.make_optimizer(problem.parameter_groups())
        generator = torch.Generator().manual_seed(5)
        train_batch(learner, problem, optimizer, state, BATCH, phase="adversarial", generator=generator)
        ends.append(weights(learner, problem))
    assert torch.equal(ends[0], ends[1])


def test_a_state_with_a_missing_tensor_is_rejected() -> None:
    tensors = state_to_tensors(start(make_learner())[0])
    del tensors["delta"]
    with pytest.raises(ValueError, match="expected tensors"):
        state_from_tensors(tensors)


def test_training_reconstructs_and_gbsm_alone_moves_the_codes() -> None:
    learner, problem = make_learner(decoder_rate=1e-2, extractor_rate=1e-2, delta_start=0.2), ToyProblem()
    first = one_update(learner, problem).losses["reconstruction"].item()
    run(learner, problem, phase="perturbed", batches=60)
    update = one_update(learner, problem, phase="perturbed")
    assert update.losses["reconstruction"].item() < 0.7 * first
    xi = start(learner)[1]
    codes = learner.particles(learner.recognition(xi), problem.features(BATCH))
    codes_adv = learner.particles_adv(learner.recognition_adv(xi), codes)
    assert (codes_adv - codes).abs().mean().item() > 1e-3


class ConditionedProblem(ToyProblem):
    """E' is told the first number of x by a learned shift."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((D,), shift, dtype=DOUBLE))
        self.read: list[Tensor] = []

    def condition(self, inputs: Tensor, batch: Tensor) -> Tensor:
        self.read.append(inputs)
        return inputs + batch[:, :1] * self.shift

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {**super().parameter_groups(), "condition": [self.shift]}


@pytest.mark.parametrize("source", ["code", "features"])
def test_condition_reads_what_e_adv_reads_as_a_constant(source: str) -> None:
    learner, problem = make_learner(perturbation_input=source), ConditionedProblem()
    one_update(learner, problem, phase="clean")
    assert problem.read == []
    one_update(learner, problem)
    (inputs,) = problem.read
    features = problem.features(BATCH)
    codes = learner.particles(learner.recognition(start(learner)[1]), features)
    torch.testing.assert_close(inputs, (codes if source == "code" else features).detach())
    assert not inputs.requires_grad


def test_condition_of_zero_changes_no_loss_and_another_one_the_perturbed_half_alone() -> None:
    plain, zero, shifted = (
        one_update(make_learner(), problem).losses
        for problem in (ToyProblem(), ConditionedProblem(), ConditionedProblem(0.5))
    )
    assert zero == plain
    assert shifted["reconstruction"] == plain["reconstruction"]
    assert shifted["fit"] == plain["fit"]
    assert shifted["reconstruction_adv"] != plain["reconstruction_adv"]
    assert shifted["fit_adv"] != plain["fit_adv"]


@pytest.mark.parametrize("rates", [{"recognition_rate_adv": 3e-3}, {"common_rate_adv": 3e-3}])
def test_condition_learns_from_the_perturbed_loss_at_its_rate_or_that_of_eta_adv(rates: dict[str, float]) -> None:
    learner, problem = make_learner(**rates), ConditionedProblem()
    assert not any(p is problem.shift for p, _ in one_update(learner, problem, phase="clean").outer)
    run(learner, problem, phase="perturbed", batches=1)
    # Adam's first steps are as long as its rate; three inner updates may not all point one way.
    assert 2e-3 < problem.shift.abs().max().item() <= 9.1e-3


class _Sealed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        return rows.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise RuntimeError("the target was differentiated")


class SealedProblem(ToyProblem):
    """The target raises on any backward pass; the gradient is a surrogate's, injected."""

    is_injected = True

    def adversarial(self, outputs: Tensor, batch: Tensor) -> Tensor:
        logits: Tensor = _Sealed.apply(outputs) @ self.target  # type: ignore[no-untyped-call]
        value = fooling_loss(logits, (batch @ self.target).argmax(-1))
        return inject_gradient(outputs, torch.ones_like(outputs), value=value) if self.is_injected else value


def test_a_target_that_raises_on_any_backward_pass_is_attacked_through_an_injected_gradient() -> None:
    problem = SealedProblem()
    update = one_update(make_learner(), problem)
    assert update.losses["adversarial"].item() < 0
    problem.is_injected = False
    with pytest.raises(RuntimeError, match="the target was differentiated"):
        one_update(make_learner(), problem)


def test_a_loss_that_is_not_finite_stops_before_any_weight_is_written() -> None:
    learner, problem = make_learner(), ToyProblem()
    optimizer = learner.make_optimizer(problem.parameter_groups())
    state, xi, generator = start(learner)
    batch = BATCH.clone()
    batch[0, 0] = torch.nan
    before = weights(learner, problem)
    update = compute_update(
        learner, problem, state, batch, xi, inner_update=1, phase="reconstruction", generator=generator
    )
    with pytest.raises(FloatingPointError, match="expected a finite loss reconstruction, got nan"):
        apply_update(optimizer, update)
    assert torch.equal(weights(learner, problem), before)


def test_config_survives_a_json_round_trip_and_rejects_other_choices() -> None:
    config = LearnerConfig(kernel_space="codes", inversion_examples=7)
    assert LearnerConfig(**json.loads(json.dumps(asdict(config)))) == config
    with pytest.raises(ValueError, match=r"expected kernel_space in \['weights', 'codes'\], got 'pixels'"):
        LearnerConfig(kernel_space="pixels")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected num_particles and num_inner_updates of at least 1"):
        LearnerConfig(num_particles=0)
    with pytest.raises(ValueError, match="expected inversion_examples of at least 1 or None, got 0"):
        LearnerConfig(inversion_examples=0)


def test_parts_that_do_not_fit_are_rejected() -> None:
    learner = make_learner()
    small = ParticleMLP(ParticleConfig(D, (3,), D))
    with pytest.raises(ValueError, match="expected particles_adv with 49 parameters a particle, got 31"):
        replace(learner, particles_adv=small)
    wide = ParticleMLP(ParticleConfig(5, (4,), D))
    with pytest.raises(ValueError, match="expected recognition with 44 parameters a particle, got 49"):
        replace(learner, particles=wide, particles_adv=wide)
    with pytest.raises(ValueError, match=r"expected parameter groups among .*, got \['phi'\]"):
        learner.make_optimizer({"phi": []})
