import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.evaluation.judged import FLIP, RIGHT
from textsem.commands import attack
from textsem.evaluation.results import RESULTS_NAME, ResultsWriter
from textsem.evaluation.run_config import AttackSnliConfig, CandidatesFrom
from textsem.processes import Processes

ONE_LINE = {"num_return_sequences"}  # a run writes one line a pair
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

    def remember(config: AttackSnliConfig, *, show_progress: bool) -> dict[str, Any]:
        seen.append(config)
        return dict(SUMMARY)

    monkeypatch.setattr("textsem.evaluation.run.attack_snli", remember)
    return seen


def test_without_options_the_defaults_of_the_library_hold(configs: list[AttackSnliConfig]) -> None:
    assert attack.main([]) == 0
    assert configs == [AttackSnliConfig()]
    assert (configs[0].limit, configs[0].max_queries, configs[0].output) == (300, 100, "runs/attack_snli")


def test_every_option_reaches_its_field(configs: list[AttackSnliConfig]) -> None:
    line = (
        "--data d --split dev --limit 0 --target t --access label --max-queries 7 --model m --candidates-from clean "
        "--output o --resume --seed 5 --device cpu --batch-size 8 --label-order contradiction neutral entailment "
        "--eps 1.5 --max-edits 2 --num-candidates 9 --particles 10 --controls one two "
        "--judges a b --sentence-encoder e --min-similarity 0.7 --decoder arae --decoding free --generation beam "
        "--goal flip --filter-model f --margin-centre 1 --margin-width 2 --part-of-speech penn "
        "--max-perplexity-ratio 3 --filter-precision bfloat16 --target-precision float16 --data-label-order n c e"
    )
    assert attack.main(line.split()) == 0
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
            goal="flip",
            filter_model="f",
            margin_centre=1,
            margin_width=2,
            part_of_speech="penn",
            max_perplexity_ratio=3,
            filter_precision="bfloat16",
            target_precision="float16",
            data_label_order=("n", "c", "e"),
        )
    ]


@pytest.mark.parametrize("name", get_args(CandidatesFrom))
def test_every_source_can_be_chosen(name: str) -> None:
    assert attack.parse_options(["--candidates-from", name], program="p")["candidates_from"] == name


def test_summary_tells_notice_headline_and_paths(
    configs: list[AttackSnliConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    attack.main(["--output", "folder"])
    assert capsys.readouterr().out.splitlines() == [
        "notice: demo pairs",
        "1 of 2 fell",
        "3 pairs (1 success, 1 failed, 1 skipped), 9 rows sent, 1.5 s",
        *(str(Path("folder", name)) for name in ("results.jsonl", "summary.json", "report.html")),
    ]


@pytest.fixture
def run(tmp_path: Path, configs: list[AttackSnliConfig]) -> Path:
    """Return the folder of a run with a success and a failure; its attack is the one that only remembers."""
    with ResultsWriter(tmp_path / RESULTS_NAME) as writer:
        writer.write([FLIP, replace(RIGHT, index=1)])
    return tmp_path


def test_export_writes_tables_and_names_them(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert attack.main(["--output", str(run), "--export", "parquet", "csv", "--rows", "successes"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(run / "results.parquet"), str(run / "results.csv")]
    assert (run / "results.csv").read_text().count("\n") == 2


def test_tables_of_an_earlier_run_do_not_stay_beside_new_lines(run: Path) -> None:
    attack.main(["--output", str(run), "--export", "parquet", "csv"])
    attack.main(["--output", str(run), "--export", "csv"])
    assert sorted(path.name for path in run.iterdir()) == ["results.csv", RESULTS_NAME]


def test_rows_without_export_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        attack.main(["--rows", "successes"])
    assert end.value.code == 2
    assert "expected --export beside it" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "is_shown"), [([], True), (["--quiet"], False)])
def test_quiet_shows_no_progress(options: list[str], is_shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def remember(config: AttackSnliConfig, *, show_progress: bool) -> dict[str, Any]:
        seen.append(show_progress)
        return dict(SUMMARY)

    monkeypatch.setattr("textsem.evaluation.run.attack_snli", remember)
    attack.main(options)
    assert seen == [is_shown]


@pytest.mark.parametrize("names", [["entailment", "not_entailment"], ["n", "c", "e"]])
def test_label_order_takes_two_names_or_three(names: list[str], configs: list[AttackSnliConfig]) -> None:
    assert attack.main(["--label-order", *names]) == 0
    assert configs[0].label_order == tuple(names)


@pytest.mark.parametrize("names", [["entailment"], ["a", "b", "c", "d"]])
def test_label_order_takes_no_other_number_of_names(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        attack.main(["--label-order", *names])
    assert f"argument --label-order: expected 2 or 3 names, got {len(names)}" in capsys.readouterr().err


def test_device_that_is_not_there_is_told_before_anything_is_loaded(
    configs: list[AttackSnliConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert attack.main(["--device", "nonsense"]) == 2
    assert "error: expected a device that torch can use here, such as cpu, got 'nonsense'" in capsys.readouterr().err
    assert not configs


def test_interruption_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(config: AttackSnliConfig, *, show_progress: bool) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr("textsem.evaluation.run.attack_snli", interrupt)
    assert attack.main([]) == 130
    assert capsys.readouterr().err == "interrupted; the lines written so far are kept, --resume continues\n"


def test_only_the_main_process_tells_and_exports(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Processes, "current", lambda: Processes(1, 2))
    assert attack.main(["--output", str(run), "--export", "csv"]) == 0
    assert capsys.readouterr().out == ""
    assert not (run / "results.csv").exists()


def test_defaults_in_the_help_are_those_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        attack.main(["--help"])
    shown = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    config = AttackSnliConfig()
    named = {field.name for field in fields(config) if getattr(config, field.name) not in (None, False, ())}
    for name in named - ONE_LINE:
        option = name.replace("_", "-")
        told = re.search(rf" --{option} .*?\(default: ([^)]*)\)", shown)
        assert told is not None, name
        assert told[1] == str(getattr(config, name)), name


def test_every_field_of_the_config_has_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        attack.main(["--help"])
    shown = set(re.findall(r"--([a-z-]+)", capsys.readouterr().out))
    names = {"num_particles": "particles"}
    without = {f.name for f in fields(AttackSnliConfig) if names.get(f.name, f.name.replace("_", "-")) not in shown}
    assert without == ONE_LINE
