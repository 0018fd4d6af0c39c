"""The whole experiment: files in their folder, and errors before anything is trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from images_ext.swiss_roll.attacks import PgdConfig, SearchConfig
from images_ext.swiss_roll.classifier import PointClassifierConfig
from images_ext.swiss_roll.experiment import SwissRollConfig
from images_ext.swiss_roll.run import run_swiss_roll
from tests.images.swiss_roll.toys import TINY

CONFIG = SwissRollConfig(
    num_points=40,
    classifier=PointClassifierConfig((8,), stop_accuracy=0.4, max_steps=100),
    adversary=replace(TINY, reconstruction_steps=10),
    search=SearchConfig(num_particles=2, scales=(1.0, 4.0)),
    pgd=PgdConfig(num_steps=3, relative_step=0.5),
)


def test_two_seeds_leave_three_files(tmp_path: Path) -> None:
    summary = run_swiss_roll(tmp_path / "new" / "folder", seeds=[3, 1], config=CONFIG, num_threads=1)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "figure.png",
        "points.jsonl",
        "summary.json",
    ]
    written = json.loads((tmp_path / "new" / "folder" / "summary.json").read_text())
    assert [run["seed"] for run in written["seeds"]] == [run["seed"] for run in summary["seeds"]] == [3, 1]
    assert written["config"]["num_points"] == 40


def test_threads_are_those_asked_for_and_then_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []

    def note(*args: object) -> None:
        noted.append(torch.get_num_threads())
        raise FloatingPointError("far enough")

    monkeypatch.setattr("images_ext.swiss_roll.run.run_seed", note)
    before = torch.get_num_threads()
    with pytest.raises(FloatingPointError):
        run_swiss_roll(tmp_path, seeds=[0], config=CONFIG, num_threads=before + 1)
    assert noted == [before + 1]
    assert torch.get_num_threads() == before


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr("images_ext.swiss_roll.run.run_seed", refuse)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_impossible_seeds_are_errors(seeds: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected seeds of at least 0, each once, got"):
        run_swiss_roll(tmp_path, seeds=seeds, config=CONFIG, num_threads=1)


@pytest.mark.usefixtures("untrained")
def test_no_thread_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected threads >= 1, got 0"):
        run_swiss_roll(tmp_path, seeds=[0], config=CONFIG, num_threads=0)


@pytest.mark.usefixtures("untrained")
def test_a_folder_that_is_a_file_is_an_error_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="expected a folder that files can be written to"):
        run_swiss_roll(tmp_path / "file", seeds=[0], config=CONFIG, num_threads=1)
