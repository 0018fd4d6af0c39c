"""A tiny run from the roll to the files: it is whole, it follows its seed, and radius zero has no success."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from images_ext.swiss_roll.attacks import SOURCES, PgdConfig, SearchConfig
from images_ext.swiss_roll.classifier import PointClassifier, PointClassifierConfig
from images_ext.swiss_roll.experiment import OURS, PGD, WIDE_PGD, SwissRollConfig, SwissRollRun, run_seed
from images_ext.swiss_roll.report import in_words, summarise_seeds, write_run
from tests.images.swiss_roll.toys import TINY

CONFIG = SwissRollConfig(
    num_points=60,
    classifier=PointClassifierConfig((16,), stop_accuracy=0.5, max_steps=200),
    adversary=replace(TINY, reconstruction_steps=60),
    search=SearchConfig(num_particles=2, scales=(1.0, 4.0), epsilon=2.0, bank_quantile=None),
    pgd=PgdConfig(num_steps=4, relative_step=0.5),
)


@pytest.fixture(scope="module")
def run() -> SwissRollRun:
    return run_seed(0, CONFIG)


def test_every_attack_is_measured_on_the_points_that_the_target_has_right(run: SwissRollRun) -> None:
    assert list(run.attacks) == [*SOURCES, PGD, WIDE_PGD]
    assert len(run.labels) == round(run.numbers["target_accuracy"] * 60)
    for name, attack in run.attacks.items():
        assert len(attack.is_success) == len(run.codes[name]) == len(run.clean_codes) == len(run.labels)
    assert run.attacks[PGD].rate >= run.attacks[OURS].rate


def test_the_same_seed_gives_the_same_run(run: SwissRollRun) -> None:
    again = run_seed(0, CONFIG)
    for name, attack in run.attacks.items():
        assert torch.equal(attack.points, again.attacks[name].points)
        assert torch.equal(run.codes[name], again.codes[name])
    assert {**again.numbers, "seconds": 0} == {**run.numbers, "seconds": 0}


def test_radius_zero_has_no_success_and_no_ratio() -> None:
    found = run_seed(0, replace(CONFIG, search=replace(CONFIG.search, epsilon=0.0)))
    assert not any(bool(found.attacks[name].attack.is_flipped.any()) for name in SOURCES)
    summary = summarise_seeds([found], CONFIG)
    assert summary["ratio"] == {}
    assert not summary["beats_controls"]
    assert in_words(summary)[-1].endswith("no success")


def test_the_summary_pools_points_and_follows_from_the_lines(run: SwissRollRun, tmp_path: Path) -> None:
    summary = summarise_seeds([run, run], CONFIG)
    write_run(tmp_path, [run, run], summary)
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(summary))
    lines = [json.loads(line) for line in (tmp_path / "points.jsonl").read_text().splitlines()]
    for name, found in summary["attacks"].items():
        rows = [row for row in lines if row["attack"] == name]
        chosen = [row["surface_distance"] for row in rows if row["is_success"]]
        assert (len(rows), len(chosen)) == (found["num_points"], found["num_successes"])
        if chosen:
            assert sum(chosen) / len(chosen) == pytest.approx(found["mean"], abs=1e-5)


def test_the_ratio_is_ours_over_pgd(run: SwissRollRun) -> None:
    summary = summarise_seeds([run], CONFIG)
    ours, theirs = summary["attacks"][OURS], summary["attacks"][PGD]
    assert summary["ratio"] == {key: pytest.approx(ours[key] / theirs[key]) for key in ("mean", "median")}


def test_the_first_line_says_whether_controls_are_beaten(run: SwissRollRun) -> None:
    summary = summarise_seeds([run], CONFIG)
    rates = {name: summary["attacks"][name]["success_rate"] for name in SOURCES}
    others = [rate for name, rate in rates.items() if name != OURS]
    assert summary["beats_controls"] == (rates[OURS] > max(others))
    for is_better, words in ((True, "succeeds more often"), (False, "succeeds not more often")):
        assert words in in_words(summary | {"beats_controls": is_better})[0]


def test_no_points_and_no_runs_are_errors() -> None:
    with pytest.raises(ValueError, match="expected at least 1 point, got 0"):
        SwissRollConfig(num_points=0)
    with pytest.raises(ValueError, match="expected at least one seed"):
        summarise_seeds([], CONFIG)


def test_a_target_that_is_never_right_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def predict(self: PointClassifier, inputs: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.full(inputs.shape[:1], 4), 5).float()

    monkeypatch.setattr(PointClassifier, "predict", predict)
    with pytest.raises(ValueError, match="expected a target that has a point right"):
        run_seed(0, CONFIG)
