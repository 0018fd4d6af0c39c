"""The trigram against nltk, against sums and hand counts, and through its file."""

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textsem.text.ngram import TrigramLanguageModel
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID, Vocabulary

CORPUS = [
    "the dog runs in the park",
    "a dog sleeps in the house",
    "the cat runs",
    "the cat sleeps in a house",
    "a man walks the dog in the park",
    "the man runs in the park",
    "a cat sees the dog",
    "the dog sees a cat in the house",
]
SENTENCES = [line.split() for line in CORPUS]
VOCABULARY = Vocabulary(sorted({word for words in SENTENCES for word in words}))


def fit(**settings: object) -> TrigramLanguageModel:
    options: dict[str, object] = {"min_word_count": 1, **settings}
    return TrigramLanguageModel.fit(SENTENCES, vocabulary=VOCABULARY, **options)  # type: ignore[arg-type]


MODEL = fit()


def next_word_probs(model: TrigramLanguageModel, context: tuple[int, int]) -> Tensor:
    """All p(c | context) through the public scorer; the context (start, start) is a sentence's first place."""
    V = model.vocabulary.size
    before = [i for i in context if i != START_ID]
    rows = torch.tensor([[*before, c] for c in range(V)])
    return model.log_probs(rows, torch.full((V,), rows.shape[1]))[:, len(before)].exp()


def contexts() -> Iterator[tuple[int, int]]:
    yield START_ID, START_ID
    words = range(UNKNOWN_ID, VOCABULARY.size)
    yield from ((START_ID, b) for b in words)
    yield from product(words, words)


def test_agrees_with_nltk_kneser_ney() -> None:
    # nltk gives the unigram no discount and no uniform floor, hence D1 = 0.  It also counts padding as an outcome when
    # its own pipeline pads, so it is handed exactly the n-grams that end on a word or on one end symbol.
    from nltk import lm

    frames = [["<s>", "<s>", *words, "</s>"] for words in SENTENCES]
    grams = [[tuple(f[i - n : i + 1]) for i in range(2, len(f)) for n in range(3)] for f in frames]
    oracle = lm.KneserNeyInterpolated(3, discount=0.6, vocabulary=lm.Vocabulary([w for f in frames for w in f]))
    oracle.fit(grams)
    model = fit(discount=(0.0, 0.6, 0.6))
    # The last sentence meets unseen trigrams after seen contexts and after unseen ones.
    texts = [*SENTENCES, "a park sees the man".split(), "house park runs dog".split()]
    for words in texts:
        frame = ["<s>", "<s>", *words, "</s>"]
        expected = [math.log(oracle.score(frame[i], frame[i - 2 : i])) for i in range(2, len(frame))]
        ids = torch.tensor([VOCABULARY.encode(words)])
        found = model.log_probs(ids, torch.tensor([len(words)]))[0]
        torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("discount", [None, 0.75, (0.0, 0.6, 0.9)])
@pytest.mark.parametrize("min_trigram_count", [1, 2])
def test_probabilities_sum_to_one_in_every_context(discount: object, min_trigram_count: int) -> None:
    model = fit(discount=discount, min_trigram_count=min_trigram_count)
    for context in contexts():
        probs = next_word_probs(model, context)
        assert float(probs.sum()) == pytest.approx(1, abs=1e-5), context
        assert probs[PAD_ID] == probs[START_ID] == 0


def test_unseen_context_backs_off_with_weight_one() -> None:
    model = fit()
    park, man, dog = VOCABULARY.encode(["park", "man", "dog"])
    # "park man" was never seen, so only "man" counts, whatever stands before it.
    torch.testing.assert_close(next_word_probs(model, (park, man)), next_word_probs(model, (dog, man)))


def test_hand_counted_trigram() -> None:
    model = fit(discount=(0.0, 0.5, 0.5))
    # "in the" is followed by park three times and by house twice; the order below is taken from the model itself.
    in_, the, park, house = VOCABULARY.encode(["in", "the", "park", "house"])
    lower = next_word_probs(model, (park, the))  # unseen context: p(c | the)
    probs = next_word_probs(model, (in_, the))
    gamma = 0.5 * 2 / 5
    assert float(probs[park]) == pytest.approx((3 - 0.5) / 5 + gamma * float(lower[park]), rel=1e-5)
    assert float(probs[house]) == pytest.approx((2 - 0.5) / 5 + gamma * float(lower[house]), rel=1e-5)


def test_pruned_trigram_scores_as_its_backoff() -> None:
    full, pruned = fit(), fit(min_trigram_count=2)
    assert len(pruned.tables.trigram_keys) < len(full.tables.trigram_keys)
    a, man, walks, park = VOCABULARY.encode(["a", "man", "walks", "park"])
    # "a man walks" was seen once: gone, and with it all that follows "a man", which now scores as "man" alone.
    torch.testing.assert_close(next_word_probs(pruned, (a, man)), next_word_probs(full, (park, man)))
    assert next_word_probs(full, (a, man))[walks] > next_word_probs(pruned, (a, man))[walks]


def test_rare_words_give_the_unknown_word_its_probability() -> None:
    strict, lenient = fit(min_word_count=2), fit(min_word_count=1)
    assert strict.perplexity([["the", "zebra"]])[0] < lenient.perplexity([["the", "zebra"]])[0]
    assert np.isfinite(lenient.perplexity([["zebra", "zebra"]])[0])


def test_padding_and_batch_mates_change_nothing() -> None:
    model = fit()
    rows = [VOCABULARY.encode(words) for words in SENTENCES]
    width = max(map(len, rows)) + 3
    junk = torch.full((len(rows), width), 7)
    for i, row in enumerate(rows):
        junk[i, : len(row)] = torch.tensor(row)
    together = model.log_probs(junk, torch.tensor([len(row) for row in rows]))
    for i, row in enumerate(rows):
        alone = model.log_probs(torch.tensor([row]), torch.tensor([len(row)]))[0]
        torch.testing.assert_close(together[i, : len(row) + 1], alone, rtol=0, atol=0)
        assert not together[i, len(row) + 1 :].any()


def test_perplexity_is_exp_of_mean_over_words_and_end() -> None:
    model = fit()
    ids = torch.tensor([VOCABULARY.encode(["the", "cat", "runs"])])
    logs = model.log_probs(ids, torch.tensor([3]))[0]
    assert model.perplexity([["the", "cat", "runs"]])[0] == pytest.approx(math.exp(-float(logs.sum()) / 4), rel=1e-6)
    assert model.perplexity([]).shape == (0,)


def unseen_by_hand(text: str) -> list[int]:
    """Count the bigrams and trigrams of a sentence that are in no sentence of the corpus, by going through it."""

    def grams(words: list[str], order: int) -> list[tuple[str, ...]]:
        framed = ["<s>", "<s>", *words, "</s>"]
        return [tuple(framed[i - order : i]) for i in range(3, len(framed) + 1)]

    return [
        sum(gram not in {g for words in SENTENCES for g in grams(words, order)} for gram in grams(text.split(), order))
        for order in (2, 3)
    ]


def num_unseen(texts: list[str], width: int, *, filler: int = PAD_ID) -> list[list[int]]:
    rows = [VOCABULARY.encode(text.split()) for text in texts]
    ids = torch.tensor([row + [filler] * (width - len(row)) for row in rows])
    found: list[list[int]] = MODEL.num_unseen(ids, torch.tensor([len(row) for row in rows])).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "bigrams", "trigrams"),
    [
        ("the dog runs in the park", 0, 0),
        ("the dog runs", 0, 1),  # "dog runs <end>"
        ("the dog sees the cat", 1, 3),  # "cat <end>"; "dog sees the", "sees the cat" and "the cat <end>"
        ("a man sleeps", 2, 2),  # "man sleeps" and "sleeps <end>"; "a man sleeps" and "man sleeps <end>"
        ("dog", 1, 2),  # "<start> dog"; both with a start
        ("", 1, 1),
    ],
)
def test_unseen_bigrams_and_trigrams_are_counted(text: str, bigrams: int, trigrams: int) -> None:
    assert num_unseen([text], 7) == [[bigrams, trigrams]] == [unseen_by_hand(text)]


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY.words[4:]), max_size=7).map(" ".join), min_size=1, max_size=5))
def test_unseen_parts_agree_with_a_loop_whatever_the_width(texts: list[str]) -> None:
    expected = [unseen_by_hand(text) for text in texts]
    assert num_unseen(texts, 7) == expected
    assert num_unseen(texts, 10, filler=7) == expected


def test_pruned_trigrams_and_rare_words_count_as_unseen() -> None:
    row, length = torch.tensor([VOCABULARY.encode("a man walks the dog".split())]), torch.tensor([5])
    assert fit().num_unseen(row, length).tolist() == [[0, 0]]
    # "<start> <start> a" was seen three times, all the others once.
    assert fit(min_trigram_count=2).num_unseen(row, length).tolist() == [[0, 5]]
    # "walks" was seen once.  Its bigrams are those of the unknown word.
    assert fit(min_word_count=2).num_unseen(row, length)[0, 0] == 2


def test_word_order_of_the_corpus_is_preferred() -> None:
    good, bad = fit().perplexity(["the dog runs in the park".split(), "park the in runs dog the".split()])
    assert good * 3 < bad


def test_saved_model_scores_the_same_within_half_precision(tmp_path: Path) -> None:
    model = fit()
    model.save(tmp_path)
    loaded = TrigramLanguageModel.load(tmp_path)
    assert loaded.vocabulary.words == VOCABULARY.words
    # float16 keeps 11 bits: half a unit in the last place is 2^-11 of the log.
    torch.testing.assert_close(
        torch.from_numpy(loaded.perplexity(SENTENCES)).log(),
        torch.from_numpy(model.perplexity(SENTENCES)).log(),
        rtol=2**-11,
        atol=0,
    )
    (tmp_path / "trigram.json").write_text('{"format": "other", "words": []}')
    with pytest.raises(ValueError, match="expected format"):
        TrigramLanguageModel.load(tmp_path)


def test_errors_say_what_was_expected() -> None:
    model = fit()
    with pytest.raises(ValueError, match="at least one sentence"):
        TrigramLanguageModel.fit([[]], vocabulary=VOCABULARY)
    with pytest.raises(ValueError, match="each in \\[0, 1\\]"):
        fit(discount=1.5)
    with pytest.raises(ValueError, match="expected ids below"):
        model.log_probs(torch.tensor([[VOCABULARY.size]]), torch.tensor([1]))
    with pytest.raises(ValueError, match="expected lengths from 0 to 1"):
        model.log_probs(torch.tensor([[END_ID]]), torch.tensor([2]))
    with pytest.raises(ValueError, match="got \\[3\\] and \\[1\\]"):
        model.log_probs(torch.tensor([4, 5, 6]), torch.tensor([3]))
