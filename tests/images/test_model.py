"""ImageAdversary: what it draws, its round trip through a folder, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from images_ext.model import ImageAdversary, ImageAdversaryConfig
from images_ext.networks.decoder import ImageDecoderConfig
from images_ext.networks.extractor import ExtractorConfig
from textsem.latent.particles import ParticleConfig

SHAPE = (1, 8, 8)


def tiny_config(**changes: Any) -> ImageAdversaryConfig:
    particle = ParticleConfig(6, (5,), 6, skip=True, is_spherical=True, output_scale=0.1)
    config = ImageAdversaryConfig(
        num_classes=3,
        extractor=ExtractorConfig(SHAPE, channels=(3,), feature_dim=6),
        particle=particle,
        particle_adv=particle,
        decoder=ImageDecoderConfig(SHAPE, latent_dim=6, start_channels=4, filters=(3, 2)),
        bank_size=4,
    )
    return replace(config, **changes)


def tiny_model(**changes: Any) -> ImageAdversary:
    return ImageAdversary(tiny_config(**changes)).initialise(torch.Generator().manual_seed(0))


def some_pixels(num: int = 5) -> torch.Tensor:
    return torch.rand(num, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_constructor_and_initialise_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    assert not any(p.any() for p in ImageAdversary(tiny_config()).extractor.parameters())
    tiny_model()
    assert torch.equal(before, torch.get_rng_state())


def test_shapes_are_those_of_the_protocol() -> None:
    model = tiny_model()
    theta, theta_adv = model.draw_particles(7, torch.Generator().manual_seed(2))
    features = model.features(some_pixels())
    codes = model.codes(features, theta)
    perturbed = model.perturb(codes, features, theta_adv, torch.tensor([0, 1, 2, 0, 1]))
    assert features.shape == (5, 6)
    assert codes.shape == perturbed.shape == (7, 5, model.config.latent_dim)
    assert model.decode(perturbed).shape == (7, 5, *model.config.image_shape)
    torch.testing.assert_close(codes.norm(dim=-1), torch.full((7, 5), 6**0.5))


def test_decoding_one_code_at_a_time_gives_the_same_pixels() -> None:
    model = tiny_model()
    codes = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(3))
    each = torch.stack([torch.stack([model.decode(code) for code in row]) for row in codes])
    torch.testing.assert_close(model.decode(codes), each)


def test_the_label_shifts_what_e_prime_reads_and_nothing_else() -> None:
    model = tiny_model()
    inputs = torch.zeros(2, 6)
    assert torch.equal(model.condition(inputs, torch.tensor([0, 2])), inputs)
    with torch.no_grad():
        model.label_shift[2] = 1.0
    assert model.condition(inputs, torch.tensor([0, 2])).tolist() == [[0.0] * 6, [1.0] * 6]
    with pytest.raises(ValueError, match="expected labels for an adversary"):
        model.condition(inputs, None)
    assert torch.equal(tiny_model(perturbation_condition="none").condition(inputs, None), inputs)


def test_each_mode_has_shifts_of_its_own_and_none_are_drawn_for_one() -> None:
    one, several = tiny_model(), tiny_model(num_modes=4)
    assert not one.label_shift.any()
    assert several.label_shift.shape == (12, 6)
    assert len({tuple(row) for row in several.label_shift.tolist()}) == 12
    shared = several.state_dict()
    assert all(torch.equal(value, shared[name]) for name, value in one.state_dict().items() if name != "label_shift")
    labels, modes = torch.tensor([2, 0, 2]), torch.tensor([3, 1, 0])
    inputs = torch.ones(5, 3, 6)
    expected = inputs + several.label_shift[torch.tensor([11, 3, 2])]
    assert torch.equal(several.condition(inputs, labels, modes), expected)
    with pytest.raises(ValueError, match="expected modes for an E' that has 4, got None"):
        several.condition(inputs, labels)


def test_e_prime_takes_the_mode_that_the_gate_finds_likeliest_for_the_image() -> None:
    model, features, labels = tiny_model(num_modes=3), torch.eye(6)[:4], torch.tensor([1, 1, 2, 0])
    with torch.no_grad():
        model.mode_gate.weight.zero_()
        model.mode_gate.bias.zero_()
        model.mode_gate.weight[1 * 3 + 2, 0] = 1.0  # feature 0 speaks for mode 2 of class 1
        model.mode_gate.bias[2 * 3 + 1] = 1.0  # and mode 1 of class 2 is the likeliest anyway
    assert model.mode_scores(features, labels).argmax(dim=-1).tolist() == [2, 0, 1, 0]
    assert torch.equal(tiny_model().mode_scores(features, labels), torch.zeros(4, 1))
    theta, theta_adv = model.draw_particles(2, torch.Generator().manual_seed(2))
    codes = model.codes(features, theta)
    found = model.perturb(codes, features, theta_adv, labels)
    expected = model.perturb(codes, features, theta_adv, labels, torch.tensor([2, 0, 1, 0]))
    assert torch.equal(found, expected)
    assert not torch.equal(found, model.perturb(codes, features, theta_adv, labels, torch.tensor([0, 0, 0, 0])))


@pytest.mark.parametrize("changes", [{"num_modes": 0}, {"num_modes": 2, "perturbation_condition": "none"}])
def test_modes_need_labels(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected num_modes >= 1, and 1 where E' is told no label"):
        tiny_config(**changes)


def test_e_prime_reads_the_code_where_the_config_says_so() -> None:
    features, codes = torch.zeros(2, 6), torch.ones(3, 2, 6)
    for name, read in (("features", features), ("code", codes)):
        model = tiny_model(perturbation_input=name, perturbation_condition="none")
        _, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(2))
        found = model.perturb(codes, features, theta_adv)
        torch.testing.assert_close(found, model.particle_mlp_adv(theta_adv, read))


def test_folder_round_trip(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.bank_features.copy_(torch.arange(24.0).reshape(4, 6))
        model.bank_labels.copy_(torch.tensor([2, 0, 1, 2]))
    model.save_pretrained(tmp_path, dtype=torch.float32)
    loaded = ImageAdversary.from_pretrained(tmp_path)
    assert loaded.config == model.config
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_precision_is_the_default_and_close(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors")["bank_features"].dtype == torch.float16
    loaded = ImageAdversary.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded.features(some_pixels()), model.features(some_pixels()), atol=2e-3, rtol=0)


def test_damaged_folders_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"with config.json, found none in"):
        ImageAdversary.from_pretrained(tmp_path)
    tiny_model().save_pretrained(tmp_path)
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    tensors, text = load_file(weights), config.read_text()

    save_file({name: value for name, value in tensors.items() if name != "label_shift"}, weights)
    with pytest.raises(ValueError, match=r"expected the weights of this config in .*label_shift"):
        ImageAdversary.from_pretrained(tmp_path)
    weights.write_bytes(b"truncated")
    with pytest.raises(ValueError, match=r"expected the weights of this config in .*model.safetensors"):
        ImageAdversary.from_pretrained(tmp_path)

    values = json.loads(text)
    values["adversary"]["colour"] = "red"
    config.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"keys and types of ImageAdversaryConfig, got others: .*colour"):
        ImageAdversary.from_pretrained(tmp_path)
    config.write_text(json.dumps({"format": "other"}))
    with pytest.raises(ValueError, match=r"format images-ext-adversary-1 in .*, got 'other'"):
        ImageAdversary.from_pretrained(tmp_path)
    config.write_text("{")
    with pytest.raises(ValueError, match="expected JSON in"):
        ImageAdversary.from_pretrained(tmp_path)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected decoder.latent_dim of 6, as the other parts say, got 7"):
        tiny_config(decoder=ImageDecoderConfig(SHAPE, latent_dim=7))
    with pytest.raises(ValueError, match=r"expected decoder.image_shape of \(1, 8, 8\)"):
        tiny_config(decoder=ImageDecoderConfig((1, 8, 9), latent_dim=6))
    with pytest.raises(ValueError, match="expected perturbation_condition none or label, got 'colour'"):
        tiny_config(perturbation_condition="colour")
