"""A folder is judged once; what is read back is what was written."""

import json
from pathlib import Path

import pytest
import torch

from images_ext.evaluation.finished_run import read_run
from images_ext.evaluation.judged_folders import judge_folder, judged_run, read_judgements
from images_ext.evaluation.label_kept import judge_run
from images_ext.targets.loading import TargetFacts, load_image_target, save_image_target
from images_ext.targets.reference import ReferenceConfig, ReferenceNetwork
from tests.images.evaluation.made_up_runs import NAMES, line, write_run

LINES = [line(0, "flip"), line(1, "flip", shift=100), line(2, "resists"), line(3, "skipped"), line(4, "error")]


def saved_judge(folder: Path) -> Path:
    network = ReferenceNetwork(ReferenceConfig((1, 6, 6), len(NAMES), widths=(2,), hidden_dim=4))
    network.initialise(torch.Generator().manual_seed(0))
    save_image_target(folder, network, TargetFacts(NAMES, "made up"))
    return folder


def test_judgements_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = write_run(tmp_path / "run", LINES, seconds=2.0)
    judge = saved_judge(tmp_path / "judge")
    assert read_judgements(written) is None
    judge_folder(tmp_path / "run", judge)
    run = read_run(tmp_path / "run")
    assert read_judgements(run) == judge_run(run, load_image_target(judge))
    assert run.summary["seconds"] == 2.0
    assert run.summary["label_kept"]["judge"]["name"] == "judge"
    judged = judged_run(run)
    assert judged.kept == run.summary["label_kept"]
    assert judged.successes == {0}


def test_judge_that_took_part_is_refused(tmp_path: Path) -> None:
    judge = saved_judge(tmp_path / "judge")
    run = write_run(tmp_path / "once", LINES)
    identity = judge_folder(run.folder, judge).summary["label_kept"]["judge"]
    write_run(tmp_path / "run", LINES, model={"filter_model": identity})
    with pytest.raises(ValueError, match=r"expected an independent judge, got .*, which is the filter_model of"):
        judge_folder(tmp_path / "run", judge)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"index": 0', "expected a judgement in line 0 of .*judgements.jsonl"),
        ("[]", "expected a judgement in line 0 of .*judgements.jsonl"),
        ("", "expected a judgement of each of the 4 images asked about in .*judgements.jsonl"),
    ],
)
def test_judgements_that_do_not_fit_are_refused(tmp_path: Path, content: str, message: str) -> None:
    run = write_run(tmp_path, LINES, label_kept={"judge": {"name": "j", "sha256": "0"}})
    (tmp_path / "judgements.jsonl").write_text(content + "\n" if content else "", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_judgements(run)


def test_run_without_a_judge_has_flips_alone(tmp_path: Path) -> None:
    judged = judged_run(write_run(tmp_path, LINES))
    assert (judged.kept, judged.joint) == (None, None)
    assert judged.figures["success"]["count"] == 1
    assert judged.figures["raw"]["count"] == 2
    assert json.dumps(judged.figures)
