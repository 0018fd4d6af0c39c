"""TextAdversary: shapes, the round trip through a folder, strictness, no hidden state.

Long because each way in which a folder can be broken is a case of its own.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from tests.builders import (
    BANK,
    EMBEDDING,
    FEATURES,
    LATENT,
    MAX_LENGTH,
    TINY_CONFIG,
    TINY_SENTENCES,
    build_tiny_adversary,
    features_config,
)
from textsem.decoders.transpose_cnn import TransposeCNNDecoder, TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoder, CNNEncoderConfig
from textsem.model import TextAdversary
from textsem.model_config import TextAdversaryConfig
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

LENGTH = MAX_LENGTH + 1


def tiny_ids(model: TextAdversary) -> torch.Tensor:
    words = [tokenize(text).words for text in TINY_SENTENCES]
    return encode_sentences(words, vocabulary=model.vocabulary, max_length=MAX_LENGTH)


def outputs(model: TextAdversary) -> list[torch.Tensor]:
    """Return something of every part."""
    with torch.no_grad():
        ids = tiny_ids(model)
        features = model.features(ids)
        theta, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(0))
        codes = model.codes(features, theta)
        moved = model.perturb(codes, features, theta_adv)
        return [features, codes, moved, model.word_logits(model.position_vectors(moved, ids)), model.bank_features]


def test_shapes_of_every_part(tiny_adversary: TextAdversary) -> None:
    model, ids = tiny_adversary, tiny_ids(tiny_adversary)
    V = model.vocabulary.size
    assert model.length == LENGTH == ids.shape[1]
    assert model.embedding_table().shape == (V, EMBEDDING)
    assert model.embed(ids).shape == (4, LENGTH, EMBEDDING)
    features, codes, moved, logits, bank = outputs(model)
    assert features.shape == (4, FEATURES)
    assert codes.shape == moved.shape == (3, 4, LATENT)
    assert logits.shape == (3, 4, LENGTH, V)
    assert bank.shape == (BANK, FEATURES)
    assert [model.decode_ids(codes[0, 0]).shape, model.decode_ids(codes).shape] == [(LENGTH,), (3, 4, LENGTH)]


def test_words_are_unit_vectors_and_pads_are_zero(tiny_adversary: TextAdversary) -> None:
    ids = tiny_ids(tiny_adversary)
    embedded = tiny_adversary.embed(ids)
    torch.testing.assert_close(embedded.norm(dim=-1), (ids != PAD_ID).float())
    expected = tiny_adversary.embedding_table()[ids]
    torch.testing.assert_close(embedded[ids != PAD_ID], expected[ids != PAD_ID])


def test_features_of_a_sentence_do_not_depend_on_its_batch(tiny_adversary: TextAdversary) -> None:
    ids = tiny_ids(tiny_adversary)
    alone = torch.cat([tiny_adversary.features(row[None]) for row in ids])
    torch.testing.assert_close(tiny_adversary.features(ids), alone, atol=1e-6, rtol=1e-5)


def test_decoded_words_are_the_most_likely_ones(tiny_adversary: TextAdversary) -> None:
    codes = torch.randn(300, LATENT, generator=torch.Generator().manual_seed(2))  # more than one part of rows
    with torch.no_grad():
        logits = tiny_adversary.word_logits(tiny_adversary.position_vectors(codes, tiny_ids(tiny_adversary)[:1]))
    logits[..., [PAD_ID, START_ID]] = -torch.inf
    decoded, expected = tiny_adversary.decode_ids(codes), logits.argmax(dim=-1)
    is_written = ((expected == END_ID).cumsum(dim=1) - (expected == END_ID).long()) == 0
    assert torch.equal(decoded, expected.masked_fill(~is_written, PAD_ID))


def test_some_logits_are_those_columns_of_all_logits(tiny_adversary: TextAdversary) -> None:
    vectors = torch.randn(2, LENGTH, EMBEDDING, generator=torch.Generator().manual_seed(2))
    choices = torch.tensor([7, 4, 20])
    torch.testing.assert_close(
        tiny_adversary.word_logits(vectors, choices), tiny_adversary.word_logits(vectors)[..., choices]
    )


def test_perturbation_reads_codes_or_features(tiny_adversary: TextAdversary) -> None:
    generator = torch.Generator().manual_seed(0)
    codes, features = torch.randn(3, 4, LATENT, generator=generator), torch.randn(4, FEATURES, generator=generator)
    for model, reads_codes in ((tiny_adversary, True), (build_tiny_adversary(features_config()), False)):
        _, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(0))
        moved = model.perturb(codes, features, theta_adv)
        assert moved.shape == (3, 4, LATENT)
        assert torch.equal(moved, model.perturb(codes, features + 1, theta_adv)) is reads_codes
        assert torch.equal(moved, model.perturb(codes + 1, features, theta_adv)) is not reads_codes


def test_features_are_read_though_they_are_as_wide_as_codes() -> None:
    encoder = replace(TINY_CONFIG.encoder, feature_dim=LATENT)
    particle = replace(TINY_CONFIG.particle, in_dim=LATENT)
    config = replace(TINY_CONFIG, encoder=encoder, particle=particle, perturbation_input="features")
    model = build_tiny_adversary(config)
    _, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(0))
    codes, features = torch.zeros(3, 4, LATENT), torch.ones(4, LATENT)
    assert not torch.equal(model.perturb(codes, features, theta_adv), model.perturb(codes, 2 * features, theta_adv))


def perturbed(model: TextAdversary, labels: torch.Tensor | None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    codes, features = torch.randn(3, 4, LATENT, generator=generator), torch.randn(4, FEATURES, generator=generator)
    _, theta_adv = model.draw_particles(3, torch.Generator().manual_seed(0))
    return model.perturb(codes, features, theta_adv, labels)


@pytest.mark.parametrize("config", [TINY_CONFIG, features_config()])
def test_labels_change_nothing_until_their_shifts_do(config: TextAdversaryConfig) -> None:
    model = build_tiny_adversary(config)
    labels, others = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 2, 1])
    before = perturbed(model, None)
    assert model.tell_labels() is model
    assert model.config.perturbation_condition == "label"
    assert torch.equal(perturbed(model, labels), before)
    with torch.no_grad():
        model.label_shift[1] = 1.0
    assert torch.equal(perturbed(model, labels)[:, [0, 2, 3]], before[:, [0, 2, 3]])
    assert not torch.equal(perturbed(model, labels)[:, 1], before[:, 1])
    assert not torch.equal(perturbed(model, others)[:, 3], before[:, 3])


def test_condition_adds_the_shift_of_each_rows_label() -> None:
    model = build_tiny_adversary(replace(TINY_CONFIG, perturbation_condition="label"))
    with torch.no_grad():
        model.label_shift.copy_(torch.tensor([[1.0], [20.0], [300.0]]).expand(3, LATENT))
    found = model.condition(torch.zeros(2, 3, LATENT), torch.tensor([2, 0, 1]))
    assert torch.equal(found, torch.tensor([300.0, 1.0, 20.0])[None, :, None].expand(2, 3, LATENT))


def test_labels_are_asked_for_only_where_they_are_read(tiny_adversary: TextAdversary) -> None:
    assert torch.equal(perturbed(tiny_adversary, torch.tensor([0, 1, 2, 0])), perturbed(tiny_adversary, None))
    with pytest.raises(ValueError, match="expected labels for an adversary whose E' is conditioned on them, got None"):
        perturbed(build_tiny_adversary().tell_labels(), None)


def test_told_adversary_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = build_tiny_adversary().tell_labels()
    with torch.no_grad():
        model.label_shift.copy_(torch.randn(3, LATENT, generator=torch.Generator().manual_seed(4)))
    model.save_pretrained(tmp_path, dtype=torch.float32)
    loaded = TextAdversary.from_pretrained(tmp_path)
    assert loaded.config == model.config
    labels = torch.tensor([0, 1, 2, 0])
    assert torch.equal(perturbed(loaded, labels), perturbed(model, labels))


def test_particles_come_from_one_xi_and_the_generator_alone(tiny_adversary: TextAdversary) -> None:
    first, second = (tiny_adversary.draw_particles(3, torch.Generator().manual_seed(0)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    xi = tiny_adversary.recognition.sample_noise(3, torch.Generator().manual_seed(0))
    assert torch.equal(first[1], tiny_adversary.recognition_adv(xi))
    assert not torch.equal(first[0], tiny_adversary.draw_particles(3, torch.Generator().manual_seed(1))[0])


def test_start_depends_on_the_generator_alone_and_touches_no_global_state(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    first = build_tiny_adversary()
    outputs(first)
    first.save_pretrained(tmp_path)
    TextAdversary.from_pretrained(tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(5)
    second = build_tiny_adversary()
    assert all(torch.equal(a, b) for a, b in zip(outputs(first), outputs(second), strict=True))


def test_first_layers_have_the_spread_that_torch_gives_them() -> None:
    model = build_tiny_adversary()
    assert isinstance(TINY_CONFIG.encoder, CNNEncoderConfig)
    assert isinstance(TINY_CONFIG.decoder, TransposeCNNDecoderConfig)
    own = dict([*model.encoder.named_parameters(), *model.decoder.named_parameters()])
    torchs = dict(
        [
            *CNNEncoder(TINY_CONFIG.encoder).named_parameters(),
            *TransposeCNNDecoder(TINY_CONFIG.decoder).named_parameters(),
        ]
    )
    assert own.keys() == torchs.keys()
    for name, weight in torchs.items():
        assert weight.shape == own[name].shape
        # Both uniform within the same bound, which the largest of so many numbers comes near.
        tolerance = 0.1 if weight.numel() >= 64 else 0.7
        assert own[name].abs().max().item() == pytest.approx(weight.abs().max().item(), rel=tolerance)


def test_model_comes_back_to_the_last_bit_in_float32(tmp_path: Path) -> None:
    model = build_tiny_adversary(has_trigram=True)
    model.save_pretrained(tmp_path / "new" / "folder", dtype=torch.float32)
    loaded = TextAdversary.from_pretrained(tmp_path / "new" / "folder")
    assert loaded.config == model.config
    assert loaded.vocabulary.words == model.vocabulary.words
    assert not loaded.training
    assert all(torch.equal(a, b) for a, b in zip(outputs(model), outputs(loaded), strict=True))
    assert model.language_model is not None
    assert loaded.language_model is not None
    sentences = [["a", "dog", "runs", "."], ["zebra"]]
    expected = model.language_model.perplexity(sentences)
    assert loaded.language_model.perplexity(sentences) == pytest.approx(expected, rel=5e-3)


def test_half_precision_is_the_default_and_read_as_float32(tmp_path: Path) -> None:
    model = build_tiny_adversary()
    model.save_pretrained(tmp_path)
    loaded = TextAdversary.from_pretrained(tmp_path)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name].half().float())
    model.save_pretrained(tmp_path / "float32", dtype=torch.float32)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path, tmp_path / "float32")]
    assert sizes[0] < 0.6 * sizes[1]


def test_half_precision_saved_again_is_the_same_file(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path / "a")
    TextAdversary.from_pretrained(tmp_path / "a").save_pretrained(tmp_path / "b")
    for name in ("config.json", "vocabulary.json", "model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_trigram_of_an_earlier_model_is_not_taken(tmp_path: Path) -> None:
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path)
    build_tiny_adversary().save_pretrained(tmp_path)
    assert TextAdversary.from_pretrained(tmp_path).language_model is None


TOP_KEYS = {"format", "has_trigram", "has_meaning", "adversary", "auto_map"}


def edit_config(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        for name, value in changes.items():
            place = values if name in TOP_KEYS else values["adversary"]
            if value is None:
                del place[name]
            else:
                place[name] = value
        (folder / "config.json").write_text(json.dumps(values))

    return edit


def truncate(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return edit


def remove_word(folder: Path) -> None:
    words = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps(words[:-1]))


def swap_words(folder: Path) -> None:
    words = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([words[1], words[0], *words[2:]]))


def remove_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["log_scale"]
    save_file(tensors, folder / "model.safetensors")


DECODER = asdict(TINY_CONFIG.decoder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "folder with config.json, found none in"),
        (lambda folder: (folder / "vocabulary.json").unlink(), "folder with vocabulary.json, found none in"),
        (lambda folder: (folder / "model.safetensors").unlink(), "folder with model.safetensors, found none in"),
        (lambda folder: shutil.rmtree(folder / "trigram"), "expected the trigram of this adversary in"),
        (truncate("config.json"), "expected JSON in .*config.json"),
        (truncate("vocabulary.json"), "expected JSON in .*vocabulary.json"),
        (truncate("model.safetensors"), "expected the weights of this config in .*model.safetensors"),
        (truncate("trigram/trigram.safetensors"), "expected the trigram of this adversary in"),
        (lambda folder: (folder / "config.json").write_text("[]"), "expected a dict in .*config.json, got list"),
        (edit_config(format="other"), "expected a config.json of format textsem-adversary-2 in .*, got other"),
        (
            edit_config(auto_map={"AutoModel": "code.Model"}),
            "expected keys format, .* in .*config.json, got .*'auto_map'",
        ),
        (edit_config(has_meaning=None), "expected keys format, has_trigram, has_meaning and adversary in"),
        (edit_config(adversary=[]), "expected keys format, has_trigram, has_meaning and adversary in"),
        (lambda folder: (folder / "vocabulary.json").write_text('["a", 3]'), "expected a list of words in .*, got 3"),
        (edit_config(colour="red"), "expected the keys and types of TextAdversaryConfig, got others: .*'colour'"),
        (edit_config(max_length=None), "expected the keys and types of TextAdversaryConfig, got others: .*max_length"),
        (edit_config(decoder=None), "expected the keys and types of TextAdversaryConfig, got others: 'decoder'"),
        (edit_config(decoder=3), "expected the keys and types of TextAdversaryConfig, got others"),
        (edit_config(decoder_name="nowhere"), "got others: 'nowhere'"),
        (edit_config(decoder={**DECODER, "width": 3}), "got others: .*'width'"),
        (edit_config(decoder={**DECODER, "latent_dim": 5}), "expected decoder.latent_dim of 12, .* got 5"),
        (edit_config(bank_size=7), "expected the weights of this config in .*bank_features"),
        (
            remove_word,
            "expected the words of .*vocabulary.json in the trigram beside it, got .* in place of None as word 39",
        ),
        (
            swap_words,
            r"expected the words of .*json in the trigram .*, got '\w+' in place of '\w+' as word 0; take all",
        ),
        (remove_weight, "expected the weights of this config in .*log_scale"),
    ],
)
def test_damaged_folder_is_one_clear_error(damage: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        TextAdversary.from_pretrained(tmp_path)


def test_number_of_words_is_held_against_the_weights_where_there_is_no_trigram(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path)
    remove_word(tmp_path)
    with pytest.raises(ValueError, match=r"(?s)expected the weights of this config in .*embedding"):
        TextAdversary.from_pretrained(tmp_path)


@pytest.mark.parametrize("config", [TINY_CONFIG, features_config()])
def test_config_survives_a_json_round_trip(config: TextAdversaryConfig) -> None:
    assert TextAdversaryConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_length": 9}, "expected encoder.length of 10, as the other parts say, got 7"),
        ({"perturbation_input": "features"}, "expected particle_adv.in_dim of 14, as the other parts say, got 12"),
        ({"perturbation_input": "words"}, "expected perturbation_input code or features, got 'words'"),
        ({"perturbation_condition": "class"}, "expected perturbation_condition none or label, got 'class'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY_CONFIG, **change)  # type: ignore[arg-type]


def test_another_number_of_particles_can_be_drawn() -> None:
    model = build_tiny_adversary()
    assert model.draw_particles(15, torch.Generator())[0].shape[0] == 15


def test_resized_bank_is_empty_and_of_the_size_that_the_config_says() -> None:
    model = build_tiny_adversary()
    assert model.resize_bank(5) is model
    assert model.config.bank_size == 5
    assert torch.equal(model.bank_features, torch.zeros(5, model.config.encoder.feature_dim))


def test_resized_bank_comes_back_from_its_folder(tmp_path: Path) -> None:
    model = build_tiny_adversary().resize_bank(5)
    model.bank_features.fill_(0.5)
    model.save_pretrained(tmp_path)
    loaded = TextAdversary.from_pretrained(tmp_path)
    assert torch.equal(loaded.bank_features, torch.full((5, FEATURES), 0.5))
