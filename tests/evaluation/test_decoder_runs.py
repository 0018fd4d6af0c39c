"""Figures of an attack's lines, and two attacks held against each other."""

from dataclasses import replace

import pytest

from tests.evaluation.decoder_fakes import many_pairs, small_jury
from tests.evaluation.judged import ten_lines
from textsem.evaluation.decoder_runs import attack_figures, compare_with


def test_figures_of_ten_lines() -> None:
    figures = attack_figures("ours", ten_lines(), small_jury())
    assert (figures["flips"]["count"], figures["flips"]["of"]) == (7, 9)
    assert (figures["flips_within_20"]["count"], figures["flips_within_20"]["of"]) == (6, 9)
    assert (figures["valid"]["count"], figures["valid_within_20"]["count"]) == (2, 1)
    assert figures["unsupported"] == 1
    # Two valid ones: ratio 1.2 and 2.0, similarity 0.9 and 0.8, one and two words, 4 and 30 queries.
    assert figures["texts_of_valid"] == {
        "n": 2,
        "median_ratio": pytest.approx(1.6),
        "median_ratio_interval": None,
        "median_similarity": pytest.approx(0.85),
        "median_changed_words": 1.5,
    }
    assert figures["median_queries_at_valid"] == 17
    assert figures["texts_of_flips"]["n"] == 7
    assert figures["texts_of_flips"]["median_ratio"] == 1.2
    assert figures["texts_of_flips"]["median_ratio_interval"] == (1.2, 2.5)


def test_nothing_found_has_no_medians() -> None:
    results, judgements = many_pairs(3)
    figures = attack_figures("ours", (results[2:], judgements[2:]), small_jury())
    assert figures["flips"]["rate"] == 0.0
    assert figures["texts_of_flips"]["median_ratio"] is None


def test_pairs_won_alone_are_counted_both_ways() -> None:
    results, judgements = many_pairs(9)
    beaten = [replace(r, status="failed") if r.index in (0, 1) else r for r in results]
    won = compare_with((results, judgements), (beaten, judgements), small_jury())
    lost = compare_with((beaten, judgements), (results, judgements), small_jury())
    assert won is not None
    assert lost is not None
    assert (won["flips"]["only_first"], won["valid"]["only_first"]) == (2, 1)
    assert (lost["flips"]["only_second"], lost["valid"]["only_second"]) == (2, 1)
    assert won["flips"]["p_value"] == 0.5


def test_attacks_on_other_pairs_are_not_compared() -> None:
    results, judgements = many_pairs(6)
    with pytest.raises(ValueError, match="expected attacks on the same pairs and target, got others"):
        compare_with((results, judgements), (results[:3], judgements[:3]), small_jury())
    assert compare_with(([], []), ([], []), small_jury()) is None
