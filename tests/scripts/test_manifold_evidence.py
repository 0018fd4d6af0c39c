import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.manifold_evidence import ManifoldEvidenceConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "manifold_evidence.py"


@pytest.fixture
def script() -> ModuleType:
    spec = spec_from_file_location("manifold_evidence_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_error_is_one_line_and_exit_code_two(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--data", "no/such/file.jsonl"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: expected an existing file or folder, or a hub id")
    assert shown.err.count("\n") == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        f"import runpy, sys; sys.argv = ['manifold_evidence.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        f"except SystemExit as end: assert end.code == 0\n"
        f"assert not {{'torch', 'numpy', 'datasets', 'transformers'}} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--gbsm-steps" in shown.stdout
