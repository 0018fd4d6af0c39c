"""The command line of the augmentation experiment: what it passes on, what it shows, and how it fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import measure_augmentation
from textsem.augmentation import AdversarialAugmenter
from textsem.evaluation.peer_process import PeerError
from textsem.protocols import TargetError


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Put a job in place that notes its config, and a report."""
    configs: list[Any] = []

    def job(config: Any, *, augmenter: type) -> None:
        assert augmenter is AdversarialAugmenter
        configs.append(config)

    monkeypatch.setattr("textsem.evaluation.measure_augmentation.measure_augmentation", job)
    monkeypatch.setattr("textsem.evaluation.augmentation_tables.write_report", lambda folder: f"# Report of {folder}")
    return configs


def test_options_reach_the_job_and_the_report_is_shown(
    given: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "compare.json").write_text(json.dumps({"max_queries": 7}))
    options = ["--augmented", "ours=a", "--augmented", "ours, loose=b", "--unseen", "pwws=r/pwws", "genetic=r/genetic"]
    options += ["--other", "sick=sick.parquet:dev", "--controls", "duplicates", "wordnet", "--seeds", "3", "4"]
    options += ["--epochs", "5", "--trained", "plain-3=m", "--judge", "j", "--fresh-attacks", "ours", "textfooler"]
    options += ["--compare-options", str(tmp_path / "compare.json"), "--output", "out", "--num-workers", "2"]
    assert measure_augmentation.main(options) == 0
    (config,) = given
    assert config.augmented == {"ours": "a", "ours, loose": "b"}
    assert config.unseen == {"pwws": "r/pwws", "genetic": "r/genetic"}
    assert config.other == {"sick": "sick.parquet:dev"}
    assert (config.controls, config.seeds, config.num_epochs) == (("duplicates", "wordnet"), (3, 4), 5)
    assert (config.trained, config.judge, config.num_workers) == ({"plain-3": "m"}, "j", 2)
    assert config.fresh_attacks == ("ours", "textfooler")
    fresh = config.fresh_options()
    assert (fresh["judges"], fresh["max_queries"], fresh["limit"]) == (["j"], 7, 150)
    assert Path(fresh["peers_script"]).is_file()
    assert capsys.readouterr().out == "# Report of out\n"


@pytest.mark.parametrize(
    "error", [ValueError("expected x,\n got y"), PeerError("expected x"), OSError("got y"), TargetError("no answer")]
)
def test_failure_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(config: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("textsem.evaluation.measure_augmentation.measure_augmentation", fail)
    assert measure_augmentation.main(["--augmented", "ours=a"]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {' '.join(str(error).split())}"]


def test_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(config: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("textsem.evaluation.measure_augmentation.measure_augmentation", interrupt)
    assert measure_augmentation.main(["--augmented", "ours=a"]) == 130
    assert "the same command continues" in capsys.readouterr().err


def test_name_given_twice_or_without_path_is_refused(given: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_augmentation.main(["--augmented", "ours=a", "ours=b"]) == 2
    assert "expected every name once, got ours, ours" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        measure_augmentation.main(["--augmented", "ours"])
    assert "expected NAME=PATH, got 'ours'" in capsys.readouterr().err
    assert not given
