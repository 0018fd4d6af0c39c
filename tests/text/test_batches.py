import pytest
import torch

from textsem.text.batches import encode_sentences, sentence_lengths, words_until_end
from textsem.text.vocabulary import END_ID, UNKNOWN_ID, Vocabulary

VOCABULARY = Vocabulary(["a", "man", "sleeps"])


def test_row_holds_words_end_and_pads() -> None:
    sentences = [["a", "man"], [], ["a", "big", "man", "sleeps"]]
    ids = encode_sentences(sentences, vocabulary=VOCABULARY, max_length=4)
    assert ids.tolist() == [[4, 5, END_ID, 0, 0], [END_ID, 0, 0, 0, 0], [4, UNKNOWN_ID, 5, 6, END_ID]]
    assert ids.dtype == torch.int64
    assert sentence_lengths(ids).tolist() == [len(sentence) for sentence in sentences]


def test_no_sentence_is_no_row() -> None:
    assert encode_sentences([], vocabulary=VOCABULARY, max_length=4).shape == (0, 5)


def test_long_sentence_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 1 words and punctuation marks, got 2"):
        encode_sentences([["a", "man"]], vocabulary=VOCABULARY, max_length=1)


def test_all_after_the_first_end_becomes_pads() -> None:
    rows = torch.tensor([[[4, END_ID, 5, END_ID]], [[4, 5, 6, 4]]])
    assert words_until_end(rows).tolist() == [[[4, END_ID, 0, 0]], [[4, 5, 6, 4]]]
    assert sentence_lengths(rows).tolist() == [[1], [4]]
    assert rows[0, 0, 2] == 5, "the argument was written into"
