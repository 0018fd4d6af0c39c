from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.judged_folders import JudgeResultsConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "judge_results.py"


@pytest.fixture
def script() -> ModuleType:
    spec = spec_from_file_location("judge_results_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_option_reaches_its_field(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[JudgeResultsConfig] = []

    def judge(config: JudgeResultsConfig) -> list[dict[str, Any]]:
        seen.append(config)
        return [{"headline": f"about {folder}"} for folder in config.folders]

    monkeypatch.setattr("textsem.evaluation.judged_folders.judge_folders", judge)
    line = (
        "one two --judges a b --sentence-encoder e --min-similarity 0.7 --max-perplexity-ratio 3 --model m "
        "--controls c d --device cuda --batch-size 8"
    )
    assert script.main(line.split()) == 0
    assert seen == [JudgeResultsConfig(("one", "two"), ("a", "b"), "e", 0.7, 3.0, "cuda", 8, "m", ("c", "d"))]
    assert capsys.readouterr().out.splitlines()[::2] == ["one: about one", "two: about two"]
    script.main(["one", "--judges", "a"])
    assert seen[1] == JudgeResultsConfig(("one",), ("a",))


def test_error_is_one_line_and_exit_code_two(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["no/such/folder", "--judges", "a"]) == 2
    assert capsys.readouterr().err == f"error: expected results.jsonl in {Path('no/such/folder')}, got none\n"
