from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.judged_folders import JudgeResultsConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "judge_results.py"


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
