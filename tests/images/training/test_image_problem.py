"""ImageProblem: the losses of Eq. 6 in every norm, and Algorithm 2 running on it."""

import math

import pytest
import torch

from images_ext.training.image_problem import DecodedImages, ImageBatch, ImageProblem
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
