"""Edits that codes call for: what a mixture insists on comes first, and no limit is passed."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from textsem.attacks.word_edits import (
    DELETION_LOG_ODDS,
    EMPTY,
    INSERTION_LOG_ODDS,
    EditConfig,
    EditProposer,
    _apply,
)
from textsem.text.batches import encode_sentences, sentence_lengths
from textsem.text.meaning import MeaningTable
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import is_punctuation, word_edits
from textsem.text.vocabulary import END_ID, SPECIAL_WORDS, Vocabulary

WORDS = ("a", "man", "woman", "boy", "sleeps", "runs", "outside", "red", ".", "two", "dogs", "sit")
VOCABULARY = Vocabulary(WORDS)
V, LENGTH = VOCABULARY.size, 7
IS_WORD = torch.tensor([i >= len(SPECIAL_WORDS) and not is_punctuation(w) for i, w in enumerate(VOCABULARY.words)])
TABLE = torch.eye(V)  # every word as far from every other: cosines are 1 and 0
INDIFFERENT = MeaningTable(torch.ones(V, 1))
CORPUS = ["a man sleeps .", "a woman sleeps .", "a boy runs .", "a man runs outside .", "two dogs sit outside ."] * 2
LANGUAGE_MODEL = TrigramLanguageModel.fit([line.split() for line in CORPUS], vocabulary=VOCABULARY)
FREE = EditConfig(max_perplexity_ratio=1e9, max_new_trigrams=99, min_similarity=-1.0)


MAN, TWO = VOCABULARY.ids["man"], VOCABULARY.ids["two"]


def encode(text: str) -> Tensor:
    return encode_sentences([text.split()], vocabulary=VOCABULARY, max_length=LENGTH - 1)[0]


def texts(rows: Tensor) -> list[str]:
    return [" ".join(VOCABULARY.decode(row)) for row in rows.tolist()]


def codes_that_say(*sentences: str) -> Tensor:
    """Return position vectors that are those of the words, [codes, length, embedding]."""
    return torch.stack([TABLE[encode(sentence)] for sentence in sentences])


def proposer(config: EditConfig = FREE, *, language_model: TrigramLanguageModel | None = None) -> EditProposer:
    return EditProposer(TABLE, IS_WORD, config, meaning=INDIFFERENT, language_model=language_model)


def place(words_before: int) -> int:
    """Return the place of the word that so many stand before; the gap before it is one less."""
    return 2 * words_before + 1


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(place(0), TWO)], "two woman sleeps ."),
        ([(place(1), EMPTY)], "a sleeps ."),
        ([(place(1) - 1, TWO)], "a two woman sleeps ."),
        ([(0, TWO)], "two a woman sleeps ."),
        ([(8, TWO)], "a woman sleeps . two"),
        ([(place(1), MAN), (place(2), TWO)], "a man two ."),
        ([(place(1), EMPTY), (place(2), EMPTY)], "a ."),
        ([(place(1), EMPTY), (place(2) - 1, TWO)], "a two sleeps ."),
        ([(place(3), MAN), (8, TWO)], "a woman sleeps man two"),
    ],
)
def test_edits_are_applied_where_they_belong(edits: list[tuple[int, int]], expected: str) -> None:
    places, words = torch.tensor(edits).T
    row = _apply(encode("a woman sleeps ."), 4, places[None], words[None])
    assert torch.equal(row[0], encode(expected))


def test_edited_sentence_that_does_not_fit_has_no_end() -> None:
    ids = encode("two red dogs sit outside .")  # as long as can be
    rows = _apply(ids, 6, torch.tensor([[4], [5]]), torch.tensor([[MAN], [EMPTY]]))
    assert texts(rows) == ["two red man dogs sit outside .", "two red sit outside ."]
    assert sentence_lengths(rows).tolist() == [LENGTH, 5]
    assert END_ID not in rows[0]


@settings(max_examples=30)
@given(st.data())
def test_applied_edits_agree_with_a_loop(data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(range(4, V)), min_size=1, max_size=LENGTH - 1))
    n = len(words)
    places = data.draw(st.lists(st.integers(0, 2 * n), min_size=1, max_size=2, unique=True))
    new = [data.draw(st.sampled_from([EMPTY, *range(4, V)])) for _ in places]
    laid_out: list[int] = [EMPTY, *(i for word in words for i in (word, EMPTY))]
    for where, word in zip(places, new, strict=True):
        laid_out[where] = word
    expected = [*(i for i in laid_out if i != EMPTY), END_ID, *[0] * LENGTH][:LENGTH]
    ids = torch.tensor([*words, END_ID, *[0] * LENGTH][:LENGTH])
    assert _apply(ids, n, torch.tensor([places]), torch.tensor([new]))[0].tolist() == expected


def test_mixture_that_insists_on_a_word_proposes_it_first() -> None:
    ids = encode("a man sleeps .")
    rows = proposer().propose(codes_that_say(*["a woman sleeps ."] * 4), ids, 5)
    assert texts(rows)[0] == "a woman sleeps ."
    found = texts(proposer().propose(codes_that_say("a woman sleeps .", *["a boy sleeps ."] * 3), ids, 5))
    assert found[:2] == ["a boy sleeps .", "a woman sleeps ."]


def test_log_odds_of_a_substitution_a_deletion_and_an_insertion() -> None:
    config, ids = EditConfig(sharpness=6.0, num_substitutes=5, num_insertions=3), encode("a man sleeps .")
    vectors = codes_that_say("a woman sleeps .", "a woman sleeps .", "a man sleeps .", "a boy sleeps .")
    edits = proposer(config)._single_edits(vectors, ids, 4)
    log_odds = {
        (where, word): odds
        for where, word, odds in zip(
            *(part.tolist() for part in (edits.places, edits.words, edits.log_odds)), strict=True
        )
    }
    total = math.exp(6.0) + int(IS_WORD.sum()) - 1
    high, low = math.exp(6.0) / total, 1.0 / total
    woman, boy = VOCABULARY.ids["woman"], VOCABULARY.ids["boy"]
    stay = math.log(0.25 * high + 0.75 * low)
    assert log_odds[place(1), woman] == pytest.approx(math.log(0.5 * high + 0.5 * low) - stay, abs=1e-4)
    assert log_odds[place(1), boy] == pytest.approx(0.0, abs=1e-4)
    assert log_odds[place(1), EMPTY] == pytest.approx(DELETION_LOG_ODDS - stay, abs=1e-4)
    # Where in the sentence a word is heard does not matter for an insertion.
    for gap in (2, 4, 6):
        assert log_odds[gap, woman] == pytest.approx(math.log(0.5 * high + 0.5 * low) + INSERTION_LOG_ODDS, abs=1e-4)
    # A full stop is neither changed nor taken nor brought, nothing follows it, and nothing precedes the first word.
    assert {where for where, _ in log_odds} == {1, 2, 3, 4, 5, 6}
    assert VOCABULARY.ids["."] not in edits.words.tolist()
    assert not any((where, word) in log_odds for where, word in ((1, ids[0].item()), (3, MAN), (2, MAN)))


def test_bigram_that_the_corpus_never_had_is_refused() -> None:
    ids, vectors = encode("a man sleeps ."), codes_that_say(*["a boy sleeps ."] * 4)
    assert "a boy sleeps ." in texts(proposer().propose(vectors, ids, 999))
    found = texts(proposer(language_model=LANGUAGE_MODEL).propose(vectors, ids, 999))
    assert "a boy sleeps ." not in found
    assert "a woman sleeps ." in found


def test_unseen_bigrams_of_the_original_are_no_reason_against() -> None:
    ids, vectors = encode("a boy sleeps outside ."), codes_that_say(*["two boy sleeps outside ."] * 4)
    found = texts(proposer(language_model=LANGUAGE_MODEL).propose(vectors, ids, 999))
    assert "a man sleeps outside ." in found


def test_new_trigrams_are_counted_and_cost() -> None:
    ids, vectors = encode("a man runs outside ."), codes_that_say(*["a man runs ."] * 4)
    none, one = (replace(FREE, max_new_trigrams=count) for count in (0, 1))
    # "man runs ." was never seen, all of its bigrams were.
    assert "a man runs ." not in texts(proposer(none, language_model=LANGUAGE_MODEL).propose(vectors, ids, 999))
    assert "a man runs ." in texts(proposer(one, language_model=LANGUAGE_MODEL).propose(vectors, ids, 999))
    row, odds = encode("a man runs .")[None], torch.zeros(1)
    scores = [
        proposer(replace(one, trigram_penalty=cost), language_model=LANGUAGE_MODEL)._weigh(row, ids, odds)[0].item()
        for cost in (0.0, 2.5)
    ]
    assert scores[0] - scores[1] == pytest.approx(2.5, abs=1e-5)


def test_score_is_the_weighted_sum_of_code_fluency_and_meaning() -> None:
    meaning = MeaningTable(torch.randn(V, 4, generator=torch.Generator().manual_seed(0)))
    config = replace(FREE, code_weight=0.5, fluency_weight=0.7, meaning_weight=15.0, trigram_penalty=0.0)
    ids, rows = encode("a man runs outside ."), torch.stack([encode("a man runs ."), encode("a boy runs .")])
    odds = torch.tensor([2.0, -1.0])
    found, _ = EditProposer(TABLE, IS_WORD, config, meaning=meaning, language_model=LANGUAGE_MODEL)._weigh(
        rows, ids, odds
    )
    for score, row, odd in zip(found.tolist(), rows, odds.tolist(), strict=True):
        length = int(sentence_lengths(row))
        new, old = (math.log(LANGUAGE_MODEL.perplexity([VOCABULARY.decode(i.tolist())])[0]) for i in (row, ids))
        gain = min((old - new) * (length + 1), 1.0)
        cosine = meaning.similarity(ids, row[None]).item()
        assert score == pytest.approx(0.5 * odd + 0.7 * gain + 15.0 * (cosine - 1.0), abs=1e-3)


def random_case(seed: int) -> tuple[Tensor, Tensor, EditProposer, EditConfig]:
    generator = torch.Generator().manual_seed(seed)
    table = torch.nn.functional.normalize(torch.randn(V, 6, generator=generator), dim=-1)
    vectors = torch.nn.functional.normalize(torch.randn(3, LENGTH, 6, generator=generator), dim=-1)
    length = int(torch.randint(1, LENGTH, (1,), generator=generator))
    words = torch.randint(3, V, (length,), generator=generator).tolist()  # unknown words among them
    ids = torch.tensor([*words, END_ID, *[0] * LENGTH][:LENGTH])
    config = EditConfig(min_similarity=0.6, max_perplexity_ratio=1.5, num_combined=12)
    meaning = MeaningTable(torch.randn(V, 3, generator=generator))
    return vectors, ids, EditProposer(table, IS_WORD, config, meaning=meaning, language_model=random_trigram()), config


@cache
def random_trigram() -> TrigramLanguageModel:
    generator = torch.Generator().manual_seed(0)
    corpus = [[VOCABULARY.words[i] for i in torch.randint(4, V, (6,), generator=generator)] for _ in range(150)]
    return TrigramLanguageModel.fit(corpus, vocabulary=VOCABULARY)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_no_row_passes_a_limit_and_none_comes_twice(seed: int) -> None:
    vectors, ids, source, config = random_case(seed)
    rows = source.propose(vectors, ids, 999)
    assert (rows.dtype, rows.shape[1:]) == (ids.dtype, ids.shape)
    every = [tuple(row) for row in rows.tolist()]
    assert len(set(every)) == len(every)
    assert tuple(ids.tolist()) not in every
    if not every:
        return
    language_model = source.language_model
    assert language_model is not None
    u = source.meaning.vectors.double()
    n = int(sentence_lengths(ids))
    own, old = [VOCABULARY.words[i] for i in ids[:n].tolist()], u[ids[:n]].sum(dim=0)
    limit = language_model.perplexity([own])[0] * config.max_perplexity_ratio
    own_bigrams = language_model.num_unseen(ids[None], torch.tensor([n]))[0, 0]
    for row in rows:
        length = int(sentence_lengths(row))
        assert 0 < length < LENGTH
        assert row[length] == END_ID
        assert not row[length + 1 :].any()
        words = [VOCABULARY.words[i] for i in row[:length].tolist()]
        assert torch.cosine_similarity(u[row[:length]].sum(dim=0), old, dim=0).item() >= config.min_similarity - 1e-5
        assert language_model.perplexity([words])[0] <= limit * (1 + 1e-5)
        assert language_model.num_unseen(row[None], torch.tensor([length]))[0, 0] <= own_bigrams
        assert 1 <= word_edits(own, words) <= 2
        for kept in ("<unknown>", "."):
            assert words.count(kept) == own.count(kept)


def test_fewer_candidates_are_the_first_of_more_and_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    numbers = []
    for seed in range(12):
        vectors, ids, source, _ = random_case(seed)
        rows = source.propose(vectors, ids, 999)
        numbers.append(len(rows))
        assert torch.equal(source.propose(vectors, ids, 999), rows)
        assert torch.equal(source.propose(vectors, ids, 3), rows[:3])
        assert torch.equal(source.propose(vectors.flip(0), ids, 999), rows)
    assert torch.equal(torch.get_rng_state(), before)
    assert max(numbers) > 20  # or the limits above would say little


def test_same_words_by_different_edits_come_once() -> None:
    # Two edits that insert and delete are one that substitutes; of a repeated word either may go.
    rows = proposer().propose(codes_that_say("a woman sleeps .", "a a man ."), encode("a a man ."), 9999)
    found = texts(rows)
    assert len(set(found)) == len(found) > 100
    assert {"a man .", "a woman man ."} <= set(found)
    assert "a a man ." not in found


@pytest.mark.parametrize("text", [".", ". .", "<?>", "<?> ."])
def test_sentence_without_a_word_to_change_gets_only_insertions_between(text: str) -> None:
    ids = encode(text)
    n = len(text.split())
    found = texts(proposer(language_model=None).propose(codes_that_say("a man .", "two dogs ."), ids, 999))
    assert bool(found) == (n > 1)
    for new in found:
        kept = [word for word in new.split() if word in (".", "<unknown>")]
        assert len(kept) == n
        assert new.split()[0] == kept[0]
        assert new.split()[-1] == kept[-1]


@pytest.mark.parametrize("language_model", [None, LANGUAGE_MODEL])
def test_single_word_is_replaced_or_continued_but_not_taken(language_model: TrigramLanguageModel | None) -> None:
    found = texts(
        proposer(language_model=language_model).propose(codes_that_say("dogs", "two dogs"), encode("man"), 999)
    )
    assert "" not in found
    if language_model is None:
        assert found[0] in ("dogs", "two")
        assert any(len(text.split()) == 2 and text.startswith("man ") for text in found)


def test_sentence_as_long_as_can_be_grows_no_longer() -> None:
    ids = encode("two red dogs sit outside .")
    rows = proposer().propose(codes_that_say("a man runs outside red ."), ids, 999)
    assert len(rows)
    assert int(sentence_lengths(rows).max()) == LENGTH - 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_codes", 0, "expected num_codes >= 1, got 0"),
        ("num_substitutes", 0, "expected num_substitutes >= 1, got 0"),
        ("sharpness", 0.0, "expected sharpness above 0, got 0"),
        ("max_perplexity_ratio", -1.0, "expected max_perplexity_ratio above 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EditConfig(**{name: value})  # type: ignore[arg-type]
