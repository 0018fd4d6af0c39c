"""Every decoder in the attack: codes together, few edits a code, and sentences as the decoder writes them."""

from dataclasses import replace

import pytest
import torch

from tests.builders import (
    EMBEDDING,
    LATENT,
    MAX_LENGTH,
    TINY_CONFIG,
    TINY_DECODERS,
    TINY_SENTENCES,
    TINY_WORDS,
    build_tiny_adversary,
    config_with_decoder,
)
from tests.decoders.tiny_language_models import build_tiny_decoder
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.attacks.proposals import candidates_from_ids
from textsem.model import TextAdversary
from textsem.protocols import GenerationConfig
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import SPECIAL_WORDS

LABELS, SEEDS = [0, 1, 2, 0], [11, 12, 13, 14]
BASE = ManifoldConfig(num_particles=3, num_neighbours=4)
CONFIGS = {
    "mixture": BASE,
    "single": replace(BASE, decoding="single"),
    "free": replace(BASE, decoding="free"),
    "free sampling": replace(BASE, decoding="free", generation=GenerationConfig("sampling")),
    "free beam": replace(BASE, decoding="free", generation=GenerationConfig("beam", num_beams=2)),
    "reconstruction": replace(BASE, direction="reconstruction"),
}


@pytest.fixture(params=[*TINY_DECODERS, "pretrained"])
def model(request: pytest.FixtureRequest) -> TextAdversary:
    if request.param != "pretrained":
        return build_tiny_adversary(config_with_decoder(request.param))
    sizes = {"latent_dim": LATENT, "length": MAX_LENGTH + 1, "embedding_dim": EMBEDDING}
    decoder = build_tiny_decoder("gpt2", **sizes, vocab_size=len(TINY_WORDS) + len(SPECIAL_WORDS))
    adversary = build_tiny_adversary(replace(TINY_CONFIG, decoder_name="pretrained", decoder=decoder.config))
    adversary.decoder.load_state_dict(decoder.state_dict())
    return adversary


@pytest.mark.parametrize("name", CONFIGS)
def test_every_decoder_proposes_whatever_its_batch(model: TextAdversary, name: str) -> None:
    source = ManifoldSource(model, CONFIGS[name])
    together = source.propose(TINY_SENTENCES, LABELS, SEEDS, 12)
    assert all(together)
    assert source.propose(TINY_SENTENCES, LABELS, SEEDS, 12) == together
    for i in range(4):
        assert source.propose(TINY_SENTENCES[i : i + 1], LABELS[i : i + 1], SEEDS[i : i + 1], 12) == together[i : i + 1]


def test_free_sentences_are_those_that_the_decoder_writes(model: TextAdversary) -> None:
    text = TINY_SENTENCES[0]
    ids = encode_sentences([tokenize(text).words], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    for config in (GenerationConfig(), GenerationConfig("beam", num_beams=2)):
        source = ManifoldSource(model, replace(BASE, decoding="free", generation=config))
        codes = source.moved_codes(ids, torch.tensor([0]), [11], 12)[0]
        assert torch.equal(source.decode(codes, ids[0]), model.decode_ids(codes, config=config))


def test_drawn_words_are_those_of_the_seed(model: TextAdversary) -> None:
    sampling = replace(BASE, decoding="free", generation=GenerationConfig("sampling", temperature=3.0))
    source = ManifoldSource(model, sampling)
    ids = encode_sentences([["a", "man"]], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    codes = source.moved_codes(ids, torch.tensor([0]), [11], 12)[0]
    assert torch.equal(source.decode(codes, ids[0], 1), source.decode(codes, ids[0], 1))
    assert not torch.equal(source.decode(codes, ids[0], 1), source.decode(codes, ids[0], 2))


def test_words_of_a_pair_are_drawn_from_its_own_seed(model: TextAdversary) -> None:
    sampling = replace(BASE, decoding="free", generation=GenerationConfig("sampling", temperature=3.0))
    source, text = ManifoldSource(model, sampling), TINY_SENTENCES[0]
    original = tokenize(text)
    ids = encode_sentences([original.words], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    codes = source.moved_codes(ids, torch.tensor([0]), [11], 12)[0]
    drawn = {
        seed: candidates_from_ids(
            original,
            ids[0],
            source.decode(codes, ids[0], seed),
            vocabulary=model.vocabulary,
            table=model.embedding_table(),
        )
        for seed in (0, 11)
    }
    assert source.propose([text], [0], [11], 12) == [drawn[11]]
    assert drawn[11] != drawn[0]


@pytest.mark.parametrize("name", ["language_model", "arae"])
def test_mixture_reads_the_words_of_the_hypothesis_before_each_place(name: str) -> None:
    model = build_tiny_adversary(config_with_decoder(name))
    ids = encode_sentences([["a", "man", "sleeps", "."]], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    other = encode_sentences([["a", "dog", "sleeps", "."]], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    codes = torch.randn(5, model.config.decoder.latent_dim, generator=torch.Generator().manual_seed(0))
    moved = (model.position_vectors(codes, ids) - model.position_vectors(codes, other)).norm(dim=-1).amax(dim=0)
    assert moved[:2].max() < 1e-6
    assert moved[2:].min() > 1e-5


def test_decoding_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected decoding mixture, single or free, got 'beam'"):
        ManifoldConfig(decoding="beam")  # type: ignore[arg-type]
