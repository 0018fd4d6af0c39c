import math

import torch

from textsem.text.similarity import (
    embedding_distance,
    mean_vector_similarity,
    most_similar_words,
    nearest_neighbours,
    word_mask,
)
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID, Vocabulary

# Every word is an axis of its own: two words are sqrt(2) apart, and one from nothing is 1.
TABLE = torch.eye(8)
SENTENCE = torch.tensor([4, 5, END_ID, PAD_ID])


def test_distance_counts_the_words_that_differ() -> None:
    others = torch.tensor([[4, 5, END_ID, PAD_ID], [4, 6, END_ID, PAD_ID], [6, 7, END_ID, PAD_ID], [4, 5, 6, END_ID]])
    expected = torch.tensor([0, math.sqrt(2), 2, math.sqrt(3)])  # the last: end to word, nothing to end
    torch.testing.assert_close(embedding_distance(TABLE, SENTENCE, others), expected)


def test_similarity_is_the_cosine_of_mean_words() -> None:
    others = torch.tensor([[5, 4, END_ID, PAD_ID], [4, END_ID, PAD_ID, PAD_ID], [6, 7, END_ID, PAD_ID], [4, 5, 6, 7]])
    expected = torch.tensor([1, 1 / math.sqrt(2), 0, 1 / math.sqrt(2)])
    torch.testing.assert_close(mean_vector_similarity(TABLE, SENTENCE, others), expected)


def test_sentence_without_words_is_similar_to_nothing() -> None:
    empty = torch.tensor([[END_ID, PAD_ID, PAD_ID, PAD_ID]])
    assert mean_vector_similarity(TABLE, SENTENCE, empty).tolist() == [0]


def test_most_similar_words_equal_an_argmax_over_all_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.nn.functional.normalize(torch.randn(9, 5, generator=generator), dim=-1)
    vectors = torch.nn.functional.normalize(torch.randn(50, 11, 5, generator=generator), dim=-1)
    cosines = vectors @ table.T
    cosines[..., [PAD_ID, START_ID]] = -2
    expected = cosines.argmax(dim=-1).tolist()
    for row in expected:
        if END_ID in row:
            end = row.index(END_ID)
            row[end + 1 :] = [PAD_ID] * (len(row) - end - 1)
    assert most_similar_words(table, vectors).tolist() == expected
    lengths = {row.index(END_ID) if END_ID in row else 11 for row in expected}
    assert lengths >= {0, 2, 5, 11}, "the example is too simple"


def test_neighbours_are_the_nearest_allowed_words_without_the_word_itself() -> None:
    angles = torch.tensor([0.0, 0.01, 0.02, 0.03, 0.0, 0.1, 0.3, 0.7])
    table = torch.stack([angles.cos(), angles.sin()], dim=-1)
    is_allowed = torch.arange(8) > UNKNOWN_ID
    found = nearest_neighbours(table, torch.tensor([4, 6]), is_allowed=is_allowed, num_neighbours=2)
    assert found.tolist() == [[5, 6], [5, 4]]


def test_word_mask_leaves_special_words_and_punctuation_out() -> None:
    assert word_mask(Vocabulary(["man", ".", "t-shirt", ","])).tolist() == [*[False] * 4, True, False, True, False]
