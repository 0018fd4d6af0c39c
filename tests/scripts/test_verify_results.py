from pathlib import Path
from types import ModuleType

import pytest

from textsem.evaluation.verification import VerificationConfig
from textsem.evaluation.verification_checks import Check, Difference, Verification

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_results.py"
DIFFERENCE = Difference("line 3", "edits", 1, 2)


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
