"""The meaning table: known word vectors come back, cosines obey what sums obey, the file keeps them."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from textsem.text.meaning import MEANING_FILE, MeaningTable, main_directions
from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, START_ID, UNKNOWN_ID, Vocabulary

WORDS = ("a", "man", "dog", "sleeps", "runs", "outside", "red", "two")
VOCABULARY = Vocabulary(WORDS)
FIRST = len(SPECIAL_WORDS)


def random_table(dim: int = 5) -> MeaningTable:
    return MeaningTable(torch.randn(VOCABULARY.size, dim, generator=torch.Generator().manual_seed(0)))


def random_sentences(count: int) -> list[list[str]]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(1, 7, (count,), generator=generator).tolist()
    return [[WORDS[int(torch.randint(len(WORDS), (1,), generator=generator))] for _ in range(n)] for n in lengths]


def means(sentences: list[list[str]], u: Tensor) -> Tensor:
    """Sentence vectors that are what the model says they are."""
    return torch.stack([u[VOCABULARY.encode(words)].mean(dim=0) for words in sentences])


def gram(vectors: Tensor) -> Tensor:
    return vectors @ vectors.T


def as_row(words: list[str], length: int) -> Tensor:
    ids = [*VOCABULARY.encode(words), END_ID]
    return torch.tensor(ids + [PAD_ID] * (length - len(ids)))


def test_word_vectors_come_back_from_sentences_that_are_their_means() -> None:
    u = torch.randn(VOCABULARY.size, 5, generator=torch.Generator().manual_seed(2))
    sentences = [[word] for word in WORDS] + random_sentences(60)
    table = MeaningTable.fit(sentences, means(sentences, u), vocabulary=VOCABULARY, dim=5, ridge=1e-6)
    # Up to a rotation, which no cosine sees.
    torch.testing.assert_close(gram(table.vectors[FIRST:]), gram(u[FIRST:]), atol=0.02, rtol=0.01)


def test_few_directions_are_enough_where_sentences_vary_in_few() -> None:
    generator = torch.Generator().manual_seed(2)
    u = torch.randn(VOCABULARY.size, 2, generator=generator) @ torch.randn(2, 5, generator=generator)
    sentences = [[word] for word in WORDS] + random_sentences(60)
    table = MeaningTable.fit(sentences, means(sentences, u), vocabulary=VOCABULARY, dim=2, ridge=1e-6)
    assert table.vectors.shape == (VOCABULARY.size, 2)
    torch.testing.assert_close(gram(table.vectors[FIRST:]), gram(u[FIRST:]), atol=0.05, rtol=0.01)


def test_ridge_has_its_closed_form_for_one_word() -> None:
    # n sentences [word] of vector v: u = n / (n + ridge) v.
    embeddings = torch.tensor([[3.0, 4.0]]).expand(6, 2).contiguous()
    table = MeaningTable.fit([["man"]] * 6, embeddings, vocabulary=VOCABULARY, dim=2, ridge=2.0)
    assert float(table.vectors[VOCABULARY.ids["man"]].norm()) == pytest.approx(5.0 * 6 / 8, rel=1e-3)


def test_word_of_no_sentence_says_nothing_and_unknown_words_share_a_vector() -> None:
    sentences = [["man"], ["zebra"], ["gnu"], ["man", "zebra"]]
    u = torch.randn(VOCABULARY.size, 3, generator=torch.Generator().manual_seed(3))
    table = MeaningTable.fit(sentences, means(sentences, u), vocabulary=VOCABULARY, dim=3, ridge=1e-6)
    unseen = [VOCABULARY.ids[word] for word in WORDS if word != "man"]
    assert not table.vectors[unseen].any()
    assert not table.vectors[[PAD_ID, START_ID, END_ID]].any()
    assert float(table.vectors[UNKNOWN_ID].norm()) == pytest.approx(float(u[UNKNOWN_ID].norm()), rel=0.01)
    with_unseen = torch.stack([as_row(["man", "dog"], 4), as_row(["man"], 4)])
    torch.testing.assert_close(table.similarity(as_row(["man"], 4), with_unseen), torch.ones(2))


def test_directions_are_those_of_greatest_length_and_not_centred() -> None:
    # The first entry is the longest and does not vary at all; the three are orthogonal.
    embeddings = torch.tensor([[5.0, 0.1, 1.0], [5.0, 0.1, -1.0], [5.0, -0.1, 1.0], [5.0, -0.1, -1.0]])
    directions = main_directions(embeddings, 2)
    torch.testing.assert_close(directions.T @ directions, torch.eye(2))
    torch.testing.assert_close(directions.abs(), torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), atol=1e-3, rtol=0)


def test_sums_agree_with_a_loop_whatever_the_width() -> None:
    table = random_table()
    for words in random_sentences(20):
        expected = torch.zeros(5)
        for i in VOCABULARY.encode(words):
            expected += table.vectors[i]
        for width in (len(words) + 1, 12):
            torch.testing.assert_close(table.sums(as_row(words, width)[None])[0], expected)


sentences_of_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6)


@settings(max_examples=30)
@given(sentences_of_words, sentences_of_words, st.randoms(use_true_random=False))
def test_similarity_is_a_cosine_of_bags(one: list[str], other: list[str], random: object) -> None:
    table = random_table()
    shuffled = list(one)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    rows = torch.stack([as_row(words, 8) for words in (one, shuffled, other)])
    similarity = table.similarity(as_row(one, 8), rows)
    assert similarity.tolist()[:2] == pytest.approx([1.0, 1.0], abs=1e-5)
    u, v = (table.vectors[VOCABULARY.encode(words)].sum(dim=0).double() for words in (one, other))
    assert similarity[2].item() == pytest.approx((u @ v / u.norm() / v.norm()).item(), abs=1e-5)
    back = table.similarity(as_row(other, 8), rows[:1])
    assert back.item() == pytest.approx(similarity[2].item(), abs=1e-6)
    # Pads add nothing, nor does the end's place.
    wide = torch.stack([as_row(words, 15) for words in (one, shuffled, other)])
    torch.testing.assert_close(table.similarity(as_row(one, 8), wide), similarity, atol=1e-6, rtol=0)


def test_opposite_and_empty_sentences() -> None:
    vectors = torch.zeros(VOCABULARY.size, 2)
    vectors[FIRST : FIRST + 3] = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])
    rows = torch.stack([as_row(words, 3) for words in (["man"], ["dog"], [])])
    torch.testing.assert_close(MeaningTable(vectors).similarity(as_row(["a"], 3), rows), torch.tensor([-1.0, 0.0, 0.0]))


def test_given_vectors_are_left_alone() -> None:
    vectors = torch.ones(VOCABULARY.size, 2)
    table = MeaningTable(vectors)
    assert torch.equal(vectors, torch.ones(VOCABULARY.size, 2))
    assert not table.vectors[:UNKNOWN_ID].any()
    assert torch.equal(table.vectors[UNKNOWN_ID:], vectors[UNKNOWN_ID:])


def test_file_keeps_the_vectors_in_half_precision(tmp_path: Path) -> None:
    table = random_table()
    table.save(tmp_path)
    loaded = MeaningTable.load(tmp_path)
    assert loaded.vectors.dtype == torch.float32
    assert torch.equal(loaded.vectors, table.vectors.half().float())
    before = (tmp_path / MEANING_FILE).read_bytes()
    loaded.save(tmp_path)
    assert (tmp_path / MEANING_FILE).read_bytes() == before


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected vectors \[vocab, meaning\], got \[3\]"):
        MeaningTable(torch.zeros(3))
    embeddings = torch.zeros(2, 4)
    for sentences, dim in (([["a"]], 2), ([["a"], ["man"]], 5), ([["a"], ["man"]], 0)):
        with pytest.raises(ValueError, match=rf"one vector a sentence, at least {dim} wide, got \[2, 4\] for"):
            MeaningTable.fit(sentences, embeddings, vocabulary=VOCABULARY, dim=dim)
    save_file({"u": torch.zeros(2, 2)}, tmp_path / MEANING_FILE)
    with pytest.raises(ValueError, match=r"expected vectors in meaning.safetensors, got \['u'\]"):
        MeaningTable.load(tmp_path)
