"""Joint success and labels kept, counted by hand."""

from pathlib import Path

import pytest

from images_ext.evaluation.finished_run import FinishedRun
from images_ext.evaluation.label_kept import joint_places, judge_run, summarise_judgements
from tests.images.evaluation.made_up_runs import FirstPixelJudge, line, write_run


def mixed_run(folder: Path) -> FinishedRun:
    lines = [
        line(0, "flip", queries=1),  # joint
        line(1, "flip", queries=30),  # joint
        line(2, "flip", judged_after=1),  # the judge follows the target to "dog"
        line(3, "flip", judged_after=2),  # the judge reads a third class
        line(4, "flip", judged_before=2, judged_after=0),  # the judge was wrong before
        line(5, "flip", shift=100),  # outside the ball, label kept
        line(6, "resists"),
        line(7, "skipped"),
        line(8, "error"),
    ]
    return write_run(folder, lines)


def test_every_share_has_its_denominator(tmp_path: Path) -> None:
    run = mixed_run(tmp_path)
    found = summarise_judgements(run.results, judge_run(run, FirstPixelJudge()))
    counts = {name: (share["count"], share["of"]) for name, share in found.items() if name != "joint_within"}
    assert counts == {
        "joint": (2, 7),
        "joint_of_all": (2, 9),
        "joint_where_judge_right": (2, 6),
        "kept": (3, 5),
        "kept_where_right": (2, 4),
        "kept_raw": (4, 6),
        "follows": (1, 5),
        "judge_accuracy": (7, 8),
    }
    assert {k: share["count"] for k, share in found["joint_within"].items()} == {"1": 1, "5": 1, "20": 1, "100": 2}
    low, high = found["joint"]["interval"]
    assert low < found["joint"]["rate"] == 2 / 7 < high


def test_joint_successes_are_named(tmp_path: Path) -> None:
    run = mixed_run(tmp_path)
    assert joint_places(run.results, judge_run(run, FirstPixelJudge())) == [0, 1]


def test_judge_sees_inputs_and_flips_once_whatever_the_batch(tmp_path: Path) -> None:
    run, judge = mixed_run(tmp_path), FirstPixelJudge()
    judgements = judge_run(run, judge, batch_size=3)
    assert judge.rows == 8 + 6
    assert judgements == judge_run(run, judge, batch_size=100)
    assert [judgement.index for judgement in judgements] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert judgements[2].adversarial == "dog"
    assert judgements[2].label_probability == pytest.approx({"original": 0.8, "adversarial": 0.1})
    assert judgements[6].adversarial is None


def test_nothing_to_judge_gives_no_share(tmp_path: Path) -> None:
    run = write_run(tmp_path, [line(0, "error")])
    found = summarise_judgements(run.results, judge_run(run, FirstPixelJudge()))
    assert found["joint"] == {"count": 0, "of": 0, "rate": None, "interval": [0.0, 1.0]}


def test_judge_of_other_classes_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, [line(0, "flip", label="newt")])
    with pytest.raises(ValueError, match="expected a judge that knows 'newt' of image 0"):
        judge_run(run, FirstPixelJudge())
