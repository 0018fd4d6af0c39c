import pytest
import torch
from torch import Tensor, nn

from images_ext.attacks.pgd import PgdConfig
from images_ext.targets.reference import ReferenceNetwork
from images_ext.training import target_evaluation
from images_ext.training.target_evaluation import clean_accuracy, evaluate_target, robust_accuracy
from tests.images.targets.networks import TINY_REFERENCE
from tests.images.training.target_images import striped
from textsem.runs.intervals import wilson_interval


class Brightest(nn.Module):
    """Tell which stripe is brightest: right on every striped image, by about 0.7."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pixels: Tensor) -> Tensor:
        rows = pixels.mean(dim=(1, 3))
        return self.scale * torch.stack([rows[:, 2 * k + 1 : 2 * k + 3].mean(dim=1) for k in range(3)], dim=1)


# The brightest stripe leads by 0.7 give or take the noise of 16 pixels; raising another stripe by epsilon and lowering
# it by epsilon wins 2 epsilon.
@pytest.mark.parametrize(("epsilon", "expected"), [(0.2, 1.0), (0.6, 0.0)])
def test_accuracy_under_attack_of_a_known_margin(epsilon: float, expected: float) -> None:
    attack = PgdConfig(epsilon, epsilon / 4, num_steps=8)
    images = striped(20)
    assert clean_accuracy(Brightest(), images) == 1.0
    assert robust_accuracy(Brightest(), images, attack, seed=0) == expected


def test_radius_zero_leaves_the_clean_accuracy_exactly() -> None:
    network = ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0))
    images = striped(50)
    clean = clean_accuracy(network, images)
    assert 0.0 < clean < 1.0
    assert robust_accuracy(network, images, PgdConfig(0.0, 0.1, num_steps=2), seed=0) == clean


def test_images_that_were_wrong_before_count_as_wrong() -> None:
    images = striped(30)
    wrong = images.select(slice(0, 10))
    shifted_labels = type(images)(
        images.images, torch.cat([(wrong.labels + 1) % 3, images.labels[10:]]), images.label_names, "stripes", "test"
    )
    attack = PgdConfig(0.01, 0.01, num_steps=1)
    assert robust_accuracy(Brightest(), shifted_labels, attack, seed=0) == pytest.approx(20 / 30)


def test_batches_do_not_change_the_clean_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    network = ReferenceNetwork(TINY_REFERENCE).initialise(torch.Generator().manual_seed(0))
    images = striped(23)
    at_once = clean_accuracy(network, images)
    monkeypatch.setattr(target_evaluation, "BATCH_ROWS", 5)
    assert clean_accuracy(network, images) == at_once


def test_mode_of_the_network_is_put_back() -> None:
    network, images = Brightest().train(), striped(4)
    clean_accuracy(network, images)
    assert network.training
    robust_accuracy(network.eval(), images, PgdConfig(0.1, 0.1, num_steps=1), seed=0)
    assert not network.training


def test_figures_carry_their_counts_and_intervals() -> None:
    attacks = {"weak": PgdConfig(0.2, 0.05, num_steps=8), "strong": PgdConfig(0.6, 0.15, num_steps=8)}
    figures = evaluate_target(Brightest(), striped(20), attacks, num_attacked=7, seed=0)
    low, high = wilson_interval(20, 20)
    assert figures["clean_accuracy"] == {"value": 1.0, "interval": [round(low, 5), round(high, 5)], "images": 20}
    assert [attack["name"] for attack in figures["attacks"]] == ["weak", "strong"]
    assert [attack["accuracy"]["value"] for attack in figures["attacks"]] == [1.0, 0.0]
    assert [attack["accuracy"]["images"] for attack in figures["attacks"]] == [7, 7]
    assert figures["attacks"][1]["settings"]["epsilon"] == 0.6
    assert evaluate_target(Brightest(), striped(5), {}, num_attacked=7, seed=0)["attacks"] == []


def test_image_that_one_attack_changed_stays_so_in_the_next() -> None:
    attacks = {"strong": PgdConfig(0.6, 0.15, num_steps=8), "weak": PgdConfig(0.2, 0.05, num_steps=8)}
    figures = evaluate_target(Brightest(), striped(20), attacks, num_attacked=7, seed=0)
    assert [attack["accuracy"]["value"] for attack in figures["attacks"]] == [0.0, 0.0]
