from dataclasses import replace

import pytest

from images_ext.attacks.pgd import PgdConfig
from images_ext.targets.reference import ReferenceConfig
from images_ext.targets.residual import RESIDUAL_PRESETS, ResidualConfig
from images_ext.training.target_config import PRESETS, ImageTargetTrainingConfig, evaluation_attacks, make_configs

DATASETS = ("mnist", "svhn", "celeba")


def test_gpu_preset_of_mnist_is_the_published_training() -> None:
    network, training = make_configs("mnist", "residual", is_gpu=True)
    assert network == RESIDUAL_PRESETS["mnist"]
    assert training.attack == PgdConfig(0.3, 0.01, norm="linf", num_steps=40, random_start=True)


@pytest.mark.parametrize("dataset", ["svhn", "celeba"])
def test_colour_images_are_trained_and_measured_at_8_of_255(dataset: str) -> None:
    for is_gpu in (False, True):
        _, training = make_configs(dataset, "residual", is_gpu=is_gpu)
        assert training.attack is not None
        assert training.attack.epsilon == 8 / 255
    assert {attack.epsilon for attack in evaluation_attacks(dataset).values()} == {8 / 255}


@pytest.mark.parametrize("dataset", DATASETS)
def test_base_presets_end_with_40_steps_and_evaluation_has_restarts(dataset: str) -> None:
    _, training = make_configs(dataset, "residual")
    assert training.last_attack is not None
    assert training.last_attack.num_steps == 40
    for attack in evaluation_attacks(dataset).values():
        assert attack.num_steps == 40
        assert attack.num_restarts > 1


def test_base_widths_are_full_for_mnist_and_half_for_colour() -> None:
    widths = {dataset: make_configs(dataset, "residual")[0] for dataset in DATASETS}
    stems = {dataset: config.stem_width for dataset, config in widths.items() if isinstance(config, ResidualConfig)}
    assert stems == {"mnist": 4, "svhn": 8, "celeba": 8}


def test_width_is_a_factor_on_the_published_one() -> None:
    assert make_configs("mnist", "residual", width=2)[0] == ResidualConfig((1, 28, 28), 10, 8, (8, 16, 32))
    reference = make_configs("mnist", "reference", width=0.5)[0]
    assert isinstance(reference, ReferenceConfig)
    assert (reference.widths, reference.hidden_dim) == ((12, 24), 64)
    with pytest.raises(ValueError, match=r"expected a width > 0 that keeps channels whole, got 0\.3"):
        make_configs("mnist", "reference", width=0.3)


def test_judges_are_trained_plainly() -> None:
    for dataset in DATASETS:
        _, training = make_configs(dataset, "reference")
        assert training.attack is None
        assert training.last_attack is None


def test_unknown_data_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a preset among .*, got 'cifar'"):
        make_configs("cifar", "residual")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_plain_settings_have_no_attack_left(name: str) -> None:
    plain = PRESETS[name].training.without_attacks()
    assert (plain.attack, plain.last_attack, plain.num_last_images) == (None, None, 0)


def test_only_what_is_given_changes() -> None:
    _, training = make_configs("mnist", "residual")
    assert training.changed(num_epochs=None, num_last_images=None) == training
    assert training.changed(num_epochs=3, seed=7) == replace(training, num_epochs=3, seed=7)
    without = training.changed(num_last_images=0)
    assert (without.last_attack, without.attack) == (None, training.attack)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_epochs": 0}, "expected num_epochs >= 1"),
        ({"num_last_images": 5}, "expected images for a last attack and only then, got 5"),
        ({"attack_start": "old"}, "expected attack_start random or previous, got 'old'"),
        ({"attack_start": "previous", "max_shift": 1}, "expected no shift and no mirror"),
        ({"num_dev_images": 10}, "expected num_dev_images >= max"),
        ({"max_shift": -1}, "max_shift, num_watched and num_last_images >= 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageTargetTrainingConfig(**{"num_epochs": 1, **fields})  # type: ignore[arg-type]
