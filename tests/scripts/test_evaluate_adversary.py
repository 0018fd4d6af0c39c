from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from textsem.evaluation.evaluate import EvaluateAdversaryConfig

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate_adversary.py"
METRICS: dict[str, Any] = {
    "notice": "demo pairs",
    "data": {"source": "pairs", "rows": 3},
    "judge": {"fitted_on": ["captions"], "sentences": 9},
    "settings": {"seed": 0},
    "reconstruction": {
        "adversary": {
            "all": {
                "share_of_tokens": 0.95,
                "share_exact": 0.8,
                "share_unknown": None,
                "num_sentences": 2,
                "coverage": 0.5,
            }
        }
    },
    "smoothness": {},
    "seconds": 1.6,
}


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[EvaluateAdversaryConfig]:
    """Put a function that remembers its config in the place of the measurement."""
    seen: list[EvaluateAdversaryConfig] = []

    def evaluate(config: EvaluateAdversaryConfig) -> dict[str, Any]:
        seen.append(config)
        return METRICS

    monkeypatch.setattr("textsem.evaluation.evaluate.evaluate_adversary", evaluate)
    return seen


def test_without_options_the_defaults_of_the_library_hold(
    script: ModuleType, configs: list[EvaluateAdversaryConfig]
) -> None:
    assert script.main([]) == 0
    assert configs == [EvaluateAdversaryConfig()]
    assert (configs[0].limit, configs[0].num_sentences) == (0, 400)


def test_every_option_reaches_its_field(script: ModuleType, configs: list[EvaluateAdversaryConfig]) -> None:
    line = (
        "--model m --plain-model p --data d --split dev --train-data t u --lm-data l --limit 7 --num-sentences 8 "
        "--particles 10 --seed 5 --output o"
    )
    assert script.main(line.split()) == 0
    assert configs == [
        EvaluateAdversaryConfig(
            model="m",
            plain_model="p",
            data="d",
            split="dev",
            train_data=("t", "u"),
            lm_data=("l",),
            limit=7,
            num_sentences=8,
            num_particles=10,
            seed=5,
            output="o",
        )
    ]


def test_tables_notice_and_paths_are_printed(
    script: ModuleType, configs: list[EvaluateAdversaryConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(["--output", "folder"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Notice: demo pairs"
    assert "| adversary | all | 2 | 95.0% | 80.0% | - | 50.0% |" in lines
    assert lines[-2:] == [str(Path("folder", name)) for name in ("metrics.json", "evaluation.md")]
