from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.builders import LATENT, MAX_LENGTH, TINY_SENTENCES
from textsem.attacks.candidates import Candidate
from textsem.attacks.code_spaces import AdversaryCodeSpace, AdversaryCodeSpaceConfig, CodeSpace, GeneratorCodeSpace
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import render, tokenize
from textsem.text.vocabulary import END_ID, SPECIAL_WORDS


def test_code_is_the_mean_over_particles(tiny_adversary: TextAdversary) -> None:
    space = AdversaryCodeSpace(tiny_adversary, AdversaryCodeSpaceConfig(num_particles=3, seed=5))
    assert isinstance(space, CodeSpace)
    words = [tokenize(text).words for text in TINY_SENTENCES]
    ids = encode_sentences(words, vocabulary=tiny_adversary.vocabulary, max_length=MAX_LENGTH)
    with torch.no_grad():
        theta, _ = tiny_adversary.draw_particles(3, torch.Generator().manual_seed(5))
        expected = sum(tiny_adversary.codes(tiny_adversary.features(ids), theta[m : m + 1])[0] for m in range(3)) / 3
    codes = space.encode(TINY_SENTENCES)
    assert codes.shape == (4, space.latent_dim) == (4, LATENT)
    torch.testing.assert_close(codes, expected, rtol=1e-5, atol=1e-5)


def test_code_is_the_same_to_the_last_bit_whatever_its_batch(tiny_adversary: TextAdversary) -> None:
    space = AdversaryCodeSpace(tiny_adversary, AdversaryCodeSpaceConfig())
    together = space.encode(TINY_SENTENCES)
    for i, text in enumerate(TINY_SENTENCES):
        assert torch.equal(space.encode([text])[0], together[i])


def test_sentence_is_what_the_decoder_says_as_a_change_of_the_hypothesis(tiny_adversary: TextAdversary) -> None:
    space = AdversaryCodeSpace(tiny_adversary, AdversaryCodeSpaceConfig())
    codes = 3 * torch.randn(60, LATENT, generator=torch.Generator().manual_seed(0))
    codes[7] = codes[3]
    original, vocabulary = tokenize(TINY_SENTENCES[1]), tiny_adversary.vocabulary
    found = space.decode(TINY_SENTENCES[1], codes)
    written = 0
    for candidate, row in zip(found, tiny_adversary.decode_ids(codes).tolist(), strict=True):
        words = [vocabulary.words[i] for i in (row[: row.index(END_ID)] if END_ID in row else row)]
        if words and not set(SPECIAL_WORDS) & set(words):
            assert candidate is not None
            assert (candidate.words, candidate.text) == (tuple(words), render(original, words))
            written += 1
        else:
            assert candidate is None
    assert written > 10
    assert found[7] == found[3]


def test_code_of_the_hypothesis_itself_says_nothing(
    tiny_adversary: TextAdversary, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = [["a", "man", "sleeps", "."], ["a", "dog", "sleeps", "."], []]
    rows = encode_sentences(sentences, vocabulary=tiny_adversary.vocabulary, max_length=MAX_LENGTH)
    monkeypatch.setattr(tiny_adversary, "decode_ids", lambda codes: rows)
    space = AdversaryCodeSpace(tiny_adversary, AdversaryCodeSpaceConfig())
    itself, other, nothing = space.decode("A man sleeps.", torch.zeros(3, LATENT))
    assert (itself, nothing) == (None, None)
    assert other is not None
    assert other.text == "A dog sleeps."


def test_too_long_hypothesis_is_not_supported(tiny_adversary: TextAdversary) -> None:
    space = AdversaryCodeSpace(tiny_adversary, AdversaryCodeSpaceConfig())
    assert space.supports(TINY_SENTENCES[0]) is None
    assert space.supports("a " * (MAX_LENGTH + 1)) == "the hypothesis has 7 tokens, the model takes 6"


class Lengths:
    """The code of a hypothesis is its length, twice; a code's sentence names it."""

    latent_dim = 2

    def supports(self, hypothesis: str) -> str | None:
        return "empty" if not hypothesis else None

    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        return torch.tensor([[float(len(text)), float(len(text))] for text in hypotheses])

    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        return [Candidate(f"{hypothesis} {row}", (), 0.0, 0, 0.0) for row in codes.tolist()]


def test_generator_space_lies_behind_generator_and_inverter() -> None:
    space = GeneratorCodeSpace(Lengths(), lambda z: torch.cat([z, z + 1], dim=1), lambda c: c[:, :1] / 4, noise_dim=1)
    assert isinstance(space, CodeSpace)
    assert (space.latent_dim, space.supports(""), space.supports("a")) == (1, "empty", None)
    assert space.encode(["abcd", "ab"]).tolist() == [[1.0], [0.5]]
    (candidate,) = space.decode("a", torch.tensor([[2.0]]))
    assert candidate is not None
    assert candidate.text == "a [2.0, 3.0]"


def test_no_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="expected num_particles >= 1, got 0"):
        AdversaryCodeSpaceConfig(num_particles=0)
