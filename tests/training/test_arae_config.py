from dataclasses import replace
from typing import Any

import pytest

from textsem.arae_networks import CriticConfig, GeneratorConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoderConfig
from textsem.training.arae_config import ARAE_PRESETS, ARAETrainingConfig, arae_preset, with_encoder


def test_paper_preset_has_the_sizes_of_the_method() -> None:
    """METHOD section 4: LSTM encoder and decoder of 300, 100-300-300, 300-300-1, penalty, one to five to one."""
    model, training = arae_preset("paper").model, arae_preset("paper").training
    assert isinstance(model.encoder, LSTMEncoderConfig)
    assert (model.encoder.hidden_dim, model.encoder.feature_dim, model.encoder.num_layers) == (300, 300, 1)
    assert (model.decoder.hidden_dim, model.decoder.code_dim, model.decoder.code_input) == (300, 300, "constant")
    assert model.generator == GeneratorConfig(100, (300,), 300)
    assert model.critic == CriticConfig(300, (300,))
    assert (training.critic_steps, training.penalty) == (5, 10.0)
    assert training.noise_std > 0
    assert training.noise_decay < 1
    assert training.encoder_weight > 0


def test_base_preset_reads_sixteen_tokens_by_convolutions() -> None:
    model = arae_preset("base").model
    assert model.max_length == 16
    assert isinstance(model.encoder, CNNEncoderConfig)
    assert model.decoder.code_input == "positional"


@pytest.mark.parametrize("name", sorted(ARAE_PRESETS))
def test_encoder_can_be_exchanged(name: str) -> None:
    model = arae_preset(name).model
    for option, key, kind in (("lstm", "lstm", LSTMEncoderConfig), ("convolutional", "cnn", CNNEncoderConfig)):
        other = with_encoder(model, option)
        assert isinstance(other.encoder, kind)
        assert other.encoder_name == key
        assert replace(other, encoder=model.encoder, encoder_name=model.encoder_name) == model
    with pytest.raises(ValueError, match="expected an encoder lstm or convolutional, got 'gru'"):
        with_encoder(model, "gru")


def test_unknown_preset_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected a preset among \['base', 'paper'\], got 'huge'"):
        arae_preset("huge")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_steps": 0}, "expected num_steps >= 1, got 0"),
        ({"critic_steps": 0}, "expected critic_steps >= 1, got 0"),
        ({"learning_rate": 0.0}, "expected learning_rate > 0, got 0.0"),
        ({"critic_rate": -1.0}, "expected critic_rate > 0, got -1.0"),
        ({"noise_std": -0.1}, "expected noise_std >= 0, got -0.1"),
        ({"penalty": float("nan")}, "expected penalty >= 0, got nan"),
        ({"noise_decay": 0.0}, "expected noise_decay above 0, up to 1, got 0.0"),
        ({"word_dropout": 1.0}, "expected word_dropout from 0 to below 1, got 1.0"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ARAETrainingConfig(**values)
