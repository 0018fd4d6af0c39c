"""The presets: Table 10's sizes, and shapes that fit together for every data set."""

import pytest
import torch

from images_ext.model import ImageAdversary
from images_ext.training.adversary_config import PRESETS, AdversaryTrainingConfig, preset

SHAPES = {"mnist": (1, 28, 28), "celeba": (3, 64, 64), "svhn": (3, 32, 32)}


@pytest.mark.parametrize(("shape", "inputs"), [((1, 28, 28), 784), ((3, 64, 64), 4096), ((3, 32, 32), 1024)])
def test_paper_has_the_sizes_of_table_10(shape: tuple[int, int, int], inputs: int) -> None:
    found = preset("paper", image_shape=shape, num_classes=10)
    model, training = found.model, found.training
    assert (model.particle.in_dim, model.particle.hidden, model.particle.out_dim) == (inputs, (40, 40), 100)
    assert (model.noise_dim, model.recognition_hidden) == (50, (60, 70))
    assert (model.extractor.hidden, model.extractor.image_shape) == ((40, 40), shape)
    assert (model.decoder.filters, model.decoder.kernel_size) == ((64, 64, 64), 5)
    assert (training.learner.num_particles, training.learner.num_inner_updates) == (5, 3)
    assert (training.learner.decoder_rate, training.learner.svgd_step) == (5e-4, 1e-3)
    assert training.adversarial_batch_size == 64


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_gives_images_of_its_data(name: str) -> None:
    shape = SHAPES.get(name, (1, 28, 28))
    found = preset(name, image_shape=shape, num_classes=4)
    model = ImageAdversary(found.model)
    assert found.training.learner.perturbation_input == found.model.perturbation_input
    assert model.decode(torch.zeros(1, found.model.latent_dim)).shape == (1, *shape)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_base_presets_hold_the_autoencoder_still_and_show_what_is_asked(name: str) -> None:
    training = preset(name, image_shape=SHAPES[name], num_classes=4).training
    assert (training.learner.decoder_rate, training.learner.extractor_rate) == (0, 0)
    assert training.learning_rate > 0
    assert (training.decoding, training.project) == ("residual", True)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a preset among celeba, mnist, paper, svhn, got 'imagenet'"):
        preset("imagenet", image_shape=(1, 28, 28), num_classes=10)
    with pytest.raises(ValueError, match="expected a norm among l2, linf, rms, mse, got 'l1'"):
        AdversaryTrainingConfig(norm="l1")  # type: ignore[arg-type]
