"""The attacker: what it may ask, what it counts, and what a keeper hides from the surrogate."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from images_ext.attacks.candidates import Ball
from images_ext.targets.metering import MeteredImageTarget
from images_ext.training.adversary_config import AdversaryTrainingConfig
from images_ext.training.attacker import Attacker, lead, prepared
from images_ext.training.image_problem import ImageBatch, ImageProblem, with_residual
from tests.images.test_model import tiny_model
from tests.images.training.builders import NAMES, DifferentiableStripes, Stripes, lively_model, some_images
from textsem.latent.configuration import LearnerConfig


def settings(**changes: Any) -> AdversaryTrainingConfig:
    return AdversaryTrainingConfig(
        learner=LearnerConfig(num_particles=2, perturbation_input="features", epsilon=100.0),
        surrogate_channels=(3,),
        surrogate_hidden=(),
        surrogate_warmup_steps=3,
        surrogate_batch_size=8,
        evolution_pairs=2,
        adversarial_batch_size=6,
        exploration_batches=2,
        **changes,
    )


def a_batch(num: int = 6) -> ImageBatch:
    images = some_images(num)
    return ImageBatch(images.pixels(slice(None)), images.labels)


class Always:
    label_names: tuple[str, ...] = NAMES

    def __init__(self, label: int | None) -> None:
        self.label = label

    def predict(self, pixels: Tensor) -> Tensor:
        labels = torch.full((len(pixels),), self.label or 0)
        return torch.nn.functional.one_hot(labels, 3).float()


def test_warming_up_happens_once_and_asks_about_surroundings_alone() -> None:
    attacker = Attacker(MeteredImageTarget(Stripes()), tiny_model(), settings())
    before = attacker.surrogate.network.state_dict()["dense.0.weight"].clone()
    for _ in range(2):
        attacker.before_batch(tiny_model(), some_images())
        assert attacker.counts()["training"]["rows_sent"] == 2 * 6
    assert not torch.equal(before, attacker.surrogate.network.state_dict()["dense.0.weight"])
    silent = Attacker(MeteredImageTarget(Stripes()), tiny_model(), settings(exploration_noise=0.0))
    silent.before_batch(tiny_model(), some_images())
    assert silent.counts()["training"]["rows_sent"] == 0


def test_every_row_is_counted_as_training_and_the_surrogate_never_reaches_the_target() -> None:
    model, batch = tiny_model(), a_batch()
    attacker = Attacker(MeteredImageTarget(Stripes()), model, settings())
    problem = ImageProblem(model, attacker.term)
    codes = torch.randn(6, 6, requires_grad=True)
    problem.adversarial(problem.decode(codes), batch).sum().backward()  # type: ignore[no-untyped-call]
    assert attacker.counts()["training"]["rows_sent"] == 0
    attacker.after_batch(model, batch, torch.Generator().manual_seed(0))
    counts = attacker.counts()
    assert counts["training"]["rows_sent"] == 18  # x, x' and surroundings
    assert counts["attack"]["rows_sent"] == 0
    assert len(attacker.surrogate.buffer.images) == 18


def test_evolution_sends_two_rows_a_pair_and_the_value_itself() -> None:
    model, batch = tiny_model(), a_batch()
    attacker = Attacker(MeteredImageTarget(Stripes()), model, settings(adversarial_gradient="evolution"))
    problem = ImageProblem(model, attacker.term)
    problem.adversarial(problem.decode(torch.randn(6, 6, requires_grad=True)), batch)
    assert attacker.counts()["training"]["rows_sent"] == 6 * (2 * 2 + 1)


def test_the_targets_own_gradient_needs_gradient_access() -> None:
    model, own = tiny_model(), settings(adversarial_gradient="target")
    with pytest.raises(ValueError, match="expected gradient access for the target's own gradient, got score access"):
        Attacker(MeteredImageTarget(DifferentiableStripes()), model, own)
    attacker = Attacker(MeteredImageTarget(DifferentiableStripes(), access="gradient"), model, own)
    problem = ImageProblem(model, attacker.term)
    codes = torch.randn(6, 6, requires_grad=True)
    problem.adversarial(problem.decode(codes), a_batch()).sum().backward()  # type: ignore[no-untyped-call]
    assert codes.grad is not None
    assert codes.grad.abs().sum() > 0
    assert attacker.counts()["training"]["rows_sent"] == 6


def test_lead_is_the_distance_to_the_best_other_class() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.5], [3.0, 1.0, 2.5]])
    torch.testing.assert_close(lead(logits, torch.tensor([0, 1])), torch.tensor([0.5, -2.0]))


def test_what_the_keeper_lacks_is_added_and_differentiable() -> None:
    model, batch = tiny_model(), a_batch(24)
    outputs = ImageProblem(model).decode(torch.randn(24, 6, requires_grad=True))
    free = Attacker(MeteredImageTarget(Stripes()), model, settings())
    kept = Attacker(
        MeteredImageTarget(Stripes()), model, settings(keeper_weight=3.0, keeper_lead=0.0), [DifferentiableStripes()]
    )
    added = kept.term(outputs, batch) - free.term(outputs, batch)
    expected = 3 * (0.0 - lead(DifferentiableStripes().logits(outputs.pixels), batch.labels)).clamp_min(0)
    torch.testing.assert_close(added, expected)
    assert 0 < (added == 0).sum() < 24
    (gradient,) = torch.autograd.grad(added.sum(), outputs.codes)
    assert torch.equal(gradient.abs().sum(dim=1) > 1e-6, added > 0)


class UpsideDown(DifferentiableStripes):
    """Sees the stripes of the image turned over."""

    def predict(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().predict(pixels.flip(2))

    def logits(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().logits(pixels.flip(2))


def test_of_several_keepers_the_least_sure_decides_and_all_have_to_keep() -> None:
    model, batch = tiny_model(), a_batch(24)
    outputs = ImageProblem(model).decode(torch.randn(24, 6))
    keepers = [DifferentiableStripes(), UpsideDown()]
    free, *single, both = [
        Attacker(MeteredImageTarget(Stripes()), model, settings(), some)
        for some in ([], keepers[:1], keepers[1:], keepers)
    ]
    added = [attacker.term(outputs, batch) - free.term(outputs, batch) for attacker in (*single, both)]
    torch.testing.assert_close(added[2], torch.maximum(added[0], added[1]))
    assert not torch.equal(added[2], added[0])
    assert not torch.equal(added[2], added[1])
    rates = [
        attacker.after_batch(model, batch, torch.Generator().manual_seed(0))["kept_rate"]
        for attacker in (*single, both)
    ]
    assert rates[2] < min(rates[:2])


def test_flips_that_the_keeper_follows_are_not_kept() -> None:
    model, batch = tiny_model(), a_batch(24)
    attacker = Attacker(MeteredImageTarget(Stripes()), model, settings(), [DifferentiableStripes()])
    values = attacker.after_batch(model, batch, torch.Generator().manual_seed(0))
    assert values["flip_rate"] > 0
    assert values["flip_rate_kept"] == 0
    assert values["kept_rate"] == pytest.approx(1 - values["flip_rate"])  # the target has every image right


def test_a_flip_outside_the_ball_is_told_apart() -> None:
    model, batch = tiny_model(), a_batch(24)
    wide = Attacker(MeteredImageTarget(Stripes()), model, settings())
    found = wide.after_batch(model, batch, torch.Generator().manual_seed(0))
    assert found["flip_rate_inside"] == found["flip_rate"] > 0
    narrow = LearnerConfig(num_particles=2, perturbation_input="features", epsilon=found["distance_adv"] / 2)
    shut = Attacker(MeteredImageTarget(Stripes()), model, AdversaryTrainingConfig(learner=narrow))
    assert shut.after_batch(model, batch, torch.Generator().manual_seed(0))["flip_rate_inside"] == 0


def test_label_access_gives_the_surrogate_one_hot_rows() -> None:
    model = tiny_model()
    attacker = Attacker(MeteredImageTarget(Stripes(), access="label"), model, settings())
    attacker.after_batch(model, a_batch(), torch.Generator().manual_seed(0))
    assert set(attacker.surrogate.buffer.answers.flatten().tolist()) == {0.0, 1.0}


def test_others_classes_and_useless_keepers_are_refused() -> None:
    target = Always(0)
    target.label_names = ("a", "b")
    with pytest.raises(ValueError, match="expected a target of 3 classes, got 2"):
        Attacker(MeteredImageTarget(target), tiny_model(), settings())
    with pytest.raises(ValueError, match="expected a keeper of 3 classes, got 2"):
        Attacker(MeteredImageTarget(Stripes()), tiny_model(), settings(), [target])  # type: ignore[list-item]


class Recorder(Stripes):
    """Keeps what it was asked about."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def predict(self, pixels: Tensor) -> Tensor:
        self.asked.append(pixels)
        return super().predict(pixels)


def test_residual_images_are_those_that_the_target_is_shown() -> None:
    model, images = tiny_model(), some_images(6)
    model.start_perturbation()  # x' is the clean reconstruction but for the draw of a particle
    found = {}
    for decoding in ("decoded", "residual"):
        target = Recorder()
        attacker = Attacker(MeteredImageTarget(target), model, settings(decoding=decoding, exploration_noise=1e-6))
        attacker.before_batch(model, images)
        batch = a_batch()
        batch = with_residual(model, batch, torch.Generator().manual_seed(0)) if decoding == "residual" else batch
        values = attacker.after_batch(model, batch, torch.Generator().manual_seed(1))
        found[decoding] = values["distance_adv"]
        explored = torch.cat(target.asked[:2])
        near = sum(any((row - x).abs().max() < 0.1 for x in images.pixels(slice(None))) for row in explored)
        assert near == (12 if decoding == "residual" else 0)
    assert found["residual"] < 0.2 * found["decoded"]


def test_a_batch_is_prepared_as_the_settings_say() -> None:
    model, batch = tiny_model(), a_batch()
    shown = {}
    for decoding in ("decoded", "residual"):
        for project in (False, True):
            config = settings(decoding=decoding, project=project)
            found = prepared(model, batch, config, torch.Generator().manual_seed(0))
            assert (found.residual is not None) == (decoding == "residual")
            assert found.ball == (Ball("l2", 100.0) if project else None)
            shown[decoding, project] = found
    assert shown["decoded", False] == batch


def test_features_are_kept_where_the_extractor_is_held_still() -> None:
    model, batch = tiny_model(), a_batch()
    still = replace(settings(), learner=replace(settings().learner, extractor_rate=0.0))
    found = prepared(model, batch, still, torch.Generator().manual_seed(0))
    assert found.features is not None
    assert not found.features.requires_grad
    assert torch.equal(found.features, model.features(batch.pixels))
    assert prepared(model, batch, settings(), torch.Generator().manual_seed(0)).features is None


def test_one_mode_needs_no_choice() -> None:
    model, batch = tiny_model(), a_batch()
    attacker = Attacker(MeteredImageTarget(Stripes()), model, settings())
    assert attacker.assigned(batch, torch.Generator().manual_seed(0)) is batch


@pytest.mark.parametrize("gradient", ["surrogate", "target", "evolution"])
def test_modes_are_chosen_by_what_e_prime_learns_from(gradient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = tiny_model(num_modes=2), a_batch()
    target = MeteredImageTarget(DifferentiableStripes(), access="gradient" if gradient == "target" else "score")
    attacker = Attacker(target, model, settings(adversarial_gradient=gradient), [DifferentiableStripes()])
    seen = []

    def assign(batch: ImageBatch, assess: Any, generator: torch.Generator) -> ImageBatch:
        seen.append(assess(batch.pixels, batch))
        return batch

    monkeypatch.setattr(attacker, "modes", assign)
    attacker.assigned(batch, torch.Generator().manual_seed(0))
    network = attacker.surrogate if gradient == "surrogate" else DifferentiableStripes()
    pixels = batch.pixels if gradient != "evolution" else (batch.pixels * 255).round() / 255
    fooled = lead(network.logits(pixels), batch.labels).clamp_min(-1.0)
    missing = (2.0 - lead(DifferentiableStripes().logits(batch.pixels), batch.labels)).clamp_min(0)
    torch.testing.assert_close(seen[0], fooled + missing)
    assert attacker.counts()["training"]["rows_sent"] == (0 if gradient == "surrogate" else 6)


def test_a_mode_outside_the_ball_is_worse_than_any_inside() -> None:
    batch = a_batch()
    config = replace(settings(), learner=replace(settings().learner, epsilon=1.0))
    attacker = Attacker(MeteredImageTarget(Stripes()), tiny_model(num_modes=2), config)
    far = batch.pixels.clone()
    far[:3] = (far[:3] + 0.5) % 1
    worse = attacker._assess(far, batch) - attacker._fooled(far, batch.labels)
    torch.testing.assert_close(worse, torch.tensor([1e3] * 3 + [0.0] * 3), rtol=1e-5, atol=1e-3)


def test_the_chosen_mode_is_the_one_that_is_asked_about() -> None:
    model, batch, asked = lively_model(num_modes=2), a_batch(), {}
    for mode in (0, 1):
        target = Recorder()
        attacker = Attacker(MeteredImageTarget(target), model, settings())
        told = replace(batch, modes=torch.full((6,), mode))
        values = attacker.after_batch(model, told, torch.Generator().manual_seed(1))
        asked[mode] = target.asked[0][6:12]
        assert values["modes_in_use"] == pytest.approx(1.0)
    assert (asked[0] - asked[1]).flatten(1).abs().amax(dim=1).gt(1 / 255).all()
