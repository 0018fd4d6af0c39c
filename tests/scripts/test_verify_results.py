import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from textsem.evaluation.verification import VerificationConfig
from textsem.evaluation.verification_checks import Check, Difference, Verification

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_results.py"
DIFFERENCE = Difference("line 3", "edits", 1, 2)


@pytest.fixture
def script() -> ModuleType:
    spec = spec_from_file_location("verify_results_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_in_place(monkeypatch: pytest.MonkeyPatch, *differences: Difference) -> list[VerificationConfig]:
    """Put a function that remembers its config in the place of the verification."""
    seen: list[VerificationConfig] = []

    def verify(config: VerificationConfig) -> Verification:
        seen.append(config)
        return Verification((Check("edits", 8, differences),), (), config.tolerance)

    monkeypatch.setattr("textsem.evaluation.verification.verify_results", verify)
    return seen


def test_every_option_reaches_its_field(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = put_in_place(monkeypatch)
    line = "folder --target t --model m --data d --device cpu --judges a b --sentence-encoder s --tolerance 0.01"
    assert script.main(line.split()) == 0
    assert script.main(["folder"]) == 0
    assert seen == [
        VerificationConfig("folder", "t", "m", "d", "cpu", ("a", "b"), "s", 0.01),
        VerificationConfig("folder"),
    ]


def test_difference_is_printed_and_exit_code_one(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, DIFFERENCE)
    assert script.main(["folder"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "| edits | 8 | 7 | 87.50% |" in lines
    assert lines[-1] == "Different: line 3, edits: written 1, found 2"


def test_error_is_one_line_and_exit_code_two(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["no/such/results.jsonl"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: expected results.jsonl or its folder, got 'no/such/results.jsonl'\n"


def test_help_loads_nothing_heavy() -> None:
    code = (
        f"import runpy, sys; sys.argv = ['verify_results.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        f"except SystemExit as end: assert end.code == 0\n"
        f"assert not {{'torch', 'numpy', 'datasets', 'transformers'}} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--tolerance" in shown.stdout
