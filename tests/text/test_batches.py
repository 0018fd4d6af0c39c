import pytest
import torch

from textsem.text.batches import drop_words, encode_sentences, sentence_lengths, words_until_end
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary

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


def test_words_are_left_out_at_their_rate_and_nothing_else() -> None:
    ids = torch.tensor([5, 9, UNKNOWN_ID, 8, END_ID, PAD_ID, PAD_ID]).repeat(2000, 1)
    dropped = drop_words(ids, rate=0.3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(dropped[:, 4:], ids[:, 4:])
    is_changed = dropped != ids
    assert (dropped[is_changed] == UNKNOWN_ID).all()
    assert not is_changed[:, 2].any()
    shares = is_changed[:, [0, 1, 3]].float().mean(dim=0)
    torch.testing.assert_close(shares, torch.full((3,), 0.3), atol=0.04, rtol=0)  # four standard errors
    assert torch.equal(drop_words(ids, rate=0.0, generator=torch.Generator().manual_seed(0)), ids)
    assert ids[0, 0] == 5
