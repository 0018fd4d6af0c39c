"""Runs whose lines, judgements and summary lie in a folder; the page is drawn only where it is looked at."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.builders import build_tiny_adversary
from tests.evaluation.judged import RIGHT
from tests.evaluation.run_folders import JUDGEMENTS, MEASURED_BY, MODELS, RESULTS, SETTINGS, finish, write_lines
from textsem.evaluation.identity import identify_model
from textsem.evaluation.judges import JUDGEMENTS_NAME, write_judgements
from textsem.evaluation.metrics import summarise
from textsem.evaluation.reporting import ReportConfig, remake_report, stored_summary, whole_lines
from textsem.evaluation.validity import ValidityThresholds, summarise_validity
from textsem.outputs import AttackResult


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, for drawing takes a second."""
    monkeypatch.setattr("textsem.evaluation.reporting.write_report", lambda *args, **kwargs: None)


@pytest.mark.parametrize("is_judged", [False, True])
def test_finished_run_gets_the_very_same_files(is_judged: bool, tmp_path: Path) -> None:
    finish(write_lines(tmp_path), is_judged=is_judged, has_page=True)
    names = ("summary.json", "report.html", "results.jsonl", "settings.json")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    for name in ("report.html", "summary.json"):
        content = before[name].replace(b"7 of 9", b"8 of 9").replace(b'"successes": 7', b'"successes": 8')
        assert is_judged or content != before[name]
        (tmp_path / name).write_bytes(content)
    assert remake_report(ReportConfig(str(tmp_path))) == json.loads(before["summary.json"])
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_run_that_was_cut_off_gets_summary_and_page_with_a_notice(tmp_path: Path) -> None:
    write_lines(tmp_path, RESULTS[:4])
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(b'{"index": 4, "premise": "torn')
    lines = (tmp_path / "results.jsonl").read_bytes()
    summary = remake_report(ReportConfig(str(tmp_path)))
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert (summary["n"], summary["successes"], summary["rows_sent"]) == (4, 4, 4 + 4 + 30 + 4 + 4)
    assert (summary["settings"], summary["model"], summary["seed"]) == (SETTINGS, MODELS, 5)
    assert summary["notice"] == "The run was not at its end when this page was made, after 4 pairs."
    page = (tmp_path / "report.html").read_text()
    assert summary["notice"] in page
    assert "46 rows sent to the target</td>" in page
    assert (tmp_path / "results.jsonl").read_bytes() == lines  # another process may be writing there


@pytest.mark.usefixtures("no_page")
def test_lines_alone_are_enough(tmp_path: Path) -> None:
    write_lines(tmp_path)
    (tmp_path / "settings.json").unlink()
    summary = remake_report(ReportConfig(str(tmp_path)))
    assert {name: summary[name] for name in summarise(RESULTS)} == summarise(RESULTS)


@pytest.mark.usefixtures("no_page")
def test_times_of_other_lines_are_not_kept(tmp_path: Path) -> None:
    write_lines(tmp_path, RESULTS[:4])
    finish(tmp_path)
    write_lines(tmp_path, RESULTS)
    with whole_lines(tmp_path) as results:
        found = stored_summary(tmp_path, results)
    assert found["settings"] == SETTINGS
    assert not {"seconds", "pairs_per_second", "data", "this_process", "latent_noise"} & set(found)
    assert found["notice"].endswith("after 10 pairs.")


@pytest.mark.usefixtures("no_page")
def test_other_thresholds_need_no_judge(tmp_path: Path) -> None:
    finish(write_lines(tmp_path), is_judged=True)
    summary = remake_report(ReportConfig(str(tmp_path), min_similarity=0.85, max_perplexity_ratio=3.0))
    expected = summarise_validity(RESULTS, JUDGEMENTS, thresholds=ValidityThresholds(0.85, 3.0))
    assert summary["validity"] == {**expected, "measured_by": MEASURED_BY}
    assert summary["validity"]["judges"]["first"]["valid"]["count"] == 1
    again = remake_report(ReportConfig(str(tmp_path)))  # which are then the run's
    assert again["validity"] == summary["validity"]


@pytest.mark.usefixtures("no_page")
def test_other_thresholds_of_a_run_that_nobody_judged_are_refused(tmp_path: Path) -> None:
    finish(write_lines(tmp_path))
    with pytest.raises(ValueError, match=r"expected a run that was judged for other thresholds, got .*name --judges"):
        remake_report(ReportConfig(str(tmp_path), min_similarity=0.9))


def test_judgements_that_are_gone_are_not_told_of(tmp_path: Path) -> None:
    finish(write_lines(tmp_path), is_judged=True)
    (tmp_path / JUDGEMENTS_NAME).unlink()
    assert remake_report(ReportConfig(str(tmp_path)))["validity"] is None
    assert "Nobody judged this run" in (tmp_path / "report.html").read_text()


@pytest.mark.usefixtures("no_page")
def test_judgements_of_fewer_lines_are_refused_with_the_mend(tmp_path: Path) -> None:
    finish(write_lines(tmp_path), is_judged=True)
    write_judgements(tmp_path / JUDGEMENTS_NAME, JUDGEMENTS[:3])
    with pytest.raises(ValueError, match="; --judges judges the lines anew"):
        remake_report(ReportConfig(str(tmp_path)))


@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize("is_named", [True, False])
def test_controls_are_those_named_or_those_of_the_settings_beside_the_run(is_named: bool, tmp_path: Path) -> None:
    run, control = write_lines(tmp_path / "run"), write_lines(tmp_path / "control")
    finish(control)
    finish(run, controls=[] if is_named else ["elsewhere/control", "elsewhere/gone"])
    summary = remake_report(ReportConfig(str(run), controls=(str(control),) if is_named else ()))
    assert "not above its control" in summary["headline"]


def test_codes_are_measured_again_while_the_adversary_is_what_it_was(tmp_path: Path) -> None:
    build_tiny_adversary().save_pretrained(tmp_path / "adversary")
    name = str(tmp_path / "adversary")
    run = write_lines(tmp_path / "run", [replace(RIGHT, hypothesis="a man sleeps .")])
    summary = finish(run, candidates_from="adversarial", num_particles=None)
    summary["model"] = {"adversary": identify_model(name, Path(name))}
    del summary["latent_noise"]
    (run / "summary.json").write_text(json.dumps(summary))
    found = remake_report(ReportConfig(str(run)))
    assert found["latent_noise"]["relative"] > 0
    assert "Clean and perturbed codes" in (run / "report.html").read_text()
    (tmp_path / "adversary" / "vocabulary.json").write_text("[]")
    assert remake_report(ReportConfig(str(run)))["latent_noise"] == found["latent_noise"]
    assert "Clean and perturbed codes" not in (run / "report.html").read_text()


@pytest.mark.usefixtures("no_page")
def test_first_error_is_that_of_the_lines(tmp_path: Path) -> None:
    finish(write_lines(tmp_path))
    write_lines(tmp_path, [*RESULTS, AttackResult(10, "p", "h", "neutral", None, "error", message="no answer")])
    assert remake_report(ReportConfig(str(tmp_path)))["first_error"] == "no answer"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"expected results\.jsonl in .*, got none"),
        ({"results.part-0-1.jsonl": "", "results.part-1-1.jsonl": ""}, "got only the parts of 2 processes: --resume"),
        ({"results.jsonl": "nonsense\n"}, "expected a whole JSON line 0"),
        ({"results.jsonl": "", "summary.json": "{"}, "expected whole JSON in .*summary.json"),
        ({"results.jsonl": "", "settings.json": "[]"}, "expected a JSON object in .*settings.json, got list"),
    ],
)
def test_what_is_no_run_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        remake_report(ReportConfig(str(tmp_path)))


def test_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="expected min_similarity from -1 to 1, got 2"):
        ReportConfig("run", min_similarity=2.0)
    assert asdict(ReportConfig("run", controls=["a"]))["controls"] == ("a",)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_page")
def test_run_without_a_line_has_a_summary(tmp_path: Path) -> None:
    write_lines(tmp_path, [])
    assert remake_report(ReportConfig(str(tmp_path)))["headline"].startswith("No pair was attacked")
