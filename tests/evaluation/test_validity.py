"""Figures about valid success against counts by hand, over ten made-up lines."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.evaluation.judged import FLIP, NEUTRAL, RIGHT, judged, ten_lines
from textsem.evaluation.validity import ValidityThresholds, is_valid, summarise_validity
from textsem.runs.intervals import wilson_interval

MERGED = {"entailment": "entailment", "neutral": "not_entailment", "contradiction": "not_entailment"}


def merged(labels: Mapping[str, str]) -> dict[str, str]:
    return {judge: MERGED[label] for judge, label in labels.items()}


def test_every_figure_of_ten_lines_equals_the_hand_count() -> None:
    summary = summarise_validity(*ten_lines())
    assert summary["statement"] is None
    assert summary["thresholds"] == {"min_similarity": 0.8, "max_perplexity_ratio": 2.0}
    assert summary["scoring_judge"] == "first"
    assert list(summary["judges"]) == ["first", "second"]
    own = summary["judges"]["first"]
    assert own["valid"] == {"count": 2, "of": 9, "rate": 2 / 9, "interval": list(wilson_interval(2, 9))}
    assert (own["valid_of_judge_right"]["count"], own["valid_of_judge_right"]["of"]) == (2, 7)
    assert (own["valid_of_flips"]["count"], own["valid_of_flips"]["of"]) == (2, 7)
    assert {k: v["count"] for k, v in own["valid_within"].items()} == {"1": 0, "5": 1, "20": 1, "100": 2}
    assert own["valid_within"]["5"]["interval"] == list(wilson_interval(1, 9))
    assert own["queries_at_valid"] == {"mean": 17, "median": 17}
    # 6 x 4 + 30 + 100 queries, and ten rows more for the unchanged pairs.
    assert own["valid_per_1000_rows"] == {"queries_alone": 2000 / 154, "with_checks": 2000 / 164}
    assert own["accuracy"]["attacked"]["rate"] == 7 / 9
    assert own["accuracy"]["overall"]["rate"] == 7 / 10  # it gives the tenth pair, of another label, the same answer
    assert (own["label_kept"]["count"], own["label_kept"]["of"]) == (5, 9)
    assert {k: (v["count"], v["of"]) for k, v in own["by_label"].items()} == {"entailment": (0, 0), "neutral": (2, 9)}
    json.dumps(summary, allow_nan=False)


def test_success_within_a_budget_counts_the_budget_itself() -> None:
    within = summarise_validity(*ten_lines(), query_budgets=(3, 4, 29, 30))["judges"]["first"]["valid_within"]
    assert {k: v["count"] for k, v in within.items()} == {"3": 0, "4": 1, "29": 1, "30": 2}


def test_kinds_of_edit_equal_the_hand_count() -> None:
    kinds = summarise_validity(*ten_lines())["judges"]["first"]["by_edit_kind"]
    assert {kind: (v["count"], v["of"]) for kind, v in kinds.items()} == {
        "1 word replaced": (1, 4),
        "2 words replaced": (1, 1),
        "3 or more words replaced": (0, 0),
        "insertion or deletion": (0, 1),
        "no word changed": (0, 1),
    }


def test_failed_conditions_equal_the_hand_count() -> None:
    summary = summarise_validity(*ten_lines())
    assert {k: (v["fails"], v["fails_alone"]) for k, v in summary["judges"]["first"]["not_valid"].items()} == {
        "no word changed": (1, 1),
        "judge wrong before": (1, 1),
        "judge follows the flip": (1, 1),
        "similarity": (2, 0),
        "fluency": (1, 0),
        "unknown word": (1, 0),
    }
    # The second judge was right on the fourth pair, and followed the flip.
    assert summary["judges"]["second"]["not_valid"]["judge wrong before"]["fails"] == 0
    assert summary["judges"]["second"]["not_valid"]["judge follows the flip"]["fails"] == 1


def test_table_moves_both_thresholds_and_nothing_else() -> None:
    table = summarise_validity(*ten_lines())["judges"]["first"]["by_thresholds"]
    counts = {(row["min_similarity"], row["max_perplexity_ratio"]): row["valid_successes"] for row in table}
    assert len(table) == len(counts) == 24
    assert counts[0.8, 2.0] == 2
    assert counts[0.8, 1.5] == 1  # the second pair has a ratio of 2
    assert counts[0.85, 2.0] == 1  # and a similarity of 0.8
    assert counts[0.95, None] == 0
    assert counts[0.75, 2.0] == 2  # the sixth pair has a ratio of 2.5
    assert counts[0.75, 3.0] == counts[0.75, None] == 3
    assert counts[0.7, None] == 3  # the seventh keeps its unknown word
    assert {row["valid_rate"] for row in table if row["valid_successes"] == 3} == {3 / 9}


def test_agreement_of_judges_and_their_common_successes() -> None:
    summary = summarise_validity(*ten_lines())
    assert summary["judges"]["second"]["valid"]["count"] == 3  # it keeps the label of the fifth pair
    assert summary["all_judges"]["count"] == 2
    assert summary["agreement"] == [{"judges": ["first", "second"], "before": 7 / 9, "after": 5 / 7, "valid": 6 / 7}]


def test_one_judge_agrees_with_nobody() -> None:
    results, judgements = ten_lines()
    alone = [
        replace(j, before={"first": j.before["first"]}, after=j.after and {"first": j.after["first"]})
        for j in judgements
    ]
    summary = summarise_validity(results, alone)
    assert "agreement" not in summary
    assert "all_judges" not in summary
    assert summary["judges"]["first"] == summarise_validity(results, judgements)["judges"]["first"]


def test_thresholds_that_are_given_decide() -> None:
    strict = summarise_validity(*ten_lines(), thresholds=ValidityThresholds(min_similarity=0.81))
    assert strict["judges"]["first"]["valid"]["count"] == 1
    loose = summarise_validity(*ten_lines(), thresholds=ValidityThresholds(0.75, None))
    assert loose["judges"]["first"]["valid"]["count"] == 3
    assert loose["thresholds"] == {"min_similarity": 0.75, "max_perplexity_ratio": None}


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"similarity": None}, "similarity in meaning (no sentence encoder)."),
        ({"perplexity_ratio": None, "has_new_unknown": None}, "fluency (no language model)."),
        (
            {"similarity": None, "perplexity_ratio": None, "has_new_unknown": None},
            "similarity in meaning (no sentence encoder) and fluency (no language model).",
        ),
    ],
)
def test_without_measures_validity_is_not_stated(missing: dict[str, None], said: str) -> None:
    results, judgements = ten_lines()
    summary = summarise_validity(results, [replace(j, **missing) for j in judgements])  # type: ignore[arg-type]
    assert summary["statement"] == f"Valid success cannot be stated: 7 of 7 flips were not measured for {said}"
    assert set(summary["judges"]["first"]) == {"accuracy", "label_kept"}
    assert summary["judges"]["first"]["label_kept"]["count"] == 5
    assert summary["all_judges"] is None
    assert summary["agreement"][0]["valid"] is None


def test_merging_neutral_into_not_entailment_changes_no_figure_of_ten_lines() -> None:
    """Every label of the ten lines is entailment or neutral, so two classes say the same as three."""
    results, judgements = ten_lines()
    expected = summarise_validity(results, judgements)
    two_class_results = [replace(r, label=MERGED[r.label]) for r in results]
    two_class_judgements = [
        replace(j, before=merged(j.before), after=None if j.after is None else merged(j.after)) for j in judgements
    ]
    two_class_target = [replace(r, prediction=MERGED[r.prediction or ""]) for r in results]
    for some, judged_by in (
        (results, two_class_judgements),
        (two_class_target, judgements),
        (two_class_target, two_class_judgements),
    ):
        assert summarise_validity(some, judged_by) == expected
    for some, judged_by in ((two_class_results, judgements), (two_class_results, two_class_judgements)):
        found = summarise_validity(some, judged_by)
        for figures in found["judges"].values():
            figures["by_label"][NEUTRAL] = figures["by_label"].pop("not_entailment")
        assert found == expected


def test_judges_with_two_and_three_classes_agree_where_their_labels_do() -> None:
    results, judgements = ten_lines()
    mixed = [
        replace(
            j,
            before={**j.before, "second": MERGED[j.before["second"]]},
            after=None if j.after is None else {**j.after, "second": MERGED[j.after["second"]]},
        )
        for j in judgements
    ]
    assert summarise_validity(results, mixed)["agreement"] == summarise_validity(results, judgements)["agreement"]


def test_rows_that_have_no_label_are_no_mistake_of_a_judge() -> None:
    results, judgements = ten_lines()
    refused = replace(RIGHT, index=10, label="unrelated", prediction=None, status="error", queries=0)
    found = summarise_validity([*results, refused], [*judgements, replace(judged(after=None), index=10)])
    assert found == summarise_validity(results, judgements)


def test_judgement_of_no_line_is_refused() -> None:
    results, judgements = ten_lines()
    with pytest.raises(ValueError, match="judgements of the run's lines alone, got 1 of others"):
        summarise_validity(results, [*judgements, replace(judgements[-1], index=77)])


def test_no_lines_give_no_rates() -> None:
    summary = summarise_validity([], [])
    assert summary["scoring_judge"] is None
    assert summary["judges"] == {}
    results, judgements = ten_lines()
    nothing = summarise_validity(results[-1:], judgements[-1:])["judges"]["first"]
    assert nothing["valid"] == {"count": 0, "of": 0, "rate": None, "interval": [0.0, 1.0]}
    assert nothing["queries_at_valid"]["median"] is None
    assert nothing["valid_per_1000_rows"] == {"queries_alone": None, "with_checks": 0}


def test_judgements_that_do_not_fit_are_refused() -> None:
    results, judgements = ten_lines()
    with pytest.raises(ValueError, match="every attacked pair, got none of 2, first 0"):
        summarise_validity(results, judgements[2:])
    with pytest.raises(ValueError, match=r"expected judges \['first', 'second'\] of pair 3"):
        summarise_validity(
            results, [*judgements[:3], replace(judgements[3], before={"first": NEUTRAL}), *judgements[4:]]
        )
    with pytest.raises(ValueError, match="expected a judged success of pair 0"):
        summarise_validity(results, [replace(judgements[0], after=None), *judgements[1:]])


def test_only_a_flip_of_a_pair_that_the_target_had_right_is_valid() -> None:
    assert is_valid(FLIP, judged(), "first")
    assert not is_valid(replace(FLIP, status="failed"), judged(), "first")
    assert not is_valid(replace(FLIP, prediction="contradiction"), judged(), "first")
