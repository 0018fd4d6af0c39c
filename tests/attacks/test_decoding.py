"""A toy vocabulary of orthonormal words: vectors say exactly which word they mean, and by how much."""

import pytest
import torch
from torch import Tensor

from textsem.attacks.decoding import decode_few_edits
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID

TABLE = torch.eye(10)  # ids 4 to 9 are words
A, B, C, D, E, F = range(4, 10)
ORIGINAL = torch.tensor([A, B, C, END_ID, PAD_ID, PAD_ID])


def meaning(*words: tuple[int, float]) -> Tensor:
    """Return one candidate's vectors: at each position a word and how much it is preferred to the original's."""
    rows = torch.zeros(len(ORIGINAL), len(TABLE))
    for position, (word, gap) in enumerate(words):
        rows[position, word] = 0.5 + gap
        if ORIGINAL[position] != word:
            rows[position, ORIGINAL[position]] = 0.5
    return rows[None]


@pytest.mark.parametrize(
    ("max_edits", "expected"), [(1, [A, E, C]), (2, [D, E, C]), (3, [D, E, F])], ids=["one", "two", "three"]
)
def test_the_words_with_the_largest_gaps_change(max_edits: int, expected: list[int]) -> None:
    vectors = meaning((D, 0.2), (E, 0.4), (F, 0.1), (END_ID, 0.4))
    decoded = decode_few_edits(TABLE, vectors, ORIGINAL, torch.tensor([max_edits]))
    assert decoded[0].tolist() == [*expected, END_ID, PAD_ID, PAD_ID]


def test_a_code_that_means_the_original_gives_the_original() -> None:
    vectors = meaning((A, 0.4), (B, 0.4), (C, 0.4), (END_ID, 0.4))
    assert torch.equal(decode_few_edits(TABLE, vectors, ORIGINAL, torch.tensor([3]))[0], ORIGINAL)


def test_a_sentence_of_another_length_is_taken_as_it_was_decoded() -> None:
    shorter = meaning((D, 0.4), (E, 0.4), (END_ID, 0.4))
    longer = meaning((A, 0.4), (B, 0.4), (C, 0.4), (D, 0.4), (E, 0.4), (END_ID, 0.4))
    decoded = decode_few_edits(TABLE, torch.cat([shorter, longer]), ORIGINAL, torch.tensor([1, 1]))
    assert decoded.tolist() == [[D, E, END_ID, PAD_ID, PAD_ID, PAD_ID], [A, B, C, D, E, END_ID]]


def test_a_sentence_without_an_end_counts_as_of_the_originals_length() -> None:
    vectors = meaning((D, 0.3), (B, 0.4), (C, 0.4), (D, 0.4), (E, 0.4), (F, 0.4))
    decoded = decode_few_edits(TABLE, vectors, ORIGINAL, torch.tensor([1]))
    assert decoded[0].tolist() == [D, B, C, END_ID, PAD_ID, PAD_ID]


def test_no_word_becomes_the_unknown_one() -> None:
    vectors = meaning((UNKNOWN_ID, 0.4), (E, 0.1), (C, 0.4), (END_ID, 0.4))
    decoded = decode_few_edits(TABLE, vectors, ORIGINAL, torch.tensor([1]))
    assert decoded[0].tolist() == [A, E, C, END_ID, PAD_ID, PAD_ID]


def test_a_candidate_does_not_depend_on_the_others() -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(7, 6, 10, generator=generator), dim=-1)
    edits = torch.tensor([1, 2, 3, 1, 2, 3, 1])
    together = decode_few_edits(TABLE, vectors, ORIGINAL, edits)
    alone = [decode_few_edits(TABLE, vectors[i : i + 1], ORIGINAL, edits[i : i + 1])[0] for i in range(7)]
    assert torch.equal(together, torch.stack(alone))
