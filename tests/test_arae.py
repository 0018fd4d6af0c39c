"""The saved object: codes on the sphere, great circles, samples, the folder and its errors."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from tests.builders import TINY_WORDS, build_tiny_adversary
from textsem.arae import ARAE, ARAEConfig, great_circle
from textsem.arae_networks import CriticConfig, GeneratorConfig, Inverter, InverterConfig
from textsem.decoders.arae import ARAEDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.encoders.lstm import LSTMEncoderConfig
from textsem.latent.initialisation import draw_layers
from textsem.protocols import GenerationConfig
from textsem.text.vocabulary import END_ID, PAD_ID, Vocabulary

MAX_LENGTH, EMBEDDING, CODE = 6, 8, 10
CONFIG = ARAEConfig(
    MAX_LENGTH,
    LSTMEncoderConfig(MAX_LENGTH + 1, EMBEDDING, hidden_dim=9, feature_dim=CODE),
    ARAEDecoderConfig(CODE, MAX_LENGTH + 1, EMBEDDING, hidden_dim=12, code_dim=CODE, view_dim=5),
    encoder_name="lstm",
    generator=GeneratorConfig(4, (7,), CODE),
    critic=CriticConfig(CODE, (7,)),
)
IDS = torch.tensor([[5, 9, 4, END_ID, PAD_ID, PAD_ID, PAD_ID], [7, 16, 3, 4, 8, 11, END_ID]])


def build(config: ARAEConfig = CONFIG) -> ARAE:
    generator = torch.Generator().manual_seed(0)
    vocabulary = Vocabulary(TINY_WORDS)
    model = ARAE(config, vocabulary)
    model.initialise(torch.randn(vocabulary.size, EMBEDDING, generator=generator), generator)
    with torch.no_grad():
        for parameter in (*model.encoder.parameters(), *model.decoder.parameters()):
            parameter.mul_(4)  # else so few weights write the same word everywhere
    return model.eval()


def convolutional() -> ARAEConfig:
    encoder = CNNEncoderConfig(MAX_LENGTH + 1, EMBEDDING, channels=8, num_layers=2, hidden=(9,), feature_dim=CODE)
    return replace(CONFIG, encoder=encoder, encoder_name="cnn")


@pytest.mark.parametrize("config", [CONFIG, convolutional()], ids=["lstm", "cnn"])
def test_codes_have_unit_length_and_do_not_read_pads(config: ARAEConfig) -> None:
    model = build(config)
    with torch.no_grad():
        codes = model.encode(IDS)
        torch.testing.assert_close(codes.norm(dim=-1), torch.ones(2))
        model.embedding[PAD_ID] = 100.0
        assert torch.equal(model.encode(IDS), codes)
        model.embedding[5] *= -1
        assert not torch.equal(model.encode(IDS)[0], codes[0])


def test_constructor_draws_nothing_and_starts_from_zeros() -> None:
    before = torch.get_rng_state()
    model = ARAE(CONFIG, Vocabulary(TINY_WORDS))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(value.any() for name, value in model.named_parameters() if name != "log_scale")
    assert model.log_scale.exp().item() == pytest.approx(12.0)


def test_position_vectors_and_logits_are_the_decoders_against_the_table() -> None:
    model = build()
    with torch.no_grad():
        codes = model.encode(IDS)
        vectors = model.position_vectors(codes, IDS)
        assert torch.equal(vectors, model.decoder(codes, IDS, F.normalize(model.embedding, dim=-1)))
        cosines = F.cosine_similarity(vectors[..., None, :], model.embedding, dim=-1)
        torch.testing.assert_close(model.word_logits(vectors), 12.0 * cosines)
        some = torch.tensor([7, 3])
        torch.testing.assert_close(model.word_logits(vectors, some), 12.0 * cosines[..., some])


def test_words_of_a_code_are_the_decoders() -> None:
    model = build()
    codes = model.encode(IDS).detach()
    beam = GenerationConfig("beam", num_beams=2)
    for config in (GenerationConfig(), beam):
        expected = model.decoder.generate(codes, model.embedding_table(), scale=12.0, config=config)
        assert torch.equal(model.decode_ids(codes, config=config), expected)
    drawn = [
        model.decode_ids(codes, config=GenerationConfig("sampling"), generator=torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_samples_are_the_decoded_codes_of_the_generators_noise() -> None:
    model = build()
    found = model.sample(6, torch.Generator().manual_seed(3))
    noise = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    assert found.shape == (6, MAX_LENGTH + 1)
    assert torch.equal(found, model.decode_ids(model.generator(noise).detach()))
    assert model.sample(0, torch.Generator()).shape == (0, MAX_LENGTH + 1)


def unit(*rows: list[float]) -> Tensor:
    return F.normalize(torch.tensor(rows, dtype=torch.float64), dim=-1)


def test_great_circle_goes_from_end_to_end_in_equal_angles() -> None:
    start, end = unit([1, 0, 0], [1, 2, 3]), unit([1, 1, 0], [3, -1, 0.5])
    codes = great_circle(start, end, num_steps=5)
    assert codes.shape == (2, 5, 3)
    torch.testing.assert_close(codes[:, 0], start)
    torch.testing.assert_close(codes[:, -1], end)
    torch.testing.assert_close(codes.norm(dim=-1), torch.ones(2, 5, dtype=torch.float64))
    angles = (codes[:, 1:] * codes[:, :-1]).sum(dim=-1).acos()
    torch.testing.assert_close(angles, angles[:, :1].expand(2, 4))
    assert float(angles[0].sum()) == pytest.approx(math.pi / 4)


def test_great_circle_between_equal_codes_stays_there() -> None:
    start = unit([1, 2, 3])
    torch.testing.assert_close(great_circle(start, start, num_steps=3), start[:, None].expand(1, 3, 3))
    with pytest.raises(ValueError, match="expected num_steps of at least 2, got 1"):
        great_circle(start, start, num_steps=1)


def test_interpolation_begins_and_ends_with_the_reconstructions() -> None:
    model = build()
    between = model.interpolate(IDS[:1], IDS[1:], 7)
    assert between.shape == (1, 7, MAX_LENGTH + 1)
    reconstructed = model.decode_ids(model.encode(IDS).detach())
    assert torch.equal(between[0, 0], reconstructed[0])
    assert torch.equal(between[0, -1], reconstructed[1])
    assert not torch.equal(reconstructed[0], reconstructed[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("config", [CONFIG, convolutional()], ids=["lstm", "cnn"])
def test_folder_brings_the_same_model_back(tmp_path: Path, config: ARAEConfig, dtype: torch.dtype) -> None:
    model = build(config)
    inverter = Inverter(InverterConfig(CODE, (5,), 4))
    draw_layers(inverter, torch.Generator().manual_seed(1))
    model.add_inverter(inverter).save_pretrained(tmp_path, dtype=dtype)
    loaded = ARAE.from_pretrained(tmp_path)
    assert loaded.config == model.config
    assert loaded.vocabulary.words == model.vocabulary.words
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.to(dtype).float()), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors", "vocabulary.json"]
    assert loaded.inverter is not None
    assert loaded.inverter(loaded.encode(IDS)).shape == (2, 4)


def test_model_without_an_inverter_has_none_when_loaded(tmp_path: Path) -> None:
    build().save_pretrained(tmp_path)
    assert ARAE.from_pretrained(tmp_path).inverter is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "model.safetensors"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"expected an ARAE's folder with {name}, found none in"):
        ARAE.from_pretrained(folder)


def test_vocabulary_of_another_size_is_named(folder: Path) -> None:
    (folder / "vocabulary.json").write_text(json.dumps(TINY_WORDS[:-3]))
    has, got = len(TINY_WORDS) + 4, len(TINY_WORDS) + 1
    with pytest.raises(ValueError, match=rf"expected a vocabulary.json of {has} words, .* got {got}"):
        ARAE.from_pretrained(folder)


def test_checkpoint_of_another_kind_is_named(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"expected a config.json of format textsem-arae-1 .*got textsem-adversary-2"):
        ARAE.from_pretrained(tmp_path)


def test_truncated_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"expected whole weights in .*model.safetensors"):
        ARAE.from_pretrained(folder)


def test_weights_of_another_shape_or_name_are_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in tensors.items() if name != "decoder.out.bias"}, folder / "x")
    (folder / "x").rename(folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"expected the weights of this config .*decoder.out.bias"):
        ARAE.from_pretrained(folder)


def changed_config(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more": 1}, "expected the keys and types of ARAEConfig, got others: .*more"),
        ({"encoder_name": "gru"}, "expected the keys and types of ARAEConfig, got others: 'gru'"),
        ({"encoder_name": "cnn"}, "expected the keys and types of ARAEConfig, got others: .*hidden_dim"),
        ({"max_length": 9}, "expected encoder.length of 10, as the other parts say, got 7"),
        ({"inverter": {"code_dim": 3, "hidden": [4], "noise_dim": 4}}, "expected inverter.code_dim of 10"),
        ({"inverter": {"code_dim": 10, "hidden": [4], "noise_dim": 5}}, "expected inverter.noise_dim of 4"),
    ],
)
def test_config_that_does_not_fit_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    changed_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        ARAE.from_pretrained(folder)


def test_config_is_rebuilt_from_json() -> None:
    for config in (CONFIG, convolutional(), replace(CONFIG, inverter=InverterConfig(CODE, (3, 4), 4))):
        assert ARAEConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_name": "gru"}, r"expected encoder_name among \['cnn', 'lstm'\], got 'gru'"),
        ({"encoder_name": "cnn"}, "expected a CNNEncoderConfig for the encoder, got LSTMEncoderConfig"),
        ({"generator": GeneratorConfig(4, (7,), 11)}, "expected generator.code_dim of 10"),
        ({"critic": CriticConfig(11)}, "expected critic.code_dim of 10"),
    ],
)
def test_parts_must_fit_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **changes)
