"""An interpolated Kneser-Ney word trigram: fitted by sorting, scored by binary search, a few MB on disk."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID, UNKNOWN_ID, Vocabulary

__all__ = ["TrigramLanguageModel", "TrigramTables"]

FORMAT = "textsem-trigram-1"
DEFAULT_DISCOUNT = 0.75  # used where a corpus is too small for the estimate: no n-gram seen exactly once or twice

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrigramTables:
    """What the model knows, as sorted keys and natural logs.  An n-gram (a, b, c) has the key ``(a * V + b) * V + c``.

    Args:
        unigram_log_probs: One a word id, [vocabulary]; -inf for pad and start, which are never predicted.
        bigram_keys: Stored bigrams, ascending int64, [bigrams].
        bigram_log_probs: Interpolated log probability of their last word, [bigrams].
        trigram_keys: Stored trigrams, ascending int64, [trigrams].
        trigram_log_probs: Interpolated log probability of their last word, [trigrams].
        unigram_log_backoffs: Weight of the unigram after each word; 0 after a word without bigrams, [vocabulary].
        context_keys: Bigrams that begin a stored trigram, ascending int64, [contexts].
        context_log_backoffs: Weight of the bigram probability after each of them, [contexts].
    """

    unigram_log_probs: Tensor
    bigram_keys: Tensor
    bigram_log_probs: Tensor
    trigram_keys: Tensor
    trigram_log_probs: Tensor
    unigram_log_backoffs: Tensor
    context_keys: Tensor
    context_log_backoffs: Tensor


class TrigramLanguageModel:
    """Score sentences by an interpolated Kneser-Ney trigram; every log is natural.

        p(c|ab) = (n(abc) - D3) / n(ab.) + D3 N(ab.) / n(ab.) p(c|b)
        p(c|b)  = (N(.bc) - D2) / N(.b.) + D2 N'(b.) / N(.b.) p(c)
        p(c)    = (N(.c) - D1) / N(..)   + D1 N'(.) / N(..)   1 / (V - 2)

    Kneser & Ney 1995 in the interpolated form of Chen & Goodman 1999, one discount an order.  n counts occurrences, N
    the distinct words that stand at the dot, N' the distinct continuations.  A term with nothing seen is left out and
    a context never seen has weight 1 below it.  Pad and start are never predicted: the V - 2 others sum to one.

    Args:
        vocabulary: Words and ids.
        tables: See ``TrigramTables``; made by ``fit`` or ``load``.

    Raises:
        ValueError: If the tables belong to a vocabulary of another size.
    """

    def __init__(self, vocabulary: Vocabulary, tables: TrigramTables) -> None:
        if tables.unigram_log_probs.shape != (vocabulary.size,):
            raise ValueError(
                f"expected unigram_log_probs of shape [{vocabulary.size}], got {list(tables.unigram_log_probs.shape)}"
            )
        self.vocabulary = vocabulary
        self.tables = tables

    @classmethod
    def fit(
        cls,
        sentences: Iterable[Sequence[str]],
        *,
        vocabulary: Vocabulary,
        discount: float | tuple[float, float, float] | None = None,
        min_word_count: int = 2,
        min_trigram_count: int = 1,
    ) -> "TrigramLanguageModel":
        """Count n-grams and turn them into tables.

        Args:
            sentences: Words of each sentence, without start and end; empty ones are left out.
            vocabulary: Words and ids; other words count as unknown.
            discount: (D1, D2, D3), or one for all, in [0, 1]; None estimates each as n1 / (n1 + 2 n2) from the number
                of n-grams of that order seen once and twice (Ney, Essen & Kneser 1994).
            min_word_count: A word seen less often than this in ``sentences`` counts as unknown while fitting, so that
                the unknown word has the probability that rare words have.
            min_trigram_count: A trigram seen less often is not stored; its mass goes to the back-off weight, so that
                probabilities still sum to one.

        Raises:
            ValueError: If there is no sentence, or a discount is out of range.
        """
        stream = _token_stream((vocabulary.encode(words) for words in sentences), vocabulary.size, min_word_count)
        return cls(vocabulary, _fit_tables(stream, vocabulary.size, discount, min_trigram_count))

    def log_probs(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the log probability of each word and of the end after the last one.

        Args:
            ids: Word ids, [batch, length]; what stands at or after a sentence's length is not read.
            lengths: Words in each sentence, at most length, [batch].

        Returns:
            Natural logs, [batch, length + 1]; the end token stands at position ``lengths``, zeros after it.

        Raises:
            ValueError: If shapes do not match, or a length or an id is out of range.
        """
        if ids.ndim != 2 or lengths.shape != ids.shape[:1]:
            raise ValueError(
                f"expected ids [batch, length] and lengths [batch], got {[*ids.shape]} and {[*lengths.shape]}"
            )
        batch, length = ids.shape
        lengths = lengths.to(torch.int64)
        if batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= length:
            raise ValueError(f"expected lengths from 0 to {length}, got {int(lengths.min())} to {int(lengths.max())}")
        position = torch.arange(length + 1)
        words = torch.where(position[:length] < lengths[:, None], ids.to(torch.int64), END_ID)
        if words.numel() and not 0 <= int(words.min()) <= int(words.max()) < self.vocabulary.size:
            raise ValueError(f"expected ids below {self.vocabulary.size}, got {int(words.min())} to {int(words.max())}")
        start = torch.full((batch, 2), START_ID)
        padded = torch.cat([start, words, torch.full((batch, 1), END_ID)], dim=1)
        scores = self._score(padded[:, :-2], padded[:, 1:-1], padded[:, 2:])
        return torch.where(position <= lengths[:, None], scores, 0.0)

    def _score(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Return log p(c|ab), any shape: the stored trigram, else the bigram, else the unigram, with its weights."""
        t, V = self.tables, self.vocabulary.size
        has_bigram, bigram = _look_up(t.bigram_keys, t.bigram_log_probs, b * V + c)
        lower = torch.where(has_bigram, bigram, t.unigram_log_backoffs[b] + t.unigram_log_probs[c])
        _, backoff = _look_up(t.context_keys, t.context_log_backoffs, a * V + b)
        has_trigram, trigram = _look_up(t.trigram_keys, t.trigram_log_probs, (a * V + b) * V + c)
        return torch.where(has_trigram, trigram, backoff + lower)

    def num_unseen(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return how many bigrams and how many trigrams of each sentence the corpus does not have, [batch, 2].

        The starts and the end belong to a sentence.  Arguments as for ``log_probs``; pads stand after the words.
        """
        words = torch.where(torch.arange(ids.shape[1]) < lengths[:, None], ids.to(torch.int64), END_ID)
        start, end = torch.full((len(ids), 2), START_ID), torch.full((len(ids), 1), END_ID)
        padded = torch.cat([start, words, end], dim=1)
        a, b, c = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
        t, V = self.tables, self.vocabulary.size
        seen = [
            _look_up(t.bigram_keys, t.bigram_log_probs, b * V + c)[0],
            _look_up(t.trigram_keys, t.trigram_log_probs, (a * V + b) * V + c)[0],
        ]
        is_part = torch.arange(c.shape[1]) <= lengths[:, None]
        return torch.stack([(~is_seen & is_part).sum(dim=1) for is_seen in seen], dim=1)

    def perplexity_of_ids(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return exp of the mean negative log probability over words and end token, [batch]; see ``log_probs``."""
        return (-self.log_probs(ids, lengths).sum(dim=1) / (lengths + 1)).exp()

    def perplexity(self, sentences: Sequence[Sequence[str]]) -> Floats:
        """Return the perplexity of each sentence, given as words: exp of the mean over words and end token."""
        if not sentences:
            return np.zeros(0)
        rows = [torch.tensor(self.vocabulary.encode(words), dtype=torch.int64) for words in sentences]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD_ID)
        lengths = torch.tensor([len(row) for row in rows])
        return self.perplexity_of_ids(ids, lengths).numpy().astype(np.float64)

    def save(self, folder: str | Path) -> None:
        """Write ``trigram.safetensors`` (logs as float16, about 0.1% each) and ``trigram.json`` into ``folder``."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        tensors = {f.name: getattr(self.tables, f.name) for f in fields(TrigramTables)}
        halves = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
        save_file({name: t.contiguous() for name, t in halves.items()}, path / "trigram.safetensors")
        meta = {"format": FORMAT, "words": self.vocabulary.words[len(SPECIAL_WORDS) :]}
        (path / "trigram.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "TrigramLanguageModel":
        """Read what ``save`` wrote; strict about the format and the names of the tables."""
        path = Path(folder)
        meta = json.loads((path / "trigram.json").read_text(encoding="utf-8"))
        if meta.get("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {meta.get('format')}")
        tensors = load_file(path / "trigram.safetensors")
        names = {f.name for f in fields(TrigramTables)}
        if set(tensors) != names:
            raise ValueError(f"expected tables {sorted(names)}, got {sorted(tensors)}")
        tables = TrigramTables(**{name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
        return cls(Vocabulary(meta["words"]), tables)


def _look_up(keys: Tensor, values: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return whether each wanted key is stored, and its value (0 where it is not)."""
    if not len(keys):
        return torch.zeros_like(wanted, dtype=torch.bool), torch.zeros(wanted.shape)
    place = torch.searchsorted(keys, wanted.contiguous()).clamp(max=len(keys) - 1)
    is_stored = keys[place] == wanted
    return is_stored, torch.where(is_stored, values[place], 0.0)


def _token_stream(sentences: Iterable[Sequence[int]], vocab_size: int, min_word_count: int) -> Counts:
    """Concatenate sentences as start, start, words, end; rare words become the unknown word."""
    framed = ((START_ID, START_ID, *ids, END_ID) for ids in sentences if ids)
    stream = np.fromiter(chain.from_iterable(framed), dtype=np.int64)
    if not len(stream):
        raise ValueError("expected at least one sentence with words, got none")
    is_rare = np.bincount(stream, minlength=vocab_size) < min_word_count
    is_rare[[PAD_ID, START_ID, END_ID]] = False
    return np.where(is_rare[stream], UNKNOWN_ID, stream)


def _fit_tables(
    stream: Counts, V: int, discount: float | tuple[float, float, float] | None, min_trigram_count: int
) -> TrigramTables:
    """Count trigrams by sorting, lower orders by distinct left neighbours, and interpolate from the bottom up."""
    is_predicted = stream[2:] != START_ID
    a, b, c = (part[is_predicted] for part in (stream[:-2], stream[1:-1], stream[2:]))
    keys3, n3 = np.unique((a * V + b) * V + c, return_counts=True)
    keys2, n2 = np.unique(keys3 % V**2, return_counts=True)
    keys1, n1 = np.unique(keys2 % V, return_counts=True)
    D1, D2, D3 = _discounts((n1, n2, n3), discount)

    is_outcome = np.ones(V, dtype=bool)
    is_outcome[[PAD_ID, START_ID]] = False
    p1 = np.where(is_outcome, D1 * len(keys1) / n1.sum() / is_outcome.sum(), 0.0)
    p1[keys1] += (n1 - D1) / n1.sum()
    p2, words, gamma2 = _interpolate(keys2 // V, n2, p1[keys2 % V], D2, n2 > 0)
    backoffs = np.ones(V)
    backoffs[words] = gamma2
    is_kept = n3 >= min_trigram_count
    p3, contexts, gamma3 = _interpolate(keys3 // V, n3, p2[np.searchsorted(keys2, keys3 % V**2)], D3, is_kept)
    return TrigramTables(
        unigram_log_probs=_log(p1),
        bigram_keys=torch.from_numpy(keys2),
        bigram_log_probs=_log(p2),
        trigram_keys=torch.from_numpy(keys3[is_kept]),
        trigram_log_probs=_log(p3[is_kept]),
        unigram_log_backoffs=_log(backoffs),
        context_keys=torch.from_numpy(contexts[gamma3 != 1]),
        context_log_backoffs=_log(gamma3[gamma3 != 1]),
    )


def _interpolate(
    context: Counts, counts: Counts, lower: Floats, discount: float, is_kept: npt.NDArray[np.bool_]
) -> tuple[Floats, Counts, Floats]:
    """Return each n-gram's interpolated probability, the contexts, and the weight of what lies below each context."""
    contexts, inverse = np.unique(context, return_inverse=True)
    totals = np.bincount(inverse, weights=counts)
    # What an n-gram gives away is summed as such, not as 1 - (what is kept), which would cancel to a negative weight.
    given_away = np.where(is_kept, discount, counts)
    gamma = np.bincount(inverse, weights=given_away) / totals
    return (counts - discount) / totals[inverse] + gamma[inverse] * lower, contexts, gamma


def _discounts(
    counts: tuple[Counts, Counts, Counts], discount: float | tuple[float, float, float] | None
) -> tuple[float, ...]:
    """Return D1, D2, D3, estimated where none is given."""
    if discount is None:
        seen = [(int((n == 1).sum()), int((n == 2).sum())) for n in counts]
        return tuple(once / (once + 2 * twice) if once and twice else DEFAULT_DISCOUNT for once, twice in seen)
    given = (discount,) * 3 if isinstance(discount, float | int) else tuple(discount)
    if len(given) != 3 or not all(0 <= d <= 1 for d in given):
        raise ValueError(f"expected one discount or three, each in [0, 1], got {discount}")
    return given


def _log(probabilities: Floats) -> Tensor:
    """Return natural logs as float32; a probability of 0 becomes -inf."""
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(probabilities).astype(np.float32))
