"""Smoothness of toy code spaces whose every answer is known."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from textsem.evaluation.smoothness import Smoothness, edit_distances, geometric_scales, measure_smoothness
from textsem.text.ngram import TrigramLanguageModel
from textsem.text.tokenization import word_edits
from textsem.text.vocabulary import END_ID, PAD_ID, Vocabulary

VOCABULARY = Vocabulary([*"abcdefgh", "."])
MODEL = TrigramLanguageModel.fit([list("abcd."), list("abce."), list("efgh.")] * 3, vocabulary=VOCABULARY)
EYE = torch.eye(VOCABULARY.size)
CODES = torch.tensor([[4.0, 5.0, 6.0, 12.0], [8.0, 9.0, 10.0, 12.0]])  # "a b c ." and "e f g ."
MEAN_NORM = float(CODES.norm(dim=1).mean())


def decode(codes: Tensor) -> Tensor:
    """Read each coordinate as a word id, rounded; an end symbol follows."""
    ids = codes.round().long().clamp(4, VOCABULARY.size - 1)
    return torch.cat([ids, torch.full((len(ids), 1), END_ID), torch.full((len(ids), 2), PAD_ID)], dim=1)


def along(*direction: float) -> Tensor:
    return torch.tensor([direction, direction], dtype=torch.float32)


def measure(direction: Tensor, scales: list[float], **changed: object) -> Smoothness:
    settings: dict[str, object] = {
        "directions": lambda _: direction,
        "decode": decode,
        "language_model": MODEL,
        "word_embeddings": EYE,
        "scales": torch.tensor(scales) / MEAN_NORM,
        **changed,
    }
    return measure_smoothness(CODES, **settings)  # type: ignore[arg-type]


def test_first_scale_that_changes_a_word_is_found() -> None:
    # Coordinate 2 passes a half within a step of 0.7; a step of 2 changes coordinate 1 as well, and must not be taken.
    found = measure(along(0, 4, 10, 0), [0.2, 0.4, 0.7, 2.0])
    torch.testing.assert_close(found.scales * MEAN_NORM, torch.tensor([0.7, 0.7]))
    assert found.changed_words.tolist() == [1, 1]
    assert [VOCABULARY.decode(row) for row in found.old_ids.tolist()] == [list("abc."), list("efg.")]
    assert [VOCABULARY.decode(row) for row in found.new_ids.tolist()] == [list("abd."), list("efh.")]
    # One of four one-hot words differs: 3 / 4.
    torch.testing.assert_close(found.similarities, torch.tensor([0.75, 0.75]))
    ratio = MODEL.perplexity([list("abd.")])[0] / MODEL.perplexity([list("abc.")])[0]
    assert float(found.perplexity_ratios[0]) == pytest.approx(ratio, rel=1e-5)


def test_each_code_has_a_scale_of_its_own() -> None:
    found = measure(torch.tensor([[0.0, 0, 1, 0], [0.0, 0, 0.6, 0.8]]), [0.6, 1.0])
    torch.testing.assert_close(found.scales * MEAN_NORM, torch.tensor([0.6, 1.0]))


def test_the_norm_of_a_direction_does_not_matter() -> None:
    short, long = measure(along(0, 0, 0.1, 0.1), [0.5, 0.9]), measure(along(0, 0, 30, 30), [0.5, 0.9])
    torch.testing.assert_close(short.scales, long.scales)
    assert short.is_reached.all()


def test_a_jump_over_the_most_words_is_dropped_and_counted() -> None:
    # A step of 6 adds 3 to each coordinate: "a b c" becomes "d e f".
    found = measure(along(1, 1, 1, 0), [0.5, 6.0], max_changed_words=2)
    assert found.changed_words.tolist() == [3, 3]
    assert not found.is_reached.any()
    assert found.perplexity_ratios.isnan().all()
    summary = found.summary()
    assert summary["share_jumped"] == 1
    assert summary["share_reached"] == summary["share_unchanged"] == 0
    assert summary["median_ratio"] is None
    assert measure(along(1, 1, 1, 0), [0.5, 6.0]).is_reached.all()


def test_a_zero_direction_never_changes_a_word() -> None:
    found = measure(along(0, 0, 0, 0), [0.5, 100.0])
    assert found.summary()["share_unchanged"] == 1
    torch.testing.assert_close(found.new_ids, found.old_ids)


def test_punctuation_alone_is_no_change() -> None:
    # The last coordinate turns "." into "h" downwards, which adds a word; a clamp keeps it "." upwards.
    assert measure(along(0, 0, 0, 1), [1.0]).changed_words.tolist() == [0, 0]
    assert measure(along(0, 0, 0, -1), [1.0]).changed_words.tolist() == [1, 1]

    def decode_without_full_stop(codes: Tensor) -> Tensor:
        ids = decode(codes)
        return torch.where((ids == 12) & (codes[:, :1] > CODES[:, :1].max()), END_ID, ids)

    found = measure(along(1, 0, 0, 0), [0.3], decode=decode_without_full_stop)
    assert found.changed_words.tolist() == [0, 0]


def test_batch_size_changes_nothing() -> None:
    direction = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    one, many = (measure(direction, [0.1, 0.5, 1.0, 2.0, 3.0], batch_size=size) for size in (1, 100))
    torch.testing.assert_close(one.new_ids, many.new_ids)
    torch.testing.assert_close(one.perplexity_ratios, many.perplexity_ratios, equal_nan=True)


def test_summary_of_four_known_codes() -> None:
    nan = math.nan
    found = replace(
        measure(along(0, 0, 1, 0), [1.0]),
        changed_words=torch.tensor([1, 3, 9, 0]),
        is_reached=torch.tensor([True, True, False, False]),
        scales=torch.tensor([0.5, 1.0, nan, nan]),
        perplexity_ratios=torch.tensor([1.0, 4.0, nan, nan]),
        similarities=torch.tensor([0.5, 1.0, nan, nan]),
    )
    assert found.summary() == {
        "n": 4,
        "share_reached": 0.5,
        "share_jumped": 0.25,
        "share_unchanged": 0.25,
        "median_ratio": 2.5,
        "share_good": 0.5,
        "median_similarity": 0.75,
        "median_changed_words": 2.0,
        "median_scale": 0.75,
    }


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=9))
def test_edit_distance_agrees_with_the_loop_over_words(a: list[str], b: list[str]) -> None:
    rows = [torch.tensor([[*VOCABULARY.encode(side), *[4] * (9 - len(side))]]) for side in (a, b)]
    found = edit_distances(rows[0], torch.tensor([len(a)]), rows[1], torch.tensor([len(b)]))
    assert found.tolist() == [word_edits(a, b)]


def test_scales_have_a_constant_ratio_and_errors_say_what_came() -> None:
    scales = geometric_scales(0.1, 10.0, 3)
    torch.testing.assert_close(scales, torch.tensor([0.1, 1.0, 10.0]))
    with pytest.raises(ValueError, match="two scales"):
        geometric_scales(1.0, 0.5, 4)
    with pytest.raises(ValueError, match="ascending positive"):
        measure(along(0, 0, 1, 0), [1.0, 0.5])
    with pytest.raises(ValueError, match=r"got \[2, 4\] and \[2, 3\]"):
        measure(torch.zeros(2, 3), [1.0])
    with pytest.raises(ValueError, match="with 13 rows, got 2"):
        measure(along(0, 0, 1, 0), [1.0], word_embeddings=torch.eye(2))
