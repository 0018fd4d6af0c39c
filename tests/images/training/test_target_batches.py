import pytest
import torch
from torch import nn
from torch.nn import functional as F

from images_ext.attacks.pgd import PgdConfig, pgd_steps
from images_ext.targets.reference import ReferenceNetwork
from images_ext.training.target_batches import StoredPerturbations, mirrored, perturbed, shifted
from tests.images.targets.networks import TINY_REFERENCE


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shifted_images_are_cut_from_the_padded_ones_and_all_moves_occur() -> None:
    pixels = torch.rand(200, 2, 4, 5)
    padded = F.pad(pixels, (1, 1, 1, 1), mode="replicate")
    found = set()
    moved = shifted(pixels, max_shift=1, generator=seeded())
    for i in range(len(pixels)):
        places = [
            (y, x) for y in range(3) for x in range(3) if torch.equal(moved[i], padded[i, :, y : y + 4, x : x + 5])
        ]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) == 9


def test_no_shift_gives_the_very_images() -> None:
    pixels = torch.rand(3, 1, 4, 4)
    assert shifted(pixels, max_shift=0, generator=seeded()) is pixels


def test_about_half_of_the_images_are_mirrored() -> None:
    pixels = torch.rand(400, 1, 3, 4)
    found = mirrored(pixels, generator=seeded())
    is_same = (found == pixels).flatten(1).all(dim=1)
    is_mirrored = (found == pixels.flip(-1)).flatten(1).all(dim=1)
    assert bool((is_same ^ is_mirrored).all())
    assert 150 < int(is_mirrored.sum()) < 250  # five standard deviations


def network() -> nn.Module:
    return ReferenceNetwork(TINY_REFERENCE).initialise(seeded())


def test_batches_are_attacked_in_evaluation_mode_and_leave_running_means() -> None:
    config = PgdConfig(0.1, 0.05, num_steps=2)
    model, pixels, labels = network(), torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    found = perturbed(model, pixels, labels, start=pixels, config=config)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(found, pgd_steps(model.eval(), pixels, labels, start=pixels, config=config))


def test_stored_perturbations_come_back_for_their_images_alone() -> None:
    stored = StoredPerturbations((5, 1, 2, 2))
    config = PgdConfig(0.25, 0.1)
    pixels = torch.full((2, 1, 2, 2), 0.5)
    kept = torch.tensor([0.25, -0.125]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)  # exact in half precision
    stored.keep(torch.tensor([4, 1]), kept)
    found = stored.start(torch.tensor([1, 3]), pixels, config=config, generator=seeded())
    assert torch.equal(found[0], torch.full((1, 2, 2), 0.375))
    assert not torch.equal(found[1], pixels[1])
    assert float((found[1] - 0.5).abs().max()) <= 0.25


def test_stored_perturbations_stay_in_the_range() -> None:
    stored = StoredPerturbations((1, 1, 2, 2))
    stored.keep(torch.tensor([0]), torch.full((1, 1, 2, 2), 0.3))
    found = stored.start(
        torch.tensor([0]), torch.full((1, 1, 2, 2), 0.9), config=PgdConfig(0.3, 0.1), generator=seeded()
    )
    assert torch.equal(found, torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize("is_known", [True, False])
def test_random_draws_do_not_depend_on_what_is_stored(is_known: bool) -> None:
    stored, generator = StoredPerturbations((1, 1, 2, 2)), seeded()
    stored.is_known[0] = is_known
    stored.start(torch.tensor([0]), torch.rand(1, 1, 2, 2), config=PgdConfig(0.3, 0.1), generator=generator)
    after = torch.rand(1, generator=generator)
    generator = seeded()
    torch.rand(1, 1, 2, 2, generator=generator)
    assert torch.equal(after, torch.rand(1, generator=generator))
