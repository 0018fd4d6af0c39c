"""Words of the vocabulary as subwords of a tokenizer."""

from pathlib import Path

import pytest
import torch

from tests.decoders.tiny_language_models import (
    SENTENCES,
    TOKENIZERS,
    WORDS,
    byte_level_tokenizer,
    load,
    tiny_config,
    word_piece_tokenizer,
)
from textsem.decoders.pretrained_words import lay_out_pieces, word_pieces
from textsem.text.vocabulary import UNKNOWN_ID


@pytest.mark.parametrize("text", ["a man is sleeping in the park.", "dogs, a woman aren't outside, the zebra."])
def test_pieces_of_words_are_those_of_the_sentence(name: str, text: str) -> None:
    tokenizer = TOKENIZERS[name]()
    words = text.replace(",", " ,").replace(".", " .").split()
    pieces = word_pieces(tokenizer, WORDS, max_pieces=12, start_id=0)
    written = [p for word in words for p in pieces[WORDS.index(word)].tolist() if p >= 0]
    # Behind another sentence, so that its first word has a blank too.
    before = tokenizer("a", add_special_tokens=False)["input_ids"]
    assert written == tokenizer(f"a {text}", add_special_tokens=False)["input_ids"][len(before) :]


def test_known_pieces_of_special_and_long_words() -> None:
    tokenizer = byte_level_tokenizer()
    pieces = word_pieces(tokenizer, WORDS, max_pieces=2, start_id=7)
    end, pad = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<pad>"])
    assert pieces[:4].tolist() == [[pad, -1], [7, -1], [end, -1], [end, -1]]  # it has no unknown token
    assert tokenizer.convert_ids_to_tokens(pieces[WORDS.index("zebra")]) == ["Ġ", "z"]
    comma = tokenizer.convert_tokens_to_ids(",")
    assert pieces[WORDS.index(",")].tolist() == [comma, -1]
    tokenizer = word_piece_tokenizer()
    pieces = word_pieces(tokenizer, WORDS, max_pieces=2, start_id=7)
    assert pieces[UNKNOWN_ID].tolist() == [tokenizer.unk_token_id, -1]
    assert tokenizer.convert_ids_to_tokens(pieces[WORDS.index("man")]) == ["m", "##an"]


def test_word_that_becomes_nothing_is_unknown() -> None:
    class Tokenizer:
        pad_token_id, eos_token_id, unk_token_id = 0, 1, 2

        def __call__(self, texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
            return {"input_ids": [[3 + len(part) for part in text.replace("☃", "").split()] for text in texts]}

    pieces = word_pieces(Tokenizer(), [*WORDS[:4], "the", "☃", "man"], max_pieces=2, start_id=1)
    assert pieces[4:].tolist() == [[6, -1], [2, -1], [6, -1]]


def test_pieces_are_laid_out_without_gaps() -> None:
    pieces = torch.tensor([[[5, -1, -1], [6, 7, 8], [9, 10, -1]], [[5, -1, -1], [0, -1, -1], [4, 3, -1]]])
    tokens, mask, last = lay_out_pieces(pieces)
    assert tokens.tolist() == [[5, 6, 7, 8, 9, 10], [5, 0, 4, 3, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]
    assert last.tolist() == [[0, 3, 5], [0, 1, 3]]


def test_sentencepiece_file_is_read(folders: dict[str, Path], tmp_path: Path) -> None:
    import sentencepiece
    from transformers import AutoModelForSeq2SeqLM

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 3), model_prefix=str(tmp_path / "spiece"), vocab_size=40, pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "T5Tokenizer"}')
    model = AutoModelForSeq2SeqLM.from_config(tiny_config("t5", vocab_size=150))  # type: ignore[no-untyped-call]
    model.save_pretrained(tmp_path)
    decoder = load(tmp_path)
    reader = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    for word in ("man", "the", "dogs"):
        assert [p for p in decoder.pieces[WORDS.index(word)].tolist() if p >= 0] == reader.encode(word)[:4]
