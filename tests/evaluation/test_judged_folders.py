"""Finished folders are judged with files on the disk: tiny judges, a tiny trigram, an encoder made of letters."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.builders import build_tiny_adversary
from tests.evaluation.judged import ten_lines
from tests.targets.fakes import SMALL_CONFIGS, build_word_level
from textsem.evaluation.control_runs import read_controls
from textsem.evaluation.judged_folders import JudgeResultsConfig, judge_folders
from textsem.evaluation.judges import read_judgements
from textsem.evaluation.judging import JuryConfig, load_jury
from textsem.evaluation.results import ResultsWriter
from textsem.evaluation.validity import is_valid
from textsem.outputs import AttackResult
from textsem.targets.loading import load_target, save_word_level_target

LABELS = ("entailment", "neutral", "contradiction")


class SharedLetters:
    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        return torch.tensor([len(set(a) & set(b)) / len(set(a)) for a, b in zip(originals, candidates, strict=True)])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two judges, a target and an adversary with a trigram."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("judge", "second", "target")):
        config = SMALL_CONFIGS["attention"]
        save_word_level_target(build_word_level("attention", seed=seed), config, folder / name)
    build_tiny_adversary(has_trigram=True).save_pretrained(folder / "adversary")
    return folder


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    monkeypatch.setattr(
        "textsem.evaluation.judging._load_encoder", lambda name, config: SharedLetters() if name else None
    )


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put a function that remembers what it is given in the place of the page, which takes long to draw."""
    written: list[dict[str, Any]] = []
    monkeypatch.setattr("textsem.evaluation.reporting.write_report", lambda *a, **k: written.append(k))
    return written


def finished(folder: Path, judge: Path, *, num_flips: int = 7) -> list[AttackResult]:
    """Write a run whose gold labels are the judge's answers, so that it is right before on all of them."""
    results, _ = ten_lines()
    answers = load_target(str(judge)).predict([r.premise for r in results], [r.hypothesis for r in results])
    gold = LABELS[int(answers[0].argmax())]
    other = next(label for label in LABELS if label != gold)
    lines = []
    for r in results:
        if r.status == "success" and r.index < num_flips:
            r = replace(r, adversarial_prediction=other)
        elif r.status == "success":
            r = replace(r, status="failed", adversarial=None, adversarial_prediction=None, distance=None, edits=None)
        lines.append(replace(r, label=gold, prediction=other if r.status == "skipped" else gold))
    folder.mkdir()
    with ResultsWriter(folder / "results.jsonl") as writer:
        writer.write(lines)
    return lines


def config(models: Path, *folders: Path, **other: Any) -> JudgeResultsConfig:
    given = {"judges": (str(models / "judge"),), "sentence_encoder": "letters", **other}
    return JudgeResultsConfig(tuple(map(str, folders)), model=str(models / "adversary"), **given)


def test_folder_without_summary_gets_judgements_summary_and_page(models: Path, tmp_path: Path) -> None:
    results = finished(tmp_path / "peer", models / "judge")
    (summary,) = judge_folders(config(models, tmp_path / "peer"))
    folder = tmp_path / "peer"
    assert {p.name for p in folder.iterdir()} == {"results.jsonl", "judgements.jsonl", "summary.json", "report.html"}
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert "Valid success" in (folder / "report.html").read_text()
    own = summary["validity"]["judges"]["judge"]
    judgements = read_judgements(folder / "judgements.jsonl")
    assert own["accuracy"]["attacked"]["count"] == own["accuracy"]["attacked"]["of"] == 9
    expected = sum(is_valid(r, j, "judge") for r, j in zip(results, judgements, strict=True))
    assert own["valid"]["count"] == expected
    by = summary["validity"]["measured_by"]
    assert by["judges"]["judge"]["name"] == str(models / "judge")
    assert len(by["judges"]["judge"]["sha256"]) == len(by["language_model"]["sha256"]) == 64
    assert by["sentence_encoder"] == {"name": "letters", "sha256": None}


def test_what_the_summary_held_stays(models: Path, tmp_path: Path, pages: list[dict[str, Any]]) -> None:
    finished(tmp_path / "run", models / "judge")
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"seed": 3, "settings": {"access": "score"}, "n": 0}))
    (summary,) = judge_folders(config(models, tmp_path / "run"))
    assert (summary["seed"], summary["settings"], summary["n"]) == (3, {"access": "score"}, 10)
    assert (tmp_path / "run" / "results.jsonl").exists()


def test_run_is_set_against_judged_controls_pair_by_pair(
    models: Path, tmp_path: Path, pages: list[dict[str, Any]]
) -> None:
    finished(tmp_path / "run", models / "judge")
    finished(tmp_path / "control", models / "judge", num_flips=0)
    both = (tmp_path / "run", tmp_path / "control")
    summaries = judge_folders(config(models, *both, controls=(str(both[1]),), min_similarity=-1.0))
    control = pages[0]["controls"]["control"]
    num_valid = summaries[0]["validity"]["judges"]["judge"]["valid"]["count"]
    assert num_valid > 0
    assert control["validity"]["judges"]["judge"]["valid"]["count"] == 0
    assert control["validity"]["thresholds"]["min_similarity"] == -1
    assert (control["paired"]["flips"]["only_first"], control["paired"]["flips"]["only_second"]) == (7, 0)
    assert (control["paired"]["valid"]["only_first"], control["paired"]["valid"]["only_second"]) == (num_valid, 0)
    assert pages[1]["controls"] is None


def test_control_that_was_judged_otherwise_is_refused_with_the_mend(
    models: Path, tmp_path: Path, pages: list[dict[str, Any]]
) -> None:
    run, control = tmp_path / "run", tmp_path / "control"
    finished(run, models / "judge")
    finished(control, models / "judge")
    mend = rf"textsem report {control} --judges {models / 'judge'} --sentence-encoder letters"
    with pytest.raises(ValueError, match=rf"got none: run {mend}"):
        judge_folders(config(models, run, controls=(str(control),)))
    for other in ({"judges": (str(models / "second"),)}, {"sentence_encoder": None}):
        judge_folders(config(models, control, **other))
        with pytest.raises(ValueError, match=rf"got others: run {mend}"):
            judge_folders(config(models, run, controls=(str(control),)))
    judge_folders(config(models, control, min_similarity=0.1))  # another threshold is no other judgement
    judge_folders(config(models, run, controls=(str(control),)))


def test_controls_of_a_run_that_nobody_judged_are_compared_by_flips(models: Path, tmp_path: Path) -> None:
    finished(tmp_path / "control", models / "judge", num_flips=2)
    results = finished(tmp_path / "run", models / "judge")
    found = read_controls([str(tmp_path / "control")], results)
    assert found is not None
    assert found["control"]["successes"] == 2
    assert set(found["control"]["paired"]) == {"flips"}
    assert found["control"]["paired"]["flips"]["only_first"] == 5
    assert "validity" not in found["control"]
    with pytest.raises(ValueError, match="same pairs and target"):
        read_controls([str(tmp_path / "control")], results[:-1])
    assert read_controls([], results) is None


def test_judge_that_was_attacked_is_refused_before_anything_is_written(models: Path, tmp_path: Path) -> None:
    finished(tmp_path / "run", models / "judge")
    digest = load_jury(JuryConfig((str(models / "target"),)), None, models).identity["judges"]["target"]["sha256"]
    (tmp_path / "run" / "summary.json").write_text(json.dumps({"model": {"target": {"name": "t", "sha256": digest}}}))
    with pytest.raises(ValueError, match="which is the target"):
        judge_folders(config(models, tmp_path / "run", judges=(str(models / "target"),)))
    assert not (tmp_path / "run" / "judgements.jsonl").exists()


def test_without_an_encoder_nothing_is_called_valid(
    models: Path, tmp_path: Path, pages: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tmp_path / "run", models / "judge")
    (summary,) = judge_folders(config(models, tmp_path / "run", sentence_encoder=None))
    assert "no sentence encoder" in summary["validity"]["statement"]
    assert "cannot be stated" in summary["headline"]
    monkeypatch.setenv("TEXTSEM_SENTENCE_ENCODER", "letters")
    (summary,) = judge_folders(config(models, tmp_path / "run", sentence_encoder=None))
    assert summary["validity"]["statement"] is None


def test_two_judges_keep_their_order_and_their_names(models: Path, tmp_path: Path, pages: list[dict[str, Any]]) -> None:
    finished(tmp_path / "run", models / "judge")
    judges = (str(models / "second"), str(models / "judge"))
    (summary,) = judge_folders(config(models, tmp_path / "run", judges=judges))
    assert summary["validity"]["scoring_judge"] == "second"
    assert list(summary["validity"]["judges"]) == ["second", "judge"]
    assert summary["validity"]["agreement"][0]["judges"] == ["second", "judge"]


def test_what_cannot_be_judged_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected results\.jsonl in .*nothing, got none"):
        judge_folders(config(models, tmp_path / "nothing"))
    with pytest.raises(ValueError, match="at least one folder"):
        config(models)
    with pytest.raises(ValueError, match="at least one judge"):
        config(models, tmp_path, judges=())
    with pytest.raises(ValueError, match="min_similarity from -1 to 1"):
        config(models, tmp_path, min_similarity=2.0)


def test_run_that_was_cut_off_is_judged_by_its_whole_lines(
    models: Path, tmp_path: Path, pages: list[dict[str, Any]]
) -> None:
    finished(tmp_path / "run", models / "judge")
    (tmp_path / "run" / "settings.json").write_text(json.dumps({"target": "t", "identity": {}, "seed": 4}))
    with (tmp_path / "run" / "results.jsonl").open("ab") as file:
        file.write(b"{torn")
    (summary,) = judge_folders(config(models, tmp_path / "run"))
    assert (summary["n"], summary["seed"], summary["settings"]) == (10, 4, {"target": "t", "seed": 4})
    assert len(read_judgements(tmp_path / "run" / "judgements.jsonl")) == 10
    assert pages[0]["notice"] == "The run was not at its end when this page was made, after 10 pairs."
