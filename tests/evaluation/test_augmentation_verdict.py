"""What is said first of the augmentation experiment turns when the numbers do."""

from copy import deepcopy
from typing import Any

import pytest

from tests.evaluation.measured_arms import ARMS, CLEAN, UNSEEN, measurements
from textsem.evaluation.augmentation_verdict import judge_gain, missing_parts, other_arms, our_arms, verdict


def test_a_gain_names_every_arm_that_it_is_above() -> None:
    found = judge_gain(measurements(), "ours")
    assert found.holds is True
    assert found.sentence == (
        "The gain is there: under unseen attacks ours (42.0%, lowest seed 40.0%) is above plain (32.0%, highest "
        "34.0%), duplicates (32.0%, highest 34.0%), word dropout (34.7%, highest 36.0%), wordnet (36.0%, highest "
        "38.0%), beyond the spread over seeds, and clean accuracy is no more than 0.5 points below plain."
    )


@pytest.mark.parametrize(
    ("arm", "seeds", "sentence"),
    [
        # The mean is as high as that of ours; the seeds of ours are apart.
        (
            "duplicates",
            (42, 42, 42),
            "under unseen attacks ours (42.0%) is not above duplicates (42.0%, highest 42.0%)",
        ),
        ("wordnet", (50, 50, 50), "under unseen attacks ours (42.0%) is not above wordnet (50.0%, highest 50.0%)"),
        ("plain", (44, 44, 44), "under unseen attacks ours (42.0%) is not above plain (44.0%, highest 44.0%)"),
        # One seed is as high as the lowest of ours.
        ("wordnet", (30, 30, 40), "ours (42.0%) is above wordnet (33.3%, highest 40.0%) only within the spread over"),
    ],
)
def test_an_arm_that_is_not_beaten_is_named_first(arm: str, seeds: tuple[int, ...], sentence: str) -> None:
    measured = measurements({**UNSEEN, arm: seeds})
    found = judge_gain(measured, "ours")
    assert found.holds is False
    assert found.sentence.startswith(f"The gain is not there: {sentence}")
    assert verdict(measured).startswith(f"**The gain is not there: {sentence}")
    assert judge_gain(measurements({**UNSEEN, arm: (30, 30, 34)}), "ours").holds is True


def test_clean_accuracy_may_lose_half_a_point_and_no_more() -> None:
    assert judge_gain(measurements(clean={**CLEAN, "ours": (795, 795, 795)}), "ours").holds is True
    lost = judge_gain(measurements(clean={**CLEAN, "ours": (795, 795, 794)}), "ours")
    assert lost.holds is False
    assert lost.sentence == (
        "The gain is not there: clean accuracy of ours is \u22120.53 points beside plain, a loss of more than 0.5."
    )
    assert judge_gain(measurements(clean={**CLEAN, "ours": (900, 900, 900)}), "ours").holds is True


def test_all_complaints_stand_in_the_first_sentence() -> None:
    unseen = {**UNSEEN, "plain": (44, 44, 44), "wordnet": (30, 30, 41)}
    sentence = judge_gain(measurements(unseen, {**CLEAN, "ours": (700, 700, 700)}), "ours").sentence
    assert "not above plain" in sentence
    assert "above wordnet" in sentence
    assert "\u221210.00 points" in sentence


def test_without_a_control_nothing_is_claimed_but_a_loss_is_told() -> None:
    unseen = {arm: UNSEEN[arm] for arm in ARMS if arm != "wordnet"}
    found = judge_gain(measurements(unseen), "ours")
    assert found.holds is None
    assert found.sentence == ("Whether ours brings a gain is not decided: not measured under unseen attacks: wordnet.")
    assert judge_gain(measurements({**unseen, "plain": (50, 50, 50)}), "ours").holds is False


def test_one_seed_decides_nothing() -> None:
    found = judge_gain(measurements({**UNSEEN, "wordnet": (35,)}), "ours")
    assert found.holds is None
    assert "a single seed on a side, so no spread, beside wordnet" in found.sentence


def test_without_clean_pairs_nothing_is_claimed() -> None:
    measured = measurements()
    del measured["sets"]["clean"]
    found = judge_gain(measured, "ours")
    assert found.holds is None
    assert "clean accuracy of ours or plain was not measured" in found.sentence


def test_without_unseen_attacks_nothing_is_said() -> None:
    measured = measurements()
    measured["sets"] = {"clean": measured["sets"]["clean"]}
    assert judge_gain(measured, "ours").holds is None
    assert "was not measured under unseen attacks" in verdict(measured)


def test_without_an_arm_of_ours_nothing_is_said() -> None:
    text = verdict(measurements({arm: UNSEEN[arm] for arm in ARMS[:-1]}))
    assert text == "**Nothing can be said: no arm of ours was measured.**"


def test_sizes_stand_below_the_verdict() -> None:
    lines = verdict(measurements()).splitlines()
    assert lines[2].startswith("- Under unseen attacks: 42.0% against 32.0% of plain, +10.00 points (95% over the rows")
    assert lines[3].startswith("- Clean accuracy: 80.0% against 80.0% of plain, +0.00 points")
    assert lines[3].endswith("; the aim was to lose no more than 0.5.")


def test_an_attack_under_which_ours_is_not_above_is_named() -> None:
    measured = measurements()
    assert "One unseen attack at a time" not in verdict(measured)
    for seed in measured["right"]["plain"].values():
        seed["swaps"] = "1" * 22 + "0" * 28  # 44%: above the 42% of ours, though not in the mean with typos
    text = verdict(measured)
    assert "One unseen attack at a time ours is not above: plain under swaps." in text
    assert text.startswith("**The gain is there")


def test_rows_that_are_too_few_to_tell_are_said() -> None:
    assert "does not tell" not in verdict(measurements({**UNSEEN, "wordnet": (30, 30, 30)}))
    measured = measurements({**UNSEEN, "wordnet": (38, 38, 38)})
    for seed in measured["right"]["wordnet"].values():  # as many rows, but others
        seed |= {name: digits[::-1] for name, digits in seed.items()}
    text = verdict(measured)
    assert text.startswith("**The gain is there")
    assert "The paired test over the rows of unseen attacks does not tell ours from wordnet (p " in text


@pytest.mark.parametrize("kind", ["label kept", "valid unseen"])
def test_attacks_that_keep_their_label_are_told_beside_it(kind: str) -> None:
    measured = measurements()
    measured["sets"]["kept"] = {"kind": kind, "rows": 4, "source": "x"}
    for arm in measured["right"]:
        for seed in measured["right"][arm].values():
            seed["kept"] = "1110" if arm == "ours" else "1000"
    assert f"- {kind}: ours is above every other arm beyond the spread over seeds." in verdict(measured)
    measured["right"]["wordnet"]["0"]["kept"] = "1110"
    assert f"- {kind}: ours is not above wordnet (41.7%, highest 75.0%) beyond" in verdict(measured)


def test_further_arms_of_ours_have_their_own_sentence() -> None:
    unseen = {**UNSEEN, "ours, half": (20, 20, 20)}
    measured = measurements(unseen, {**CLEAN, "ours, half": (800, 800, 800)})
    first, rest = verdict(measured).split("Further arms of ours")
    assert "**The gain is there" in first
    assert "- The gain is not there: under unseen attacks ours, half (20.0%) is not above plain" in rest
    assert other_arms(measured) == list(ARMS[:-1])


def test_arms_are_ours_by_name_or_by_the_settings() -> None:
    measured = measurements({**UNSEEN, "flips": (1, 2, 3)}, {**CLEAN, "flips": (1, 2, 3)})
    assert our_arms(measured) == ["ours"]
    assert other_arms(measured) == [*ARMS[:-1], "flips"]
    measured["settings"]["augmented"] = {"flips": "somewhere"}
    assert our_arms(measured) == ["ours", "flips"]


def test_a_control_that_nobody_expected_counts_too() -> None:
    measured = measurements({**UNSEEN, "back translation": (60, 60, 60)}, {**CLEAN, "back translation": (8, 8, 8)})
    assert "not above back translation" in judge_gain(measured, "ours").sentence


def test_nothing_is_missing_of_a_whole_experiment() -> None:
    assert missing_parts(measurements()) == []


def _without(measured: dict[str, Any], *path: str) -> dict[str, Any]:
    changed = deepcopy(measured)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("arms", "duplicates"), "duplicates: no such arm"),
        (("sets", "clean"), "no set of kind clean"),
        (("right", "ours", "1"), "ours: 2 of 3 seeds (1 not yet)"),
        (("right", "ours"), "ours: 0 of 3 seeds (0, 1, 2 not yet)"),
        (("right", "ours", "1", "typos"), "ours, seed 1: not on typos"),
        (("fresh", "ours", "1", "textfooler"), "textfooler afresh: not on ours 1"),
        (("fresh",), "no arm was attacked afresh"),
        (("arms", "ours", "label_noise"), "no label noise of ours"),
        (("cost",), "no cost"),
    ],
)
def test_what_was_not_measured_is_told(path: tuple[str, ...], line: str) -> None:
    assert line in missing_parts(_without(measurements(), *path))
