"""The sources of an adversary's moves, on a tiny adversary with drawn weights."""

import math
import statistics
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.builders import TINY_CONFIG, TINY_WORDS, build_tiny_adversary
from textsem.evaluation.smoothness import Smoothness
from textsem.evaluation.smoothness_sources import (
    SOURCES,
    code_batch,
    measure_sources,
    median_interval,
    short_sentences,
)
from textsem.latent.moves import DIRECTIONS, move_codes
from textsem.model import TextAdversary
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import END_ID, Vocabulary

SUBJECTS, VERBS, ENDS = ("a man", "the dog", "two children"), ("sleeps", "runs", "eats"), ("outside", ".")
SENTENCES = [f"{subject} {verb} {end}" for subject in SUBJECTS for verb in VERBS for end in ENDS]
GRID = torch.tensor([0.5, 1.0, 2.0, 4.0])


@pytest.fixture(scope="module")
def model() -> TextAdversary:
    return build_tiny_adversary(replace(TINY_CONFIG, spread=0.5, spread_adv=0.5), has_trigram=True)


def measure(model: TextAdversary, sentences: list[str] = SENTENCES, **options: object) -> dict[str, Smoothness]:
    settings: dict[str, object] = {
        "language_model": model.language_model,
        "word_embeddings": model.embedding_table(),
        "num_particles": 3,
        "seed": 4,
        "scales": GRID,
        "noise_weight": 1.0,
        **options,
    }
    return measure_sources(model, sentences, **settings)  # type: ignore[arg-type]


def moved_words(model: TextAdversary, name: str, scale: float) -> list[list[str]]:
    """Decode what the attack's own functions make of the codes."""
    batch = code_batch(model, SENTENCES, num_particles=3, seed=4, noise_weight=1.0)
    scales = torch.full((len(SENTENCES), 1), scale)
    codes = move_codes(batch.of_particle(batch.clean), DIRECTIONS[name](batch), scales)[:, 0]
    return words(model, model.decode_ids(codes))


def words(model: TextAdversary, ids: Tensor) -> list[list[str]]:
    return [model.vocabulary.decode(row) for row in ids.tolist()]


@pytest.mark.parametrize("name", SOURCES)
def test_codes_move_as_the_attack_moves_them(model: TextAdversary, name: str) -> None:
    found = measure(model, sources=(name,), scales=GRID[2:3])[name]
    is_changed = found.changed_words > 0
    assert 0 < is_changed.sum()
    attacked = moved_words(model, name, 2.0)
    new = words(model, found.new_ids)
    assert all(new[i] == attacked[i] for i in is_changed.nonzero()[:, 0].tolist())


def test_all_sources_start_from_the_same_sentences(model: TextAdversary) -> None:
    found = measure(model)
    assert tuple(found) == SOURCES
    for result in found.values():
        torch.testing.assert_close(result.old_ids, found["isotropic"].old_ids)
    changed = {name: result.new_ids.tolist() for name, result in found.items()}
    assert len({str(rows) for rows in changed.values()}) == len(SOURCES)


def test_a_sentence_moves_alike_in_any_company(model: TextAdversary) -> None:
    alone, together = measure(model, SENTENCES[7:8]), measure(model)
    for name in SOURCES:
        assert alone[name].changed_words[0] == together[name].changed_words[7]
        torch.testing.assert_close(alone[name].scales[0], together[name].scales[7], equal_nan=True)


def test_no_direction_changes_no_word(model: TextAdversary) -> None:
    assert not measure(model, sources=("reconstruction",))["reconstruction"].changed_words.any()
    # One particle is separated from nothing.
    assert not measure(model, sources=("clean",), num_particles=1)["clean"].changed_words.any()


def test_weight_zero_leaves_the_move_of_the_second_encoder_alone(model: TextAdversary) -> None:
    batch = code_batch(model, SENTENCES, num_particles=3, seed=4, noise_weight=0.0)
    move = batch.of_particle(batch.adversarial - batch.clean)
    cosines = torch.cosine_similarity(DIRECTIONS["adversarial"](batch), move, dim=-1)
    torch.testing.assert_close(cosines, torch.ones_like(cosines))


def test_judge_of_another_vocabulary_reads_the_same_words(model: TextAdversary) -> None:
    """The same words in another order, and other rows of embeddings to match: nothing may change."""
    other = Vocabulary(TINY_WORDS[::-1])
    corpus = [text.split() for text in SENTENCES]
    own, judge = (TrigramLanguageModel.fit(corpus, vocabulary=words) for words in (model.vocabulary, other))
    rows = torch.tensor(model.vocabulary.encode(other.words))
    mine = measure(model, language_model=own)["isotropic"]
    found = measure(model, language_model=judge, word_embeddings=model.embedding_table()[rows])["isotropic"]
    torch.testing.assert_close(found.perplexity_ratios, mine.perplexity_ratios, equal_nan=True)
    torch.testing.assert_close(found.similarities, mine.similarities, equal_nan=True)
    assert (found.old_ids == END_ID).sum() == 0
    assert [other.decode(row) for row in found.new_ids.tolist()] == words(model, mine.new_ids)


def test_codes_off_the_sphere_move_straight_on(model: TextAdversary) -> None:
    """Both readings of the last step decode other codes; the config of the particles decides."""
    spherical = measure(model, sources=("isotropic",))["isotropic"]
    config = model.config
    try:
        model.config = replace(config, particle=replace(config.particle, is_spherical=False))
        straight = measure(model, sources=("isotropic",))["isotropic"]
    finally:
        model.config = config
    torch.testing.assert_close(straight.old_ids, spherical.old_ids)
    assert not torch.equal(straight.new_ids, spherical.new_ids)


def test_unknown_source_is_refused(model: TextAdversary) -> None:
    with pytest.raises(ValueError, match=r"expected sources in .*, got \['sideways'\]"):
        measure(model, sources=("isotropic", "sideways"))


def test_short_sentences_are_the_first_different_ones() -> None:
    given = ["a b c.", "a b", "", "a b", "c d", "e f", "g h"]
    assert short_sentences(given, max_words=3, num_sentences=3) == ["a b", "c d", "e f"]
    assert short_sentences(given, max_words=4, num_sentences=1) == ["a b c."]
    assert all(len(tokenize(text).words) <= 3 for text in short_sentences(given, max_words=3, num_sentences=9))


def test_median_interval_holds_the_ranks_of_the_table() -> None:
    # Conover's example: n = 100 gives ranks 40 and 61.
    assert median_interval([float(i) for i in range(1, 101)]) == (40.0, 61.0)
    assert median_interval([1.0] * 5) is None


def test_median_interval_covers_the_median_as_often_as_it_says() -> None:
    draws = torch.rand(2000, 31, generator=torch.Generator().manual_seed(0)).tolist()
    intervals = [found for row in draws if (found := median_interval(row)) is not None]
    covered = statistics.mean(low <= 0.5 <= high for low, high in intervals)
    # Order statistics are coarse: 95% is the least, give or take three standard errors.
    assert 0.95 - 3 * math.sqrt(0.05 * 0.95 / 2000) <= covered < 0.99
