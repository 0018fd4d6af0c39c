"""Adversaries around each decoder and with parts of an ARAE: what is taken over, and that they train and come back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from tests.builders import ARAE_CODE, EMBEDDING, LATENT, MAX_LENGTH, TINY_DECODERS, build_tiny_arae
from tests.decoders.tiny_language_models import save_tiny_language_model
from tests.training.toys import CONFIG, PAIRS, SENTENCES, SHAPE, WORDS, build_attacker
from textsem.arae import ARAE
from textsem.model import TextAdversary
from textsem.text.batches import words_until_end
from textsem.text.vocabulary import END_ID, UNKNOWN_ID
from textsem.training.adversary import AdversaryRun, train_adversary
from textsem.training.adversary_config import preset, with_decoder
from textsem.training.adversary_parts import Parts, build_adversary
from textsem.training.text_problem import TextBatch, TextProblem, all_words


def run_with(folder: Path, name: str) -> AdversaryRun:
    shape = replace(SHAPE, num_particles=3, decoder_name=name, decoder=TINY_DECODERS[name])
    model = build_adversary(SENTENCES, shape, CONFIG)
    return AdversaryRun(model, SENTENCES, PAIRS, CONFIG, folder, attacker=build_attacker(model, CONFIG))


@pytest.fixture
def arae_folder(tmp_path: Path) -> Path:
    """Save a small ARAE whose words are in another order than those of the corpus."""
    build_tiny_arae(sorted(WORDS)).save_pretrained(tmp_path / "arae", dtype=torch.float32)
    return tmp_path / "arae"


@pytest.mark.parametrize("name", TINY_DECODERS)
def test_all_stages_train_every_decoder_and_it_comes_back(name: str, tmp_path: Path) -> None:
    run = run_with(tmp_path, name)
    before = {key: value.clone() for key, value in run.model.decoder.state_dict().items()}
    model = train_adversary(run)
    assert all(not torch.equal(value, before[key]) for key, value in model.decoder.state_dict().items())
    assert {line["phase"] for line in run.progress.metrics} == {"adversarial"}
    model.save_pretrained(tmp_path / "model", dtype=torch.float32)
    loaded = TextAdversary.from_pretrained(tmp_path / "model")
    assert loaded.config == model.config
    codes = torch.randn(3, LATENT, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.decode_ids(codes), model.decode_ids(codes))
    ids = run.ids[:1]
    assert torch.equal(loaded.position_vectors(codes, ids), model.position_vectors(codes, ids))


@pytest.mark.parametrize("name", ["language_model", "arae"])
def test_interrupted_run_of_a_decoder_with_word_dropout_goes_on_exactly(name: str, tmp_path: Path) -> None:
    whole = train_adversary(run_with(tmp_path / "whole", name))
    train_adversary(run_with(tmp_path / "cut", name), max_minutes=0.0)
    resumed = run_with(tmp_path / "cut", name)
    train_adversary(resumed, is_resumed=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key]), key


def test_first_stage_learns_with_every_decoder(tmp_path: Path) -> None:
    config = replace(CONFIG, reconstruction_steps=60, manifold_steps=0, adversarial_steps=0, learning_rate=1e-2)
    for name in TINY_DECODERS:
        shape = replace(SHAPE, num_particles=3, decoder_name=name, decoder=TINY_DECODERS[name])
        model = build_adversary(SENTENCES, shape, config)
        run = AdversaryRun(model, SENTENCES, PAIRS, config, tmp_path / name, attacker=None)
        losses = [run.step(step)["reconstruction"] for step in range(60)]
        assert sum(losses[-5:]) < 0.8 * sum(losses[:5]), name


def test_word_dropout_hides_its_share_of_the_words_from_autoregressive_decoders_alone() -> None:
    seen: list[torch.Tensor] = []
    for name in TINY_DECODERS:
        shape = replace(SHAPE, decoder_name=name, decoder=TINY_DECODERS[name])
        model = build_adversary(SENTENCES, shape, CONFIG)

        def watched(codes: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
            seen.append(ids)
            return torch.zeros(*codes.shape[:-1], MAX_LENGTH + 1, EMBEDDING)

        model.position_vectors = watched  # type: ignore[method-assign]
        generator = torch.Generator().manual_seed(0)
        words = all_words(model.vocabulary.size)
        problem = TextProblem(model, words, word_dropout=0.25, generator=generator)
        ids = torch.full((2000, MAX_LENGTH + 1), 5)
        problem.reconstruction(problem.decode(torch.zeros(2000, LATENT)), TextBatch(ids))
        is_hidden = seen[-1] == UNKNOWN_ID
        if name == "transpose_cnn":
            assert not is_hidden.any()
        else:
            assert is_hidden.float().mean() == pytest.approx(0.25, abs=0.015)
    with pytest.raises(ValueError, match="generator"):
        TextProblem(model, words, word_dropout=0.25)
    with pytest.raises(ValueError, match=r"expected word_dropout from 0 to below 1, got 1\.5"):
        TextProblem(model, words, word_dropout=1.5, generator=generator)


@pytest.mark.parametrize("name", ["language_model", "arae"])
def test_words_to_be_encoded_again_are_written_freely_though_the_true_ones_were_told(name: str) -> None:
    model = build_adversary(SENTENCES, replace(SHAPE, decoder_name=name, decoder=TINY_DECODERS[name]), CONFIG)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(4)  # else so few weights write the same words whatever stands before
    problem, generator = TextProblem(model, all_words(model.vocabulary.size)), torch.Generator().manual_seed(0)
    outputs = problem.decode(torch.randn(40, LATENT, generator=generator))
    ids = torch.randint(UNKNOWN_ID, model.vocabulary.size, (40, MAX_LENGTH + 1), generator=generator)
    told = (problem.vectors(outputs, ids) @ model.embedding_table()[END_ID:].T).argmax(dim=-1) + END_ID
    free = model.decode_ids(outputs.codes)
    assert not torch.equal(words_until_end(told), free)
    assert torch.equal(problem.hard_words(outputs), free)


def test_words_are_hidden_in_the_first_stage_alone(tmp_path: Path) -> None:
    run = run_with(tmp_path, "language_model")
    seen: list[torch.Tensor] = []
    decode = run.model.position_vectors

    def watched(codes: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        seen.append(ids)
        return decode(codes, ids)

    run.model.position_vectors = watched  # type: ignore[method-assign]
    is_hidden = {}
    for step in (0, CONFIG.reconstruction_steps, CONFIG.reconstruction_steps + CONFIG.manifold_steps):
        seen.clear()
        run.step(step)
        is_hidden[run.phase(step)] = any(bool((ids == UNKNOWN_ID).any()) for ids in seen)
        assert seen
    assert is_hidden == {"reconstruction": True, "perturbed": False, "adversarial": False}


def test_parts_of_an_arae_are_its_own(arae_folder: Path) -> None:
    arae = ARAE.from_pretrained(arae_folder)
    config = replace(CONFIG, embeddings="arae")
    model = build_adversary(SENTENCES, SHAPE, config, Parts("arae", str(arae_folder), has_arae_encoder=True))
    assert model.vocabulary.words == arae.vocabulary.words
    torch.testing.assert_close(model.embedding_table(), arae.embedding_table())
    assert model.config.encoder == arae.config.encoder
    assert model.config.particle.in_dim == model.config.particle.out_dim == ARAE_CODE
    ids = torch.tensor([[5, 6, 2, 0, 0, 0, 0]])
    torch.testing.assert_close(torch.nn.functional.normalize(model.features(ids), dim=-1), arae.encode(ids))
    codes = arae.encode(ids)
    torch.testing.assert_close(model.position_vectors(codes, ids), arae.position_vectors(codes, ids))
    assert model.log_scale == arae.log_scale
    assert model.language_model is not None


def test_embeddings_of_an_arae_serve_other_encoders_and_decoders(arae_folder: Path) -> None:
    arae = ARAE.from_pretrained(arae_folder)
    for decoder in (None, "language_model"):
        parts = Parts(decoder, str(arae_folder))
        model = build_adversary(SENTENCES, SHAPE, replace(CONFIG, embeddings="arae"), parts)
        torch.testing.assert_close(model.embedding_table(), arae.embedding_table())
        assert model.config.decoder_name == (decoder or "transpose_cnn")
        assert model.config.encoder == SHAPE.encoder


def test_decoder_of_an_arae_takes_codes_of_another_width(arae_folder: Path) -> None:
    model = build_adversary(SENTENCES, SHAPE, replace(CONFIG, embeddings="arae"), Parts("arae", str(arae_folder)))
    arae = ARAE.from_pretrained(arae_folder)
    assert model.config.decoder.latent_dim == LATENT != ARAE_CODE
    for key, value in arae.decoder.state_dict().items():
        assert torch.equal(model.decoder.state_dict()[key], value)
    assert model.decode_ids(torch.ones(2, LATENT)).shape == (2, MAX_LENGTH + 1)


def test_resuming_with_an_arae_of_other_words_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, adversarial_steps=0, embeddings="arae")

    def run(words: list[str]) -> AdversaryRun:
        build_tiny_arae(words).save_pretrained(tmp_path / "arae", dtype=torch.float32)
        model = build_adversary(SENTENCES, replace(SHAPE, num_particles=3), config, Parts(None, str(tmp_path / "arae")))
        return AdversaryRun(model, SENTENCES, PAIRS, config, tmp_path, attacker=None)

    train_adversary(run(sorted(WORDS)), max_minutes=0.0)
    with pytest.raises(ValueError, match=r"vocabulary of '\w{16}', got"):
        train_adversary(run(sorted(WORDS)[::-1]), is_resumed=True)


@pytest.mark.parametrize("model_type", ["gpt2", "t5"])
def test_pretrained_language_model_is_conditioned_saved_and_loaded_without_its_folder(
    model_type: str, tmp_path: Path
) -> None:
    folder = save_tiny_language_model(tmp_path / model_type, model_type)
    parts = Parts("pretrained", language_model=str(folder))
    config = replace(CONFIG, reconstruction_steps=3, manifold_steps=2, adversarial_steps=2)
    model = build_adversary(SENTENCES, replace(SHAPE, num_particles=3), config, parts)
    theirs = AutoModel.from_pretrained(folder).state_dict()
    before = {name: value.clone() for name, value in model.decoder.state_dict().items()}
    for name, value in theirs.items():
        if f"language_model.{name}" in before:
            torch.testing.assert_close(before[f"language_model.{name}"], value)
    run = AdversaryRun(model, SENTENCES, PAIRS, config, tmp_path, attacker=build_attacker(model, config))
    train_adversary(run)
    # The prefix and the output learn, the language model is as it was.
    for name, value in model.decoder.state_dict().items():
        assert torch.equal(value, before[name]) is name.startswith(("language_model.", "pieces")), name
    shutil.rmtree(folder)
    model.language_model = None  # whose own words would be compared first
    model.save_pretrained(tmp_path / "model")
    loaded = TextAdversary.from_pretrained(tmp_path / "model")
    assert torch.equal(loaded.decoder.pieces, model.decoder.pieces)  # type: ignore[arg-type]
    codes = torch.randn(3, LATENT, generator=torch.Generator().manual_seed(0))
    ids = run.ids[:1]
    torch.testing.assert_close(
        loaded.position_vectors(codes, ids), model.position_vectors(codes, ids), atol=0.02, rtol=0.0
    )
    words = json.loads((tmp_path / "model" / "vocabulary.json").read_text())
    (tmp_path / "model" / "vocabulary.json").write_text(json.dumps(words[:-1]))
    with pytest.raises(ValueError, match=r"expected a vocabulary of \d+ words, as the decoder's pieces have, got"):
        TextAdversary.from_pretrained(tmp_path / "model")
    again = AdversaryRun(loaded.train(), SENTENCES, PAIRS, config, tmp_path, attacker=build_attacker(loaded, config))
    assert not any(p.requires_grad for p in loaded.decoder.language_model.parameters())  # type: ignore[union-attr]
    again.step(0)


def test_numbers_of_subwords_are_not_rounded_when_saved(tmp_path: Path) -> None:
    folder = save_tiny_language_model(tmp_path / "gpt2", "gpt2")
    model = build_adversary(SENTENCES, SHAPE, CONFIG, Parts("pretrained", language_model=str(folder)))
    model.decoder.get_buffer("pieces").fill_(50_257)  # half precision has 50,240 and 50,272, nothing between
    model.save_pretrained(tmp_path / "model")
    assert bool((TextAdversary.from_pretrained(tmp_path / "model").decoder.get_buffer("pieces") == 50_257).all())


@pytest.mark.parametrize(
    ("parts", "embeddings", "message"),
    [
        (Parts("arae"), "random", r"expected the folder of a trained ARAE \(--arae\)"),
        (Parts(has_arae_encoder=True), "random", r"expected the folder of a trained ARAE \(--arae\)"),
        (Parts(), "arae", r"expected the folder of a trained ARAE \(--arae\)"),
        (Parts(arae="somewhere"), "random", r"expected embeddings, encoder or decoder to be the ARAE's"),
        (Parts("arae", "somewhere"), "random", r"expected the ARAE's embeddings .* beside its encoder .* got random"),
        (Parts(arae="somewhere", has_arae_encoder=True), "cooccurrence", r"expected the ARAE's embeddings .* got cooc"),
        (Parts("pretrained"), "random", r"expected decoder pretrained and the folder .* got 'pretrained' and None"),
        (Parts(language_model="gpt"), "random", r"expected decoder pretrained and .* got None and 'gpt'"),
    ],
)
def test_parts_without_their_source_are_refused(parts: Parts, embeddings: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_adversary(SENTENCES, SHAPE, replace(CONFIG, embeddings=embeddings), parts)  # type: ignore[arg-type]


def test_arae_of_another_length_is_refused(arae_folder: Path) -> None:
    config = replace(CONFIG, embeddings="arae")
    with pytest.raises(ValueError, match=r"expected an ARAE of max_length 16, as this preset has, got 6 in "):
        build_adversary(SENTENCES, preset("base").model, config, Parts("arae", str(arae_folder)))


def test_presets_take_every_decoder() -> None:
    for name in ("arae", "language_model", "transpose_cnn"):
        shape = with_decoder(preset("paper").model, name)
        assert shape.decoder_name == name
        assert (shape.decoder.latent_dim, shape.decoder.length) == (100, 11)
    with pytest.raises(ValueError, match=r"expected a decoder among .*, got 'lstm'"):
        with_decoder(preset("base").model, "lstm")
