"""Distillation: an encoder that is a sum is met exactly, the sample is what it says, figures have known values."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.builders import TINY_WORDS, build_tiny_adversary
from textsem.model import TextAdversary
from textsem.text.tokenization import is_punctuation, tokenize, word_edits
from textsem.training.meaning import DistilledMeaning, MeaningConfig, distil_meaning

CONFIG = MeaningConfig(dim=6, ridge=1e-6, num_held_out=10, num_swapped=10, num_swaps=4, num_neighbours=5)
SUBJECTS = ("A man", "A woman", "Two dogs", "The boy", "People", "The old cat")
ENDINGS = ("sleeps.", "runs in the park.", "eats food", "sits on a bench.", "jumps near the house", "is playing.")
TEXTS = [f"{subject} {ending}" for subject in SUBJECTS for ending in ENDINGS]


class SumEncoder:
    """Encodes a sentence as the sum of vectors of its words, of unit length; keeps what it was asked."""

    def __init__(self, dim: int = 6, *, noise: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.vectors = {word: torch.randn(dim, generator=generator) for word in TINY_WORDS}
        self.noise, self.dim = noise, dim
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Tensor:
        self.asked += texts
        generator = torch.Generator().manual_seed(len(self.asked))
        sums = [torch.stack([self.vectors[word] for word in tokenize(text).words]).sum(dim=0) for text in texts]
        vectors = torch.nn.functional.normalize(torch.stack(sums), dim=-1)
        noise = torch.randn(vectors.shape, generator=generator)
        return torch.nn.functional.normalize(vectors + self.noise * noise, dim=-1)


@pytest.fixture(scope="module")
def model() -> TextAdversary:
    return build_tiny_adversary()


def distil(model: TextAdversary, encoder: SumEncoder, config: MeaningConfig = CONFIG) -> DistilledMeaning:
    return distil_meaning(encoder, model, TEXTS, config)


def test_encoder_that_sums_words_is_nearly_met(model: TextAdversary) -> None:
    figures = distil(model, SumEncoder()).figures
    # Not exactly: the encoder's vectors have unit length, means of words have not.
    assert figures["held_out_cosine"] == pytest.approx(0.95, abs=0.05)
    pearson = figures["pearson"]
    assert pearson is not None
    assert pearson > 0.6
    noisy = distil(model, SumEncoder(noise=3.0)).figures
    assert noisy["held_out_cosine"] is not None
    assert noisy["held_out_cosine"] < 0.5


def test_sentences_held_out_are_not_fitted_and_count_up(model: TextAdversary) -> None:
    encoder = SumEncoder()
    figures = distil(model, encoder).figures
    held_out, fitted = encoder.asked[:3], encoder.asked[3 : 3 + len(TINY_WORDS) + 33]
    assert set(fitted) == {*TINY_WORDS, *TEXTS} - set(held_out)
    assert set(held_out) < set(TEXTS)
    # A tenth of the 36 at most.
    assert [figures[name] for name in ("sentences", "single_words", "held_out_sentences")] == [33, len(TINY_WORDS), 3]
    few = distil(model, SumEncoder(), replace(CONFIG, num_sentences=5, num_held_out=2)).figures
    assert [few[name] for name in ("sentences", "held_out_sentences")] == [5, 2]


def test_swaps_replace_one_word_and_two_by_neighbours_in_turn(model: TextAdversary) -> None:
    encoder = SumEncoder()
    figures = distil(model, encoder).figures
    pairs = encoder.asked[3 + len(TINY_WORDS) + 33 :]
    originals, swapped = pairs[:12], pairs[12:]
    assert figures["swaps"] == 12 == len(swapped)  # four of each held-out sentence
    edits = [word_edits(tokenize(a).words, tokenize(b).words) for a, b in zip(originals, swapped, strict=True)]
    assert edits == [1, 2] * 6
    for a, b in zip(originals, swapped, strict=True):
        marks = [[word for word in tokenize(text).words if is_punctuation(word)] for text in (a, b)]
        assert marks[0] == marks[1]
        assert b[0].isupper()


def test_precision_and_recall_are_shares_of_swaps(model: TextAdversary) -> None:
    class Flat(SumEncoder):
        """Gives the swaps cosines of 1, the held-out sentences what words say."""

        def encode(self, texts: Sequence[str]) -> Tensor:
            vectors = super().encode(texts)
            return vectors if len(self.asked) <= 3 + len(TINY_WORDS) + 33 else torch.ones(len(texts), self.dim)

    figures = distil(model, Flat()).figures
    assert figures["share_at_least_0.8"] == 1.0
    assert figures["precision_at_0.8"] in (1.0, None)
    assert figures["pearson"] is None  # one side does not vary
    assert figures["spearman"] is None
    recall = figures["recall_at_0.8"]
    assert recall is not None
    assert 0.0 <= recall <= 1.0
    assert recall * 12 == pytest.approx(round(recall * 12), abs=1e-5)


def test_seed_decides_alone(model: TextAdversary) -> None:
    before = torch.get_rng_state()
    first, second, third = (distil(model, SumEncoder(), replace(CONFIG, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.table.vectors, second.table.vectors)
    assert first.figures == second.figures != third.figures
    assert not torch.equal(first.table.vectors, third.table.vectors)
    assert torch.equal(torch.get_rng_state(), before)


def test_sentences_of_the_same_words_are_one(model: TextAdversary) -> None:
    encoder = SumEncoder()
    texts = ["A man sleeps.", "a man sleeps .", "A MAN sleeps.", "", " ", "A dog runs."]
    assert distil_meaning(encoder, model, texts, CONFIG).figures["sentences"] == 1
    assert {text for text in encoder.asked if text.lower() == "a man sleeps."} == {"A man sleeps."}
    with pytest.raises(ValueError, match="expected two different sentences or more, got 1"):
        distil_meaning(encoder, model, texts[:-1], CONFIG)


def test_table_is_that_of_the_file(model: TextAdversary) -> None:
    vectors = distil(model, SumEncoder()).table.vectors
    assert vectors.shape == (model.vocabulary.size, 6)
    assert torch.equal(vectors, vectors.half().float())


def test_too_many_dimensions_are_refused_before_the_long_part(model: TextAdversary) -> None:
    encoder = SumEncoder()
    with pytest.raises(ValueError, match="expected dim of at most the encoder's 6, got 7"):
        distil(model, encoder, replace(CONFIG, dim=7))
    assert len(encoder.asked) == 3


@pytest.mark.parametrize("name", ["num_sentences", "num_held_out", "dim", "num_swapped", "num_swaps", "num_neighbours"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
        MeaningConfig(**{name: 0})
    with pytest.raises(ValueError, match="expected ridge >= 0, got -1"):
        MeaningConfig(ridge=-1.0)
