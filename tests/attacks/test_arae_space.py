import pytest
import torch

from tests.builders import ARAE_CODE, ARAE_NOISE, MAX_LENGTH, TINY_SENTENCES, build_tiny_arae
from textsem.attacks.arae_space import ARAECodeSpace, noise_space
from textsem.attacks.code_spaces import CodeSpace
from textsem.text.batches import encode_sentences
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import END_ID


def test_codes_and_sentences_are_those_of_the_arae() -> None:
    arae = build_tiny_arae()
    space = ARAECodeSpace(arae)
    assert isinstance(space, CodeSpace)
    words = [tokenize(text).words for text in TINY_SENTENCES]
    ids = encode_sentences(words, vocabulary=arae.vocabulary, max_length=MAX_LENGTH)
    codes = space.encode(TINY_SENTENCES)
    assert codes.shape == (4, space.latent_dim) == (4, ARAE_CODE)
    torch.testing.assert_close(codes, arae.encode(ids))
    for i, text in enumerate(TINY_SENTENCES):
        assert torch.equal(space.encode([text])[0], codes[i])
    drawn = torch.nn.functional.normalize(torch.randn(30, ARAE_CODE, generator=torch.Generator().manual_seed(0)), dim=1)
    written = 0
    for candidate, row in zip(space.decode(TINY_SENTENCES[1], drawn), arae.decode_ids(drawn).tolist(), strict=True):
        decoded = [arae.vocabulary.words[i] for i in (row[: row.index(END_ID)] if END_ID in row else row)]
        assert candidate is None or candidate.words == tuple(decoded)
        written += candidate is not None
    assert written > 5


def test_too_long_hypothesis_is_not_supported() -> None:
    space = ARAECodeSpace(build_tiny_arae())
    assert space.supports(TINY_SENTENCES[0]) is None
    assert space.supports("a " * (MAX_LENGTH + 1)) == "the hypothesis has 7 tokens, the model takes 6"


def test_noise_lies_behind_generator_and_inverter() -> None:
    arae = build_tiny_arae(has_inverter=True)
    assert arae.inverter is not None
    space = noise_space(arae)
    noise = space.encode(TINY_SENTENCES)
    assert noise.shape == (4, space.latent_dim) == (4, ARAE_NOISE)
    with torch.no_grad():
        torch.testing.assert_close(noise, arae.inverter(ARAECodeSpace(arae).encode(TINY_SENTENCES)))
        expected = ARAECodeSpace(arae).decode("a man", arae.generator(noise))
    assert space.decode("a man", noise) == expected


def test_arae_without_inverter_has_no_noise_space() -> None:
    with pytest.raises(ValueError, match="expected an ARAE with an inverter"):
        noise_space(build_tiny_arae())
