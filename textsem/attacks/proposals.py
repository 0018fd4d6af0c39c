"""From rows of ids to candidates: what every source does after it has drawn its own."""

from collections.abc import Sequence

from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.text.similarity import embedding_distance, mean_vector_similarity
from textsem.text.tokenization import TokenizedText, render, tokenize, word_edits
from textsem.text.vocabulary import END_ID, UNKNOWN_ID, Vocabulary

__all__ = ["candidates_from_ids", "reason_against"]


def reason_against(hypothesis: str, *, max_length: int) -> str | None:
    """Return None, or why a model of so many words and punctuation marks does not take this hypothesis."""
    num_words = len(tokenize(hypothesis).words)
    if not num_words:
        return "the hypothesis has no word"
    if num_words > max_length:
        return f"the hypothesis has {num_words} tokens, the model takes {max_length}"
    return None


def candidates_from_ids(
    original: TokenizedText, ids: Tensor, proposals: Tensor, *, vocabulary: Vocabulary, table: Tensor
) -> list[Candidate]:
    """Return the different sentences among rows of ids, in their order, without the original.

    An unknown word of a row is the original's own, in order; a row with more of them than the original is left out.

    Args:
        original: The hypothesis.
        ids: Its ids, [length].
        proposals: Rows of ids, pads after the end symbol, [candidates, length].
        vocabulary: Words and ids.
        table: Unit-length word vectors, [vocab, embedding].
    """
    unknown = [word for word in original.words if word not in vocabulary.ids]
    unchanged = ids.tolist()
    rows, sentences = [], []
    for row in dict.fromkeys(map(tuple, proposals.tolist())):
        words = None if list(row) == unchanged else _words(row, unknown, vocabulary)
        if words:
            rows.append(row)
            sentences.append(words)
    if not rows:
        return []
    kept = proposals.new_tensor(rows)
    distances = embedding_distance(table, ids, kept).tolist()
    similarities = mean_vector_similarity(table, ids, kept).tolist()
    return [
        Candidate(render(original, words), tuple(words), distance, word_edits(original.words, words), similarity)
        for words, distance, similarity in zip(sentences, distances, similarities, strict=True)
    ]


def _words(row: Sequence[int], unknown: Sequence[str], vocabulary: Vocabulary) -> list[str] | None:
    """Return the words of a row, or None if it has more unknown ones than there are to put there."""
    known = row[: row.index(END_ID)] if END_ID in row else row
    words = [vocabulary.words[i] for i in known]
    if UNKNOWN_ID in known:
        places = [place for place, i in enumerate(known) if i == UNKNOWN_ID]
        if len(places) > len(unknown):
            return None
        for place, word in zip(places, unknown, strict=False):
            words[place] = word
    return words
