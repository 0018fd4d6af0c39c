"""Fresh attacks: who withstood, and what the comparison is asked for."""

from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.augmentation_experiment import LINES, write_run
from textsem.evaluation import augmentation_fresh
from textsem.evaluation.augmentation_fresh import attack_afresh, withstood
from textsem.evaluation.compare import CompareConfig


def test_a_pair_withstood_if_it_was_right_and_did_not_flip() -> None:
    # failed, success, wrong before, success, not supported, never asked
    assert withstood(LINES) == {"right": "100010", "right_under_attack": 2}


def test_all_attacks_are_asked_in_one_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[CompareConfig] = []

    def compare(config: CompareConfig) -> dict[str, Any]:
        asked.append(config)
        for attack in config.attacks:
            write_run(Path(config.output) / attack, tmp_path)
        return {"rows": [{"attack": attack, "valid": {"count": i}} for i, attack in enumerate(config.attacks)]}

    monkeypatch.setattr(augmentation_fresh, "compare_attacks", compare)
    options = {"judges": ("j",), "peers_script": "s", "limit": 6, "data": "test.jsonl"}
    found = attack_afresh(["ours", "textfooler"], options, tmp_path / "plain-0", tmp_path / "fresh")
    (config,) = asked
    assert (config.target, config.output, config.limit) == (str(tmp_path / "plain-0"), str(tmp_path / "fresh"), 6)
    shared = {"pairs": 6, "right_before": 4, "right_under_attack": 2, "right": "100010"}
    assert found == {"ours": {**shared, "valid": 0}, "textfooler": {**shared, "valid": 1}}
