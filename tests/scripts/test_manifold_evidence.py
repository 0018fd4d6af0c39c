from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.manifold_evidence import ManifoldEvidenceConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "manifold_evidence.py"


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[ManifoldEvidenceConfig]:
    """Put a function that remembers its config in the place of the measurement."""
    seen: list[ManifoldEvidenceConfig] = []

    def measure(config: ManifoldEvidenceConfig) -> dict[str, Any]:
        seen.append(config)
        return {"seconds": 1.6}

    monkeypatch.setattr("textsem.evaluation.manifold_evidence.manifold_evidence", measure)
    monkeypatch.setattr("textsem.evaluation.manifold_tables.evidence_tables", lambda metrics: "tables")
    return seen


def test_every_option_reaches_its_field(
    script: ModuleType, configs: list[ManifoldEvidenceConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    line = (
        "--model m --data d --split dev --num-hypotheses 7 --particles 3 --seed 5 --num-permutations 9 --train-data t "
        "--train-limit 8 --preset paper --gbsm-steps 1 4 --results r --judge j --output o"
    )
    assert script.main(line.split()) == 0
    assert script.main([]) == 0
    assert configs == [
        ManifoldEvidenceConfig("m", "d", "dev", 7, 3, 5, 9, "t", 8, "paper", (1, 4), "r", "j", "o"),
        ManifoldEvidenceConfig(),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["tables", "", "2 s"]
    assert lines[3] == str(Path("o", "manifold_evidence.json"))
