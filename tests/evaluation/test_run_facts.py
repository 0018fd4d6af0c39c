"""The summary of a run."""

import json
from pathlib import Path

import pytest

from textsem.evaluation.run_facts import RunFacts, write_summary

FACTS = RunFacts(
    settings={"access": "score"},
    seed=3,
    data={"name": "demo"},
    model={"target": "bundled"},
    rows_sent=12,
    seconds=2.0,
    pairs_per_second=0.5,
    latent_noise={"absolute": 0.5, "relative": 0.1},
)


def test_summary_holds_metrics_facts_and_versions(tmp_path: Path) -> None:
    summary = write_summary(tmp_path / "summary.json", {"n": 1, "bounds": (0.0, 1.0)}, FACTS)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["n"] == summary["num_processes"] == 1
    assert summary["latent_noise"] == {"absolute": 0.5, "relative": 0.1}
    assert "torch" in summary["versions"]
    with pytest.raises(ValueError, match=r"got \['seed'\] in both"):
        write_summary(tmp_path / "summary.json", {"seed": 1}, FACTS)


def test_figure_that_is_not_finite_is_named_and_leaves_the_old_summary(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, {"n": 1}, FACTS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"expected finite numbers in summary\.json, got nan at rates\.curve\[1\]"):
        write_summary(path, {"rates": {"curve": [0.5, float("nan")]}}, FACTS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_message_with_a_lone_surrogate_is_kept(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.json", {"first_error": "bad \udc80"}, FACTS)
    assert json.loads((tmp_path / "summary.json").read_text())["first_error"] == "bad \udc80"
