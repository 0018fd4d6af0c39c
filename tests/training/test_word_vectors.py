import numpy as np
import pytest
import torch

from textsem.text.vocabulary import Vocabulary
from textsem.training.word_vectors import co_occurrence_vectors

SENTENCES = ["a dog barks", "a puppy barks", "the car stops", "the truck stops", "a dog barks"]
VOCABULARY = Vocabulary(("a", "dog", "barks", "puppy", "the", "car", "stops", "truck"))


def naive_ppmi() -> np.ndarray:
    """Count pair by pair, repeated sentences once, weight 1 / distance, context counts to the power 0.75."""
    counts = np.zeros((VOCABULARY.size, VOCABULARY.size))
    for sentence in set(SENTENCES):
        ids = VOCABULARY.encode(sentence.split())
        for i, left in enumerate(ids):
            for j, right in enumerate(ids):
                if 0 < abs(i - j) <= 5:
                    counts[left, right] += 1 / abs(i - j)
    words, context = counts.sum(axis=1), counts.sum(axis=1) ** 0.75
    ppmi = np.zeros_like(counts)
    for left, right in zip(*counts.nonzero(), strict=True):
        joint = counts[left, right] / counts.sum()
        ratio = joint / (words[left] / counts.sum() * context[right] / context.sum())
        ppmi[left, right] = max(0.0, np.log(ratio))
    return ppmi


def test_vectors_are_the_best_factors_of_the_information() -> None:
    vectors = co_occurrence_vectors(SENTENCES, VOCABULARY, embedding_dim=3).double().numpy()
    factors, values, _ = np.linalg.svd(naive_ppmi())
    expected = factors[:, :3] * np.sqrt(values[:3])
    # Factors are free in sign and rotation; inner products of words are not.
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-5)


def test_iteration_for_large_vocabularies_agrees_with_the_dense_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sentences = [" ".join(rng.choice(VOCABULARY.words[4:], size=4)) for _ in range(30)]
    dense = co_occurrence_vectors(sentences, VOCABULARY, embedding_dim=4)
    monkeypatch.setattr("textsem.training.word_vectors._DENSE_LIMIT", 0)
    iterated = co_occurrence_vectors(sentences, VOCABULARY, embedding_dim=4)
    torch.testing.assert_close(iterated @ iterated.T, dense @ dense.T)


def test_words_of_like_use_are_alike() -> None:
    vectors = torch.nn.functional.normalize(co_occurrence_vectors(SENTENCES, VOCABULARY, embedding_dim=4), dim=1)
    dog, puppy, car = (vectors[VOCABULARY.ids[word]] for word in ("dog", "puppy", "car"))
    assert dog @ puppy > 0.99
    assert abs(dog @ car) < 0.01


def test_words_never_seen_and_special_symbols_stay_zero() -> None:
    vocabulary = Vocabulary((*VOCABULARY.words[4:], "zebra"))
    vectors = co_occurrence_vectors(SENTENCES, vocabulary, embedding_dim=3)
    torch.testing.assert_close(vectors[:4].abs().max(), torch.tensor(0.0), atol=1e-6, rtol=0.0)
    torch.testing.assert_close(vectors[vocabulary.ids["zebra"]], torch.zeros(3), atol=1e-6, rtol=0.0)


def test_same_sentences_give_the_same_bits() -> None:
    once, again = (co_occurrence_vectors(SENTENCES, VOCABULARY, embedding_dim=3) for _ in range(2))
    assert torch.equal(once, again)


def test_too_many_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="fewer factors than the 12 ids"):
        co_occurrence_vectors(SENTENCES, VOCABULARY, embedding_dim=12)
