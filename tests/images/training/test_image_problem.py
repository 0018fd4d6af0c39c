"""ImageProblem: the losses of Eq. 6 in every norm, and Algorithm 2 running on it."""

import math
from dataclasses import replace

import pytest
import torch

from images_ext.attacks.candidates import Ball
from images_ext.training.image_problem import DecodedImages, ImageBatch, ImageProblem, with_residual
from tests.images.test_model import some_pixels, tiny_model
from textsem.latent.configuration import LearnerConfig
from textsem.latent.learner import Learner, train_batch
from textsem.latent.objective import Norm

NORM_OF_ONE_PIXEL: dict[Norm, float] = {"l2": 0.5, "linf": 0.5, "rms": 0.5 / 8, "mse": 0.25 / 64}


@pytest.mark.parametrize("norm", list(NORM_OF_ONE_PIXEL))
def test_distance_of_one_changed_pixel_is_known_in_every_norm(norm: Norm) -> None:
    pixels = some_pixels(2)
    changed = pixels.clone()
    changed[1, 0, 3, 4] += 0.5
    problem = ImageProblem(tiny_model(), norm=norm, reconstruction_norm="mse")
    outputs, batch = DecodedImages(torch.zeros(2, 6), changed), ImageBatch(pixels, torch.tensor([0, 1]))
    torch.testing.assert_close(problem.distance(outputs, batch), torch.tensor([0.0, NORM_OF_ONE_PIXEL[norm]]))
    torch.testing.assert_close(problem.reconstruction(outputs, batch), torch.tensor([0.0, 0.25 / 64]))


def test_distances_of_many_draws_are_those_of_each() -> None:
    problem, batch = ImageProblem(tiny_model()), ImageBatch(some_pixels(3), torch.tensor([0, 1, 2]))
    codes = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0))
    each = [problem.distance(problem.decode(draw), batch) for draw in codes]
    torch.testing.assert_close(problem.distance(problem.decode(codes), batch), torch.stack(each))


def test_reencoding_gives_the_features_of_each_decoded_image() -> None:
    model = tiny_model()
    outputs = ImageProblem(model).decode(torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0)))
    found = ImageProblem(model).reencode(outputs)
    torch.testing.assert_close(found, torch.stack([model.features(draw) for draw in outputs.pixels]))


def test_without_an_adversarial_term_the_attack_is_refused() -> None:
    problem, batch = ImageProblem(tiny_model()), ImageBatch(some_pixels(1), torch.tensor([0]))
    with pytest.raises(ValueError, match="expected an adversarial term"):
        problem.adversarial(problem.decode(torch.zeros(1, 6)), batch)


def test_features_that_are_known_are_not_computed_again() -> None:
    known = torch.ones(2, 6)
    batch = ImageBatch(some_pixels(2), torch.tensor([0, 1]), features=known)
    assert ImageProblem(tiny_model()).features(batch) is known


def test_e_prime_is_told_the_mode_of_each_image() -> None:
    model = tiny_model(num_modes=2)
    batch = ImageBatch(some_pixels(3), torch.tensor([2, 0, 1]), modes=torch.tensor([1, 0, 1]))
    found = ImageProblem(model).condition(torch.zeros(3, 6), batch)
    assert torch.equal(found, model.label_shift[torch.tensor([5, 0, 4])])


def test_the_label_shift_learns_only_where_e_prime_is_told_labels() -> None:
    assert "condition" in ImageProblem(tiny_model()).parameter_groups()
    assert "condition" not in ImageProblem(tiny_model(perturbation_condition="none")).parameter_groups()


def test_algorithm_2_lowers_the_reconstruction_of_a_few_images() -> None:
    model = tiny_model()
    problem, batch = ImageProblem(model), ImageBatch(some_pixels(8).round(), torch.arange(8) % 3)
    config = LearnerConfig(num_particles=2, perturbation_input="features", decoder_rate=2e-2, extractor_rate=2e-2)
    learner = Learner(config, model.particle_mlp, model.recognition, model.particle_mlp_adv, model.recognition_adv)
    optimizer = learner.make_optimizer(problem.parameter_groups())
    generator = torch.Generator().manual_seed(0)
    state, seen = learner.initial_state(generator), []
    for _ in range(20):
        state, losses = train_batch(learner, problem, optimizer, state, batch, phase="perturbed", generator=generator)
        seen.append(losses["reconstruction"].item())
    assert all(math.isfinite(value) for value in seen)
    assert seen[-1] < 0.95 * seen[0]


def test_residual_shows_the_input_where_the_code_stays_and_what_a_move_changes_elsewhere() -> None:
    model = tiny_model()
    model.config = replace(model.config, num_particles=1)  # the mixture has one component
    batch = ImageBatch(some_pixels(3), torch.tensor([0, 1, 2]))
    with_it = with_residual(model, batch, torch.Generator().manual_seed(2))
    theta, _ = model.draw_particles(1, torch.Generator().manual_seed(2))
    z = model.codes(model.features(batch.pixels), theta)[0].detach()
    torch.testing.assert_close(with_it.shown(model.decode(z)), batch.pixels)
    moved = z.roll(1, dims=0)
    expected = (batch.pixels + model.decode(moved) - model.decode(z)).clamp(0, 1)
    torch.testing.assert_close(with_it.shown(model.decode(moved)), expected)
    assert torch.equal(batch.shown(model.decode(moved)), model.decode(moved))


def test_gate_and_adversarial_term_are_of_what_is_shown_and_reconstruction_is_not() -> None:
    seen: list[torch.Tensor] = []

    def term(outputs: DecodedImages, batch: ImageBatch) -> torch.Tensor:
        seen.append(outputs.pixels)
        return outputs.pixels.flatten(1).sum(dim=1)

    pixels = some_pixels(2)
    batch = ImageBatch(pixels, torch.tensor([0, 1]), residual=torch.full_like(pixels, 0.25))
    outputs = DecodedImages(torch.zeros(2, 6), torch.full_like(pixels, 0.5))
    problem = ImageProblem(tiny_model(), term)
    problem.adversarial(outputs, batch)
    torch.testing.assert_close(seen[0], torch.full_like(pixels, 0.75))
    torch.testing.assert_close(problem.distance(outputs, batch), (pixels - 0.75).flatten(1).norm(dim=1))
    torch.testing.assert_close(problem.reconstruction(outputs, batch), (pixels - 0.5).flatten(1).norm(dim=1))


@pytest.mark.parametrize("norm", list(NORM_OF_ONE_PIXEL))
def test_what_is_shown_lies_inside_the_ball_and_learns_at_its_boundary(norm: Norm) -> None:
    pixels, radius = some_pixels(2), 0.5 * NORM_OF_ONE_PIXEL[norm]
    decoded = pixels.clone()
    decoded[1, 0, 3, 4] += 0.5  # outside; the first image stays where it is
    decoded.requires_grad_()
    batch = ImageBatch(pixels, torch.tensor([0, 1]), ball=Ball(norm, radius))
    problem = ImageProblem(tiny_model(), lambda outputs, batch: outputs.pixels.flatten(1).sum(dim=1), norm=norm)
    outputs = DecodedImages(torch.zeros(2, 6), decoded)
    distance = problem.distance(outputs, batch)
    assert distance[0] == 0
    assert 0.99 * radius < distance[1] < radius
    (slope,) = torch.autograd.grad(problem.adversarial(outputs, batch).sum(), decoded)
    assert torch.equal(slope[0], torch.ones_like(slope[0]))
    assert slope[1].abs().sum() > 0
    draws = torch.stack([decoded, pixels]).detach()
    torch.testing.assert_close(batch.shown(draws), torch.stack([batch.shown(draw) for draw in draws]))
