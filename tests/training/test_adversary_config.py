import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.toys import CONFIG, build_run
from textsem.decoders.language_model import LanguageModelDecoderConfig
from textsem.decoders.transpose_cnn import TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.latent.configuration import LearnerConfig
from textsem.model_config import TextAdversaryConfig
from textsem.training.adversary_config import PRESETS, AdversaryTrainingConfig, preset

RATES = (
    "svgd_step",
    "svgd_step_adv",
    "gbsm_rate",
    "inner_rate",
    "inner_rate_adv",
    "recognition_rate",
    "recognition_rate_adv",
    "common_rate_adv",
    "decoder_rate",
    "extractor_rate",
)


def test_paper_has_the_sizes_of_table_10() -> None:
    model, training = PRESETS["paper"].model, PRESETS["paper"].training
    assert model.max_length == 10
    assert isinstance(model.encoder, CNNEncoderConfig)
    assert model.encoder.hidden == model.particle.hidden == model.particle_adv.hidden == (40, 40)
    assert model.encoder.embedding_dim == model.encoder.feature_dim == 100
    assert model.particle.in_dim == model.particle.out_dim == 100
    assert model.particle_adv.in_dim == model.particle_adv.out_dim == 100
    assert (model.noise_dim, model.recognition_hidden) == (50, (60, 70))
    decoder = model.decoder
    assert isinstance(decoder, TransposeCNNDecoderConfig)
    assert (decoder.num_layers, decoder.channels, decoder.kernel_size) == (3, 64, 5)
    assert not decoder.has_norm
    assert not model.particle.skip
    assert not model.particle.is_spherical
    assert training.max_words == 11_000
    assert training.pair_batch_size == 64
    assert training.learning_rate == 5e-4
    learner = training.learner
    assert (learner.num_particles, learner.num_inner_updates) == (model.num_particles, 3) == (5, 3)
    assert learner.svgd_step == learner.svgd_step_adv == 1e-3
    assert learner.inner_rate == learner.inner_rate_adv == 1e-2
    assert learner.recognition_rate == learner.recognition_rate_adv == learner.decoder_rate == 5e-4
    assert (learner.gamma_shape, learner.gamma_rate, learner.lambda_shape, learner.lambda_rate) == (1, 0.1, 1, 1)


def test_base_keeps_what_the_paper_fixes_and_takes_longer_hypotheses() -> None:
    model, training = PRESETS["base"].model, PRESETS["base"].training
    assert model.max_length == 16
    assert model.encoder.embedding_dim == model.particle.out_dim == 100
    assert model.particle.hidden == (40, 40)
    assert isinstance(model.decoder, TransposeCNNDecoderConfig)
    assert (model.decoder.num_layers, model.decoder.kernel_size) == (3, 5)
    assert training.max_words == 11_000
    assert (training.learner.num_particles, training.learner.num_inner_updates) == (5, 3)
    assert training.adversarial_gradient != "target"


def test_plain_is_an_autoencoder_of_the_same_networks_and_nothing_else() -> None:
    plain, base = PRESETS["plain"], PRESETS["base"]
    assert plain.model == base.model
    assert (plain.training.manifold_steps, plain.training.adversarial_steps) == (0, 0)
    assert (plain.training.learner.num_particles, plain.training.learner.code_noise) == (1, 0.0)
    assert plain.training.reconstruction_steps == base.training.reconstruction_steps


def training_from_dict(values: dict[str, Any]) -> AdversaryTrainingConfig:
    return AdversaryTrainingConfig(**{**values, "learner": LearnerConfig(**values["learner"])})


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_a_round_trip_through_json(name: str) -> None:
    chosen = preset(name)
    assert TextAdversaryConfig.from_dict(json.loads(json.dumps(asdict(chosen.model)))) == chosen.model
    assert training_from_dict(json.loads(json.dumps(asdict(chosen.training)))) == chosen.training


@pytest.mark.parametrize("name", RATES)
def test_every_rate_is_a_field_of_its_own(name: str) -> None:
    values: dict[str, Any] = {name: 0.123}
    before = asdict(LearnerConfig())
    after = json.loads(json.dumps(asdict(LearnerConfig(**values))))
    assert {key for key in before if before[key] != after[key]} == {name}
    assert after[name] == 0.123


def test_no_rate_is_missing_from_the_list() -> None:
    # precision_step is no rate of Table 10, svgd_update no number; gamma_rate and lambda_rate belong to the priors.
    found = {field.name for field in fields(LearnerConfig) if "rate" in field.name.split("_") or "_step" in field.name}
    assert found - {"precision_step", "gamma_rate", "lambda_rate"} == set(RATES)


def test_adam_has_each_of_its_rates(tmp_path: Path) -> None:
    rates: dict[str, Any] = {
        "recognition_rate": 1e-1,
        "recognition_rate_adv": 1e-2,
        "common_rate_adv": 3e-2,
        "extractor_rate": 1e-3,
        "decoder_rate": 1e-4,
    }
    run = build_run(tmp_path, replace(CONFIG, learner=replace(CONFIG.learner, **rates)))
    assert [group["lr"] for group in run.optimizer.param_groups] == list(rates.values())
    first = [group["params"][0] for group in run.optimizer.param_groups]
    model = run.model
    eta, eta_adv, encoder, decoder = (
        list(part.parameters()) for part in (model.recognition, model.recognition_adv, model.encoder, model.decoder)
    )
    expected = [eta[0], eta_adv[0], eta_adv[-1], encoder[0], decoder[0]]
    assert all(a is b for a, b in zip(first, expected, strict=True))
    assert [len(group["params"]) for group in run.optimizer.param_groups[:3]] == [6, 5, 1]


def test_unknown_preset_is_refused() -> None:
    names = r"\['base', 'language_model', 'paper', 'plain'\]"
    with pytest.raises(ValueError, match=rf"expected a preset among {names}, got 'large'"):
        preset("large")


def test_language_model_is_base_with_another_decoder_and_half_the_batches() -> None:
    base, other = PRESETS["base"], PRESETS["language_model"]
    assert isinstance(other.model.decoder, LanguageModelDecoderConfig)
    assert replace(other.model, decoder_name="transpose_cnn", decoder=base.model.decoder) == base.model
    assert replace(other.training, reconstruction_steps=base.training.reconstruction_steps) == base.training
    assert 2 * other.training.reconstruction_steps == base.training.reconstruction_steps
