"""The subwords of each word of the vocabulary, under the tokenizer of a pre-trained language model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID, UNKNOWN_ID

__all__ = ["lay_out_pieces", "word_pieces"]

_NEIGHBOUR = "a"  # a word that every tokenizer keeps apart from what follows
_NO_SPACE_BEFORE = frozenset(".,;:!?%)]}'\u2019\u201d-/")
_MOST_UNWRITABLE = 0.5  # more words than that without pieces of their own: not a tokenizer for this language, or none


def word_pieces(tokenizer: Any, words: Sequence[str], *, max_pieces: int, start_id: int) -> Tensor:
    """Return the subword ids of each word as it stands inside a sentence, padded with -1, [vocab, max_pieces].

    That is behind a blank, or right behind the word before it if it is a mark such as a comma; the first word of a
    sentence too.  A word of more pieces is cut.  The start symbol is ``start_id``, the end symbol the tokenizer's end
    token, the pad its pad token (both are read only behind the end, where no word is asked for), the unknown word its
    unknown token or, where it has none, its end token; so is a word that the tokenizer turns into nothing.

    Args:
        tokenizer: One of transformers, with pad and end token.
        words: All words, the four special ones first.
        max_pieces: Columns.
        start_id: Token that the model reads before the first word.

    Raises:
        ValueError: If the special symbols do not come first, or the tokenizer cannot write most words.
    """
    if tuple(words[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS:
        raise ValueError(
            f"expected the words of a Vocabulary, {', '.join(SPECIAL_WORDS)} first, got {list(words[:4])} first"
        )
    unknown = tokenizer.eos_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    rows = _ordinary_pieces(tokenizer, words[len(SPECIAL_WORDS) :])
    unwritable = sum(not row or tokenizer.unk_token_id in row for row in rows)
    if unwritable > _MOST_UNWRITABLE * len(rows):
        raise ValueError(
            f"expected a tokenizer that can write the vocabulary, got one that cannot write {unwritable:,} of its "
            f"{len(rows):,} words: its files are missing beside the model, or it is for another language"
        )
    special = {PAD_ID: tokenizer.pad_token_id, START_ID: start_id, END_ID: tokenizer.eos_token_id, UNKNOWN_ID: unknown}
    rows = [[special[i]] for i in range(len(SPECIAL_WORDS))] + [row[:max_pieces] or [unknown] for row in rows]
    return torch.tensor([row + [-1] * (max_pieces - len(row)) for row in rows])


def lay_out_pieces(pieces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Write the pieces of words one after the other, without gaps, short rows filled at the right.

    Args:
        pieces: Of each word, -1 behind the last; at least one a word, [rows, words, max_pieces].

    Returns:
        Tokens [rows, tokens]; 1 where there is one and 0 in the fill, the same shape; and the place of each word's last
        piece, [rows, words].
    """
    is_piece = pieces >= 0
    last = is_piece.sum(dim=-1).cumsum(dim=-1) - 1
    width = int(last[:, -1].max()) + 1
    places = (is_piece.flatten(1).cumsum(dim=-1) - 1).where(is_piece.flatten(1), width)
    tokens = pieces.new_zeros(len(pieces), width + 1).scatter(1, places, pieces.flatten(1).clamp(min=0))[:, :width]
    mask = (torch.arange(width, device=pieces.device) <= last[:, -1:]).long()
    return tokens, mask, last


def _ordinary_pieces(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """Return the pieces of words behind a neighbour, without those of the neighbour."""
    gaps = ["" if word in _NO_SPACE_BEFORE else " " for word in words]
    neighbour = _encode(tokenizer, [_NEIGHBOUR])[0]
    after = _encode(tokenizer, [_NEIGHBOUR + gap + word for gap, word in zip(gaps, words, strict=True)])
    alone = _encode(tokenizer, [gap + word for gap, word in zip(gaps, words, strict=True)])
    # A tokenizer may join the two, against expectation: then the word by itself.
    return [
        row[len(neighbour) :] if row[: len(neighbour)] == neighbour else own
        for row, own in zip(after, alone, strict=True)
    ]


def _encode(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    rows: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return rows
