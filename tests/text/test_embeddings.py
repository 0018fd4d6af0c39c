"""PPMI factorisation: a table that is recovered exactly, words of one context, the generator."""

import numpy as np
import pytest
import torch

from textsem.text.embeddings import cooccurrence_embeddings, random_embeddings
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID, Vocabulary

# man and dog, sleeps and runs stand in the same places; a and the do not.
CORPUS = [
    [first, noun, verb]
    for first, times in (("a", 1), ("the", 3))
    for noun in ("man", "dog")
    for verb in ("sleeps", "runs")
    for _ in range(times)
] + [["the", "red", "man"], ["the", "red", "dog"]]
VOCABULARY = Vocabulary(["a", "the", "man", "dog", "sleeps", "runs", "red", "never"])


def table(seed: int = 0, dim: int = 5) -> torch.Tensor:
    return cooccurrence_embeddings(
        CORPUS, vocabulary=VOCABULARY, dim=dim, generator=torch.Generator().manual_seed(seed)
    )


def row(word: str, seed: int = 0) -> torch.Tensor:
    return table(seed)[VOCABULARY.ids[word]]


def test_words_of_the_same_contexts_get_the_same_vector() -> None:
    torch.testing.assert_close(row("man"), row("dog"), atol=1e-5, rtol=0)
    torch.testing.assert_close(row("sleeps"), row("runs"), atol=1e-5, rtol=0)
    assert row("man") @ row("sleeps") < 0.9
    assert row("a") @ row("red") < 0.9


def test_gram_matrix_is_that_of_the_ppmi_by_hand() -> None:
    """With all factors, U S U^T is the square root of PPMI PPMI^T."""
    V, offsets = VOCABULARY.size, (-2, -1, 1, 2)
    counts = np.zeros((V, 4 * V))
    for sentence in CORPUS:
        ids = [START_ID, *VOCABULARY.encode(sentence), END_ID]
        for i, word in enumerate(ids):
            for k, offset in enumerate(offsets):
                if 0 <= i + offset < len(ids):
                    counts[word, k * V + ids[i + offset]] += 1
    joint = counts / counts.sum()
    context = counts.sum(axis=0) ** 0.75
    context /= context.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ppmi = np.nan_to_num(np.maximum(np.log(joint / (joint.sum(axis=1, keepdims=True) * context)), 0), posinf=0)
    values, vectors = np.linalg.eigh(ppmi @ ppmi.T)
    gram = vectors @ np.diag(values.clip(0) ** 0.5) @ vectors.T
    norm = np.sqrt(np.diag(gram))
    known = [VOCABULARY.ids[w] for w in ("a", "the", "man", "dog", "sleeps", "runs", "red")]
    expected = (gram / np.outer(norm, norm).clip(1e-12))[np.ix_(known, known)]
    found = table(dim=VOCABULARY.size)[known]
    torch.testing.assert_close(found @ found.T, torch.from_numpy(expected).float(), atol=1e-4, rtol=0)


def test_generator_decides_alone() -> None:
    assert torch.equal(table(), table())
    assert not torch.equal(row("never"), row("never", seed=1))
    before = torch.get_rng_state()
    table()
    assert torch.equal(before, torch.get_rng_state())


def test_every_row_has_unit_length_also_of_words_that_never_occur() -> None:
    assert table().dtype == torch.float32
    torch.testing.assert_close(table().norm(dim=-1), torch.ones(VOCABULARY.size))
    rows = table()[[PAD_ID, END_ID, UNKNOWN_ID, VOCABULARY.ids["never"]]]
    assert (rows @ rows.T).fill_diagonal_(0).abs().max() < 0.999


def test_random_rows_have_unit_length_and_no_mean() -> None:
    rows = random_embeddings(2000, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(2000))
    assert rows.mean(dim=0).abs().max() < 0.05  # the standard deviation of such a mean is 0.01


def test_what_cannot_be_factorised_is_refused() -> None:
    with pytest.raises(ValueError, match="expected dim of at most 12, one for each id, got 13"):
        table(dim=13)
    with pytest.raises(ValueError, match="expected at least one sentence, got none"):
        cooccurrence_embeddings([], vocabulary=VOCABULARY, dim=2, generator=torch.Generator())
