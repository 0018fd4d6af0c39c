"""Reconstruction by models whose every answer is known."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from textsem.evaluation.reconstruction import Reconstruction, measure_reconstruction, unseen_sentences
from textsem.model import TextAdversary
from textsem.text.vocabulary import END_ID, PAD_ID, Vocabulary

VOCABULARY = Vocabulary(["a", "man", "dog", "sleeps", "runs", "."])
SENTENCES = ["A man sleeps.", "A dog runs", "A dog sleeps."]  # 5, 4 and 5 tokens with the end


@dataclass
class Echo:
    """The code of a sentence is its row of ids; particle m adds ``shifts[m]`` to the word at ``position``."""

    shifts: tuple[int, ...] = (0,)
    position: int = 1
    max_length: int = 6
    is_padded: bool = True

    @property
    def config(self) -> Any:
        return SimpleNamespace(max_length=self.max_length)

    @property
    def vocabulary(self) -> Vocabulary:
        return VOCABULARY

    def draw_particles(self, num_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        assert num_particles == len(self.shifts)
        return torch.tensor(self.shifts), torch.tensor(self.shifts)

    def features(self, ids: Tensor) -> Tensor:
        return ids.float()

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        codes = features.repeat(len(theta), 1, 1)
        codes[:, :, self.position] += theta[:, None]
        return codes

    def decode_ids(self, codes: Tensor) -> Tensor:
        ids = codes.round().long()
        return ids if self.is_padded else torch.where(ids == PAD_ID, END_ID, ids)


def measure(model: Echo, sentences: list[str], **options: Any) -> Reconstruction:
    settings = {"num_particles": len(model.shifts), "seed": 0, **options}
    return measure_reconstruction(cast(TextAdversary, model), sentences, **settings)


def test_decoder_that_returns_its_input_gets_everything() -> None:
    assert measure(Echo(), SENTENCES) == Reconstruction(1.0, 1.0, 0.0, 3, 14, 1.0)


def test_one_wrong_word_costs_one_token_and_its_sentence() -> None:
    # Position 3 is the full stop of two sentences and the end of the one between them: wrong in all three.
    found = measure(Echo(shifts=(-1,), position=3), SENTENCES)
    assert found.share_of_tokens == 11 / 14
    assert found.share_exact == 0
    # Position 4 is a pad of the middle sentence: what stands there is not counted.
    found = measure(Echo(shifts=(2,), position=4), SENTENCES)
    assert found.share_of_tokens == 12 / 14
    assert found.share_exact == 1 / 3


def test_the_end_token_is_counted() -> None:
    # Without the stop, the end stands at position 2; the words before it are right.
    found = measure(Echo(shifts=(5,), position=2), ["a dog"])
    assert (found.num_tokens, found.share_of_tokens, found.share_exact) == (3, 2 / 3, 0.0)


def test_pads_are_neither_asked_for_nor_counted() -> None:
    assert measure(Echo(is_padded=False), SENTENCES) == measure(Echo(), SENTENCES)


def test_unknown_word_is_never_correct() -> None:
    found = measure(Echo(), ["a platypus sleeps", "a dog sleeps"])
    assert found.share_of_tokens == 7 / 8
    assert found.share_exact == 1 / 2
    assert found.share_unknown == 1 / 8


def test_punctuation_counts_as_a_word_of_the_limit() -> None:
    assert measure(Echo(), SENTENCES, max_words=3).num_sentences == 1
    assert measure(Echo(), SENTENCES, max_words=4).num_sentences == 3


def test_coverage_counts_what_the_model_takes_whatever_the_limit() -> None:
    sentences = [*SENTENCES, "a dog runs . a man sleeps .", ""]
    for max_words in (None, 3):
        assert measure(Echo(), sentences, max_words=max_words).coverage == 3 / 5
    assert measure(Echo(), sentences).num_sentences == 3


def test_each_sentence_gets_one_particle_never_a_mean() -> None:
    # The mean of 1 and -1 would be right everywhere; each of them is wrong everywhere.
    found = measure(Echo(shifts=(1, -1)), SENTENCES * 20)
    assert found.share_exact == 0
    # One good particle of two: about half of the sentences, and not all or none.
    found = measure(Echo(shifts=(0, 1)), SENTENCES * 100)
    assert found.share_exact == pytest.approx(0.5, abs=0.1)


def test_batch_size_changes_nothing() -> None:
    model = Echo(shifts=(0, 1))
    assert measure(model, SENTENCES * 5, batch_size=2) == measure(model, SENTENCES * 5, batch_size=256)


def test_nothing_to_measure_gives_none() -> None:
    assert measure(Echo(), []) == Reconstruction(None, None, None, 0, 0, None)
    assert measure(Echo(), [SENTENCES[0] * 3]) == Reconstruction(None, None, None, 0, 0, 0.0)


@pytest.mark.parametrize("name", ["max_words", "batch_size"])
def test_numbers_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
        measure(Echo(), SENTENCES, **{name: 0})


def test_seen_sentences_are_recognised_past_case_and_punctuation() -> None:
    assert unseen_sentences(SENTENCES, ["a MAN sleeps", "  A  dog, runs!"]) == ["A dog sleeps."]
