"""The report of the augmentation experiment: known figures, the same bytes twice, and nothing made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.measured_arms import ARMS, UNSEEN, measurements
from textsem.evaluation.augmentation_tables import FIGURE_NAME, MEASUREMENTS_NAME, REPORT_NAME, write_report


def report(folder: Path, measured: dict[str, Any]) -> str:
    (folder / MEASUREMENTS_NAME).write_text(json.dumps(measured), encoding="utf-8")
    return write_report(folder)


def cells(text: str, *start: str) -> list[str]:
    """Return the cells of the one table line that begins with these."""
    (line,) = [line for line in text.splitlines() if line.startswith("| " + " | ".join(start) + " |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_verdict_comes_first(tmp_path: Path) -> None:
    text = report(tmp_path, measurements())
    assert text.splitlines()[2].startswith("**The gain is there: under unseen attacks ours")
    assert (tmp_path / REPORT_NAME).read_text(encoding="utf-8") == text
    assert (tmp_path / FIGURE_NAME).read_bytes().startswith(b"\x89PNG")
    text = report(tmp_path, measurements({**UNSEEN, "wordnet": (50, 50, 50)}))
    assert text.splitlines()[2].startswith("**The gain is not there: under unseen attacks ours (42.0%) is not above")


def test_figures_of_an_arm_are_means_deviations_and_ranges(tmp_path: Path) -> None:
    text = report(tmp_path, measurements())
    # Under typos 34, 36 and 38 of 100, under swaps 17, 18 and 19 of 50.
    assert cells(text, "wordnet", "3", "1,500")[3:] == [
        "80.0 \u00b1 0.0 (80.0 to 80.0)",
        "36.0 \u00b1 2.0 (34.0 to 38.0)",
        "10.0% (5.5% to 17.4%, judge)",
        "101",
    ]
    assert cells(text, "typos", "unseen", "100")[-2:] == [
        "36.0 \u00b1 2.0 (34.0 to 38.0)",
        "42.0 \u00b1 2.0 (40.0 to 44.0)",
    ]


def test_differences_stand_beside_both_tests(tmp_path: Path) -> None:
    text = report(tmp_path, measurements())
    found = cells(text, "clean", "plain")
    assert (found[2], found[4], found[5], found[6], found[8]) == ("+0.0", "1.0000", "1.0000", "\u2013", "no")
    found = cells(text, "unseen", "plain")
    # Both arms spread by 2 points over three seeds: t = 10 / (2 sqrt(2 / 3)), p of 4 degrees of freedom 0.0036.
    assert (found[2], found[6], found[7], found[8]) == ("+10.0", "6.1", "0.0036", "yes")
    # 6 of 10 against 4 of 10 pairs, every seed alike: 2 rows apart, 2 flips of 4 as far.
    found = cells(text, "textfooler afresh", "plain")
    assert (found[2], found[4], found[5], found[6]) == ("+20.0", "0.5000", "1.0000", "\u2013")


def test_fresh_attacks_are_counted_of_all_pairs_and_of_those_right_before(tmp_path: Path) -> None:
    text = report(tmp_path, measurements())
    assert cells(text, "ours", "textfooler")[2:] == [
        "3",
        *("80.0 \u00b1 0.0 (80.0 to 80.0)", "60.0 \u00b1 0.0 (60.0 to 60.0)"),
        *("25.0 \u00b1 0.0 (25.0 to 25.0)", "12.5 \u00b1 0.0 (12.5 to 12.5)"),
    ]


def test_cost_and_rows_are_told(tmp_path: Path) -> None:
    text = report(tmp_path, measurements())
    cost = "31.2 ms a pair with filters, 9 ms without, 0.5 new rows a pair, 31 s in all"
    assert f"- cost of augmentation: {cost}, 31% of the processor time of one plain training\n" in text
    assert "- ours: 500 new rows (neighbours 500)" in text
    assert "Not measured" not in text


def test_report_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    first = report(tmp_path, measurements()), (tmp_path / FIGURE_NAME).read_bytes()
    assert (report(tmp_path, measurements()), (tmp_path / FIGURE_NAME).read_bytes()) == first


def test_what_was_not_measured_is_said_and_not_made_up(tmp_path: Path) -> None:
    measured = measurements()
    del (
        measured["right"]["wordnet"]["2"],
        measured["right"]["duplicates"],
        measured["fresh"]["plain"]["0"]["textfooler"],
    )
    measured |= {"cost": None}
    measured["right"]["ours"]["1"]["typos"] = "11"  # of another set than the one described
    measured["arms"]["ours"]["label_noise"] = None
    measured["training_seconds"]["ours"] = {"0": None}
    text = report(tmp_path, measured)
    for line in (
        "wordnet: 2 of 3 seeds (2 not yet)",
        "duplicates: 0 of 3 seeds (0, 1, 2 not yet)",
        "ours, seed 1: not on typos",
        "textfooler afresh: not on plain 0",
        "no cost",
        "no label noise of ours",
    ):
        assert f"- {line}\n" in text
    assert cells(text, "duplicates", "0", "1,500")[3:5] == ["\u2013", "\u2013"]
    assert cells(text, "unseen", "duplicates")[2:] == ["\u2013"] * 7
    assert cells(text, "ours", "3", "1,500")[-2:] == ["\u2013", "\u2013"]
    assert text.splitlines()[2].startswith("**Whether ours brings a gain is not decided: ")


@pytest.mark.parametrize("part", ["fresh", "cost", "training_seconds", "settings"])
def test_a_part_that_is_absent_is_no_error(tmp_path: Path, part: str) -> None:
    measured = measurements()
    del measured[part]
    assert "The gain is there" in report(tmp_path, measured)


def test_an_experiment_that_has_just_begun_has_a_report(tmp_path: Path) -> None:
    measured = measurements()
    measured |= {"right": {}, "fresh": {}, "training_seconds": {}, "cost": None}
    text = report(tmp_path, measured)
    assert "Nothing can be said of ours: it was not measured under unseen attacks." in text
    assert (tmp_path / FIGURE_NAME).is_file()
    measured |= {"arms": {}, "sets": {}}
    assert "no arm of ours was measured" in report(tmp_path, measured)
    assert "- no set of kind unseen\n" in report(tmp_path, measured)


def test_single_seeds_have_no_spread(tmp_path: Path) -> None:
    text = report(tmp_path, measurements({arm: UNSEEN[arm][:1] for arm in ARMS}))
    assert cells(text, "typos", "unseen", "100")[-1] == "40.0 (one seed)"
    assert cells(text, "unseen", "plain")[6:] == ["\u2013", "\u2013", "one seed"]


def test_a_name_with_a_bar_does_not_break_the_table(tmp_path: Path) -> None:
    measured = measurements()
    measured["sets"]["a|b"] = {"kind": "other", "rows": 2, "source": "x"}
    assert "| a\\|b | other | 2 |" in report(tmp_path, measured)


def test_a_folder_without_measurements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected measurements\.json in .*, got none"):
        write_report(tmp_path)
    (tmp_path / MEASUREMENTS_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected sets, arms, right in .*, got no sets, arms, right"):
        write_report(tmp_path)
