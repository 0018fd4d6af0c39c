"""Runs on the same images, pair by pair."""

from pathlib import Path

import pytest
from scipy.stats import binomtest

from images_ext.evaluation.judged_folders import judged_run
from images_ext.evaluation.rivalries import rivalries
from tests.images.evaluation.made_up_runs import SETTINGS, line, write_judged_run, write_run

ISOTROPIC = {**SETTINGS, "source": "isotropic"}
NUM = 12


def test_run_is_above_what_it_beats_pair_by_pair(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path / "own", [line(i, "flip") for i in range(NUM)]))
    lines = [line(i, "flip" if i < 2 else "resists") for i in range(NUM)]
    others = [
        judged_run(write_run(tmp_path / name, lines if name == "weak" else [line(i, "flip") for i in range(NUM)],
                             settings=ISOTROPIC))
        for name in ("weak", "equal")
    ]  # fmt: skip
    weak, equal = rivalries(own, others)
    assert (weak.only_own, weak.only_other, weak.counts, weak.is_control) == (10, 0, "success", True)
    # Holm: the smaller of two p-values counts twice.
    assert weak.p_value == pytest.approx(2 * binomtest(10, 10, 0.5).pvalue)
    assert weak.is_above
    assert weak.interval[0] < weak.difference == 10 / 12 < weak.interval[1]
    assert (equal.difference, equal.p_value, equal.is_above) == (0.0, 1.0, False)


def test_worse_run_is_never_above(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path / "own", [line(i, "resists") for i in range(NUM)]))
    other = judged_run(write_run(tmp_path / "other", [line(i, "flip") for i in range(NUM)], settings=ISOTROPIC))
    (rival,) = rivalries(own, [other])
    assert rival.p_value < 0.05
    assert not rival.is_above


def test_joint_success_decides_where_both_were_judged(tmp_path: Path) -> None:
    own = write_judged_run(tmp_path / "own", [line(i, "flip") for i in range(NUM)])
    lines = [line(i, "flip", judged_after=1) for i in range(NUM)]
    (judged,) = rivalries(own, [write_judged_run(tmp_path / "other", lines, settings=ISOTROPIC)])
    assert (judged.counts, judged.only_own, judged.is_above) == ("joint", NUM, True)
    (unjudged,) = rivalries(own, [judged_run(write_run(tmp_path / "third", lines, settings=ISOTROPIC))])
    assert (unjudged.counts, unjudged.only_own, unjudged.is_above) == ("success", 0, False)


def test_other_images_or_another_judge_are_refused(tmp_path: Path) -> None:
    own = write_judged_run(tmp_path / "own", [line(0, "flip")])
    with pytest.raises(ValueError, match="expected a run on the same images and target"):
        rivalries(own, [write_judged_run(tmp_path / "other", [line(0, "flip", judged_before=1)])])
    with pytest.raises(ValueError, match="expected a run on the same images and target"):
        rivalries(own, [write_judged_run(tmp_path / "right", [line(0, "skipped")])])
    with pytest.raises(ValueError, match="expected the judge of"):
        rivalries(own, [write_judged_run(tmp_path / "judge", [line(0, "flip")], judge="b")])


def test_successes_beyond_the_budget_do_not_count(tmp_path: Path) -> None:
    own = judged_run(write_run(tmp_path / "own", [line(i, "flip", queries=i + 1) for i in range(NUM)]))
    lines = [line(i, "flip", queries=6) for i in range(NUM)]
    other = judged_run(write_run(tmp_path / "other", lines, settings=ISOTROPIC))
    counts = [(rival.only_own, rival.only_other) for k in (5, 6, None) for rival in rivalries(own, [other], within=k)]
    assert counts == [(5, 0), (0, 6), (0, 0)]


def test_nothing_attacked_gives_nothing_to_compare(tmp_path: Path) -> None:
    own, other = (judged_run(write_run(tmp_path / name, [line(0, "skipped")])) for name in "ab")
    assert rivalries(own, [other]) == []


def test_options_and_models_that_should_be_alike_are_told(tmp_path: Path) -> None:
    def model(digest: str) -> dict[str, dict[str, str]]:
        return {role: {"name": "m", "sha256": digest} for role in ("target", "adversary", "filter_model_0")}

    own = judged_run(write_run(tmp_path / "own", [line(0, "flip")], model=model("a")))
    settings = {
        "alike": ISOTROPIC,
        "other": {**ISOTROPIC, "norm": "l2", "num_candidates": 7},
        "pgd": {**SETTINGS, "attack": "pgd", "access": "gradient", "eps": 0.5},
    }
    others = [
        judged_run(
            write_run(tmp_path / name, [line(0, "flip")], settings=chosen, model=model("b" if name == "other" else "a"))
        )
        for name, chosen in settings.items()
    ]
    unlike = [rival.unlike for rival in rivalries(own, others)]
    assert unlike == [(), ("norm", "num_candidates", "adversary", "filter_model"), ("eps",)]
