"""Shapes of an adversary: through JSON and back, and parts that must fit each other."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.builders import (
    EMBEDDING,
    FEATURES,
    MAX_LENGTH,
    TINY_CONFIG,
    TINY_DECODERS,
    config_with_decoder,
    features_config,
)
from textsem.encoders.lstm import LSTMEncoderConfig
from textsem.model_config import DECODERS, TextAdversaryConfig

LSTM = LSTMEncoderConfig(MAX_LENGTH + 1, EMBEDDING, hidden_dim=9, feature_dim=FEATURES)


@pytest.mark.parametrize(
    "config",
    [
        TINY_CONFIG,
        features_config(),
        replace(TINY_CONFIG, perturbation_condition="label"),
        replace(TINY_CONFIG, encoder_name="lstm", encoder=LSTM),
        *(config_with_decoder(name) for name in TINY_DECODERS),
    ],
)
def test_config_comes_back_from_json(config: TextAdversaryConfig) -> None:
    assert TextAdversaryConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_fields_with_a_default_may_be_missing_from_json() -> None:
    values = asdict(TINY_CONFIG)
    del values["noise_dim"], values["perturbation_condition"], values["encoder_name"]
    assert TextAdversaryConfig.from_dict(values) == TINY_CONFIG


def test_decoder_is_rebuilt_by_its_name() -> None:
    assert type(TextAdversaryConfig.from_dict(asdict(TINY_CONFIG)).decoder) is DECODERS["transpose_cnn"][1]


CONFIG = TINY_CONFIG


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": 9}, "expected encoder.length of 10, as the other parts say, got 7"),
        ({"decoder": replace(CONFIG.decoder, length=8)}, "expected decoder.length of 7, .* got 8"),
        ({"decoder": replace(CONFIG.decoder, embedding_dim=9)}, "expected decoder.embedding_dim of 8, .* got 9"),
        ({"particle": replace(CONFIG.particle, in_dim=13)}, "expected particle.in_dim of 14, .* got 13"),
        ({"particle_adv": replace(CONFIG.particle_adv, in_dim=14)}, "expected particle_adv.in_dim of 12, .* got 14"),
        ({"perturbation_input": "features"}, "expected particle_adv.in_dim of 14, .* got 12"),
        ({"particle_adv": replace(CONFIG.particle_adv, out_dim=11)}, "expected particle_adv.out_dim of 12, .* got 11"),
        ({"decoder_name": "arae"}, "expected ARAEDecoderConfig for decoder_name arae, got TransposeCNNDecoderConfig"),
        ({"decoder_name": "gru"}, "expected decoder_name among arae, language_model, .*, got 'gru'"),
        ({"encoder_name": "lstm"}, "expected LSTMEncoderConfig for encoder_name lstm, got CNNEncoderConfig"),
        ({"encoder_name": "gru"}, "expected encoder_name among cnn, lstm, got 'gru'"),
        ({"perturbation_input": "words"}, "expected perturbation_input code or features, got 'words'"),
        ({"perturbation_condition": "word"}, "expected perturbation_condition none or label, got 'word'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
