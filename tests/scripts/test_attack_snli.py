from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from textsem.evaluation.run_config import AttackSnliConfig, CandidatesFrom

SCRIPT = Path(__file__).parents[2] / "scripts" / "attack_snli.py"
SUMMARY = {
    "n": 3,
    "notice": "demo pairs",
    "headline": "1 of 2 fell",
    "statuses": {"success": 1, "failed": 1, "skipped": 1, "error": 0},
    "rows_sent": 9,
    "seconds": 1.5,
    "first_error": None,
}


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> list[AttackSnliConfig]:
    """Put a function that remembers its config in the place of the attack."""
    seen: list[AttackSnliConfig] = []

    def attack(config: AttackSnliConfig, *, show_progress: bool) -> dict[str, Any]:
        seen.append(config)
        return dict(SUMMARY)

    monkeypatch.setattr("textsem.evaluation.run.attack_snli", attack)
    return seen


def test_without_options_the_defaults_of_the_library_hold(script: ModuleType, configs: list[AttackSnliConfig]) -> None:
    assert script.main([]) == 0
    assert configs == [AttackSnliConfig()]
    assert (configs[0].limit, configs[0].max_queries, configs[0].output) == (300, 100, "runs/attack_snli")


def test_every_option_reaches_its_field(script: ModuleType, configs: list[AttackSnliConfig]) -> None:
    line = (
        "--data d --split dev --limit 0 --target t --access label --max-queries 7 --model m --candidates-from clean "
        "--output o --resume --seed 5 --device cpu --batch-size 8 --label-order contradiction neutral entailment "
        "--eps 1.5 --max-edits 2 --num-candidates 9 --particles 10 --controls one two "
        "--judges a b --sentence-encoder e --min-similarity 0.7 --decoder arae --decoding free --generation beam"
    )
    assert script.main(line.split()) == 0
    assert configs == [
        AttackSnliConfig(
            data="d",
            split="dev",
            limit=0,
            target="t",
            access="label",
            max_queries=7,
            model="m",
            candidates_from="clean",
            output="o",
            resume=True,
            seed=5,
            device="cpu",
            batch_size=8,
            label_order=("contradiction", "neutral", "entailment"),
            eps=1.5,
            max_edits=2,
            num_candidates=9,
            num_particles=10,
            controls=("one", "two"),
            judges=("a", "b"),
            sentence_encoder="e",
            min_similarity=0.7,
            decoder="arae",
            decoding="free",
            generation="beam",
        )
    ]


@pytest.mark.parametrize("name", get_args(CandidatesFrom))
def test_every_source_can_be_chosen(script: ModuleType, name: str) -> None:
    assert script.attack.parse_options(["--candidates-from", name], program="p") == {"candidates_from": name}


def test_summary_tells_notice_headline_and_paths(
    script: ModuleType, configs: list[AttackSnliConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    script.main(["--output", "folder"])
    assert capsys.readouterr().out.splitlines() == [
        "notice: demo pairs",
        "1 of 2 fell",
        "3 pairs (1 success, 1 failed, 1 skipped), 9 rows sent, 1.5 s",
        *(str(Path("folder", name)) for name in ("results.jsonl", "summary.json", "report.html")),
    ]
