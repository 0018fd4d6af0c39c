import pytest
import torch

from images_ext.targets.reference import REFERENCE_PRESETS, ReferenceConfig, ReferenceNetwork
from images_ext.targets.residual import RESIDUAL_PRESETS
from tests.images.targets.networks import TINY_REFERENCE


@pytest.mark.parametrize("name", ["mnist", "svhn", "celeba"])
def test_presets_take_the_same_images_as_the_targets(name: str) -> None:
    config = REFERENCE_PRESETS[name]
    assert (config.image_shape, config.num_classes) == (
        RESIDUAL_PRESETS[name].image_shape,
        RESIDUAL_PRESETS[name].num_classes,
    )
    assert ReferenceNetwork(config).eval()(torch.rand(2, *config.image_shape)).shape == (2, config.num_classes)


def test_dropout_works_in_training_alone() -> None:
    network = ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0))
    pixels = torch.rand(4, 1, 8, 8)
    network.train()
    assert not torch.equal(network(pixels), network(pixels))
    network.eval()
    assert torch.equal(network(pixels), network(pixels))


def test_answer_of_an_image_does_not_depend_on_its_batch_mates() -> None:
    network = ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0)).eval().double()
    pixels = torch.rand(4, 1, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(network(pixels)[2:3], network(pixels[2:3]))


def test_images_too_small_to_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected images that can be halved 3 times"):
        ReferenceConfig((1, 4, 8), 2, widths=(2, 2, 2))
