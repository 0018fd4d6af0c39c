"""Which judge may judge."""

import shutil
from pathlib import Path

import pytest

from textsem.evaluation.identity import check_independent, identify_model


def model(folder: Path, weights: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text(weights)
    return folder


def test_digest_follows_the_files_and_not_the_folder(tmp_path: Path) -> None:
    a, b = model(tmp_path / "a", "1"), model(tmp_path / "b", "2")
    copy = Path(shutil.copytree(a, tmp_path / "copy"))
    (copy / "README.md").write_text("a copy")
    digests = [identify_model(str(folder), a)["sha256"] for folder in (a, copy, b)]
    assert digests[0] == digests[1] != digests[2]
    assert identify_model("bundled", a)["sha256"] == digests[0]
    assert identify_model("some/hub-id", a) == {"name": "some/hub-id", "sha256": None}


def test_judge_that_took_part_is_refused_under_any_name(tmp_path: Path) -> None:
    target, judge = model(tmp_path / "target", "1"), model(tmp_path / "judge", "2")
    copy = str(shutil.copytree(target, tmp_path / "copy"))
    others = {"target": identify_model(str(target), target), "filter_model": {"name": "some/filter", "sha256": None}}
    check_independent([str(judge), "some/judge"], others)
    for name, role in ((str(target), "target"), (copy, "target"), ("some/filter", "filter_model")):
        with pytest.raises(ValueError, match=f"expected an independent judge, got .*, which is the {role} of the att"):
            check_independent([str(judge), name], others)


def test_judge_is_asked_once(tmp_path: Path) -> None:
    judge = model(tmp_path / "judge", "2")
    copy = str(shutil.copytree(judge, tmp_path / "copy"))
    for other in (str(judge), copy):
        with pytest.raises(ValueError, match="which is already a judge"):
            check_independent([str(judge), other], {})
