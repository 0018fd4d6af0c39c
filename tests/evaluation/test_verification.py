"""Longer than most: each field of a line, a summary and a judgement is falsified once."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import TINY_WORDS, build_tiny_adversary
from tests.targets.fakes import SMALL_CONFIGS, save_tiny_bert
from textsem.evaluation.judging import JuryConfig, judge_lines, load_jury
from textsem.evaluation.report import headline
from textsem.evaluation.results import read_results
from textsem.evaluation.run import attack_snli
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.evaluation.verification import VerificationConfig, verify_results
from textsem.evaluation.verification_checks import (
    Check,
    Difference,
    Verification,
    compare_figures,
    verification_table,
)
from textsem.evaluation.verification_lines import check_lines
from textsem.model import TextAdversary
from textsem.outputs import AttackResult
from textsem.targets.loading import build_word_level_target, load_target, save_word_level_target
from textsem.text.labels import LABEL_NAMES
from textsem.text.vocabulary import Vocabulary

NUM_PAIRS = 16
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an adversary, a target of our own and one of Hugging Face, all with random weights."""
    folder = tmp_path_factory.mktemp("verification")
    build_tiny_adversary(has_trigram=True).save_pretrained(folder / "adversary")
    torch.manual_seed(0)
    target = build_word_level_target(SMALL_CONFIGS["attention"], Vocabulary(TINY_WORDS)).eval()
    save_word_level_target(target, SMALL_CONFIGS["attention"], folder / "target")
    save_tiny_bert(folder / "bert", names=("contradiction", "entailment", "neutral"))
    return folder


@pytest.fixture(scope="module")
def run_of(folder: Path) -> Iterator[Callable[[str, str], Path]]:
    """Attack once with each target and access, on pairs of which the target has three in four right."""

    def write_pairs(target: str) -> Path:
        generator = torch.Generator().manual_seed(3)
        drawn = torch.randint(len(TINY_WORDS) - 1, (NUM_PAIRS, 2, 8), generator=generator).tolist()
        premises = [" ".join(TINY_WORDS[i] for i in row[0]) for row in drawn]
        hypotheses = [" ".join(TINY_WORDS[i] for i in row[1][: 3 + n % 5]) for n, row in enumerate(drawn)]
        answers = load_target(str(folder / target)).predict(premises, hypotheses).argmax(dim=1).tolist()
        rows = [
            {"premise": p, "hypothesis": h, "label": LABEL_NAMES[(k + (n % 4 == 3)) % 3]}
            for n, (p, h, k) in enumerate(zip(premises, hypotheses, answers, strict=True))
        ]
        path = folder / f"{target}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def run(target: str, access: str) -> Path:
        output = folder / f"run-{target}-{access}"
        if not output.exists():
            config = AttackSnliConfig(
                data=str(write_pairs(target)),
                target=str(folder / target),
                model=str(folder / "adversary"),
                access=access,  # type: ignore[arg-type]
                output=str(output),
                device="cpu",
                max_queries=20,
                num_candidates=40,
                max_perplexity_ratio=None,
                goal="flip",
            )
            attack_snli(config)
        return output

    patch = pytest.MonkeyPatch()
    patch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)
    yield run
    patch.undo()


@pytest.fixture
def run(run_of: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """Return a copy of a finished run that a test may falsify."""
    return Path(shutil.copytree(run_of("target", "score"), tmp_path / "run"))


def verify(results: Path, **options: Any) -> Verification:
    return verify_results(VerificationConfig(str(results), **options))


def found_in(verification: Verification) -> set[tuple[str, str]]:
    return {(difference.where, difference.field) for difference in verification.differences}


def change_line(run: Path, index: int, edit: Edit) -> None:
    path = run / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = json.loads(lines[index])
    edit(line)
    lines[index] = json.dumps(line, ensure_ascii=False)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def change_summary(run: Path, edit: Edit) -> None:
    path = run / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    edit(summary)
    path.write_text(json.dumps(summary), encoding="utf-8")


def index_of(run: Path, status: str) -> int:
    return next(r.index for r in read_results(run / "results.jsonl") if r.status == status)


@pytest.mark.parametrize(("target", "access"), [("target", "score"), ("target", "label"), ("bert", "score")])
def test_true_run_is_reproduced_whole(run_of: Callable[[str, str], Path], target: str, access: str) -> None:
    folder = run_of(target, access)
    verification = verify(folder / "results.jsonl", data=str(folder.parent / f"{target}.jsonl"))
    assert verification.differences == []
    statuses = {r.status for r in read_results(folder / "results.jsonl")}
    assert statuses >= {"success", "skipped", "unsupported"}
    items = {check.name: check.num_items for check in verification.checks}
    assert items["unchanged pairs: prediction and probabilities"] == NUM_PAIRS
    assert items["adversarial texts: prediction and probabilities"] == items["edits"] == items["distance"] > 0
    assert items["figures of summary.json"] > 40
    assert items["digests of models and lines, settings"] > 10
    assert items["latent noise of summary.json"] == 2
    assert all(check.num_reproduced == check.num_items for check in verification.checks)


@pytest.mark.parametrize("name", ["prediction", "adversarial_prediction"])
def test_changed_prediction_is_named(run: Path, name: str) -> None:
    index = index_of(run, "success")

    def other(line: dict[str, Any]) -> None:
        line[name] = next(n for n in LABEL_NAMES if n not in (line["prediction"], line["adversarial_prediction"]))

    change_line(run, index, other)
    assert (f"line {index}", name) in found_in(verify(run))


@pytest.mark.parametrize("digit", [1e-5, 0.1])
def test_changed_digit_of_a_probability_is_named(run: Path, digit: float) -> None:
    index = index_of(run, "success")

    def raise_it(line: dict[str, Any]) -> None:
        line["scores"]["adversarial"]["neutral"] = round(line["scores"]["adversarial"]["neutral"] + digit, 5)

    change_line(run, index, raise_it)
    verification = verify(run)
    assert found_in(verification) == {(f"line {index}", "scores.adversarial.neutral")}
    check = next(c for c in verification.checks if c.name.startswith("adversarial texts"))
    assert check.num_reproduced == check.num_items - 1
    assert not verify(run, tolerance=2 * digit).differences


def test_changed_text_is_named(run: Path) -> None:
    index = index_of(run, "success")
    change_line(run, index, lambda line: line.update(adversarial="two young people playing in the street"))
    found = found_in(verify(run))
    assert {(f"line {index}", name) for name in ("edits", "distance", "scores.adversarial.neutral")} <= found


@pytest.mark.parametrize("name", ["premise", "hypothesis"])
def test_changed_pair_breaks_the_digest_and_the_comparison_with_the_data(run: Path, folder: Path, name: str) -> None:
    change_line(run, 2, lambda line: line.update({name: line[name] + " ."}))
    assert ("summary.json", "data.sha256") in found_in(verify(run))
    assert ("line 2", name) in found_in(verify(run, data=str(folder / "target.jsonl")))


@pytest.mark.parametrize(
    ("status", "values", "field"),
    [
        ("success", {"edits": 9}, "edits"),
        ("success", {"distance": 0.25}, "distance"),
        ("success", {"distance": None}, "distance"),
        ("success", {"queries": 0}, "queries"),
        ("success", {"queries": 21}, "queries"),
        ("skipped", {"queries": 1}, "queries"),
        ("skipped", {"status": "failed"}, "status"),
        ("unsupported", {"edits": 0}, "edits"),
        ("unsupported", {"status": "success"}, "status"),
    ],
)
def test_field_that_does_not_follow_is_named(run: Path, status: str, values: Mapping[str, Any], field: str) -> None:
    index = index_of(run, status)
    change_line(run, index, lambda line: line.update(values))
    assert (f"line {index}", field) in found_in(verify(run))


def test_flip_that_changes_no_letter_is_named_unless_another_package_counted_it(run: Path) -> None:
    index = index_of(run, "success")
    change_line(run, index, lambda line: line.update(adversarial=line["hypothesis"].upper() + "!"))
    assert (f"line {index}", "adversarial") in found_in(verify(run))
    change_summary(run, lambda s: s["settings"].update(candidates_from="textattack:pwws"))
    assert (f"line {index}", "adversarial") not in found_in(verify(run))


def test_changed_queries_show_in_the_summary(run: Path) -> None:
    index = index_of(run, "success")
    change_line(run, index, lambda line: line.update(queries=line["queries"] + 1))
    found = found_in(verify(run))
    assert {("summary.json", "queries.total"), ("summary.json", "rows_sent")} <= found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("successes",), 99),
        (("queries", "success_at", "5"), 0.123),
        (("by_label", "neutral", "attacked"), 99),
        (("attack_success_interval", 0), 0.01),
        (("headline",), "all pairs fell"),
        (("latent_noise", "absolute"), 0.004),
        (("model", "target", "sha256"), "0"),
        (("data", "rows"), 3),
    ],
)
def test_changed_figure_of_the_summary_is_named(run: Path, path: tuple[Any, ...], value: object) -> None:
    def put(summary: dict[str, Any]) -> None:
        place: Any = summary
        for key in path[:-1]:
            place = place[key]
        assert place[path[-1]] != value
        place[path[-1]] = value

    change_summary(run, put)
    # The digests of the models stand in the settings, too.
    found = found_in(verify(run)) - {("settings.json", "identity")}
    assert found == {("summary.json", ".".join(map(str, path)))}


def test_missing_figure_is_named(run: Path) -> None:
    change_summary(run, lambda summary: summary["queries"].pop("median"))
    assert found_in(verify(run)) == {("summary.json", "queries.median")}


def test_settings_that_contradict_the_summary_are_named(run: Path) -> None:
    settings = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps({**settings, "seed": 7}))
    assert found_in(verify(run)) == {("settings.json", "seed")}


def test_other_target_is_named_by_digest_and_answers(run: Path, folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    other = build_word_level_target(SMALL_CONFIGS["attention"], Vocabulary(TINY_WORDS)).eval()
    save_word_level_target(other, SMALL_CONFIGS["attention"], tmp_path / "other")
    found = found_in(verify(run, target=str(tmp_path / "other")))
    assert ("summary.json", "model.target.sha256") in found
    assert sum(field.startswith("scores.original") for _, field in found) > NUM_PAIRS
    shutil.copytree(folder / "target", tmp_path / "moved")
    assert not verify(run, target=str(tmp_path / "moved")).differences


def test_run_of_another_package_needs_neither_adversary_nor_distance(run: Path) -> None:
    for result in list(read_results(run / "results.jsonl")):
        change_line(run, result.index, lambda line: line.update(distance=None))

    def as_peer(summary: dict[str, Any]) -> None:
        summary["settings"].update(candidates_from="textattack:pwws", model=None)
        summary.update(distance={"mean": None, "median": None, "max": None}, latent_noise=None)
        summary["model"].pop("adversary")
        for point in summary["success_by_distance"]:
            point["rate"] = 0.0

    change_summary(run, as_peer)
    (run / "settings.json").unlink()
    verification = verify(run)
    assert verification.differences == []
    assert any(note.startswith("distances") for note in verification.not_checked)


@pytest.mark.parametrize(
    ("label", "prediction", "changed", "is_flip"),
    [
        ("not_entailment", "neutral", "contradiction", False),
        ("contradiction", "not_entailment", "not_entailment", False),
        ("not_entailment", "contradiction", "entailment", True),
        ("neutral", "neutral", "contradiction", True),
    ],
)
def test_success_is_a_prediction_that_no_longer_agrees(
    label: str, prediction: str, changed: str, is_flip: bool
) -> None:
    line = AttackResult(0, "p", "A man sleeps.", label, prediction, "success", "A boy sleeps.", changed, queries=1)
    statuses = check_lines([replace(line, edits=1)], {}, None, tolerance=1e-5)[0]
    assert [difference.field for difference in statuses.differences] == ([] if is_flip else ["status"])


def test_run_without_a_summary_is_refused(run: Path) -> None:
    (run / "summary.json").unlink()
    with pytest.raises(ValueError, match=r"expected summary.json beside the results"):
        verify(run)


@pytest.mark.parametrize(("content", "said"), [('{"n": ', "whole JSON in"), ("[]", "a JSON object in")])
def test_broken_summary_is_refused_by_name(run: Path, content: str, said: str) -> None:
    (run / "summary.json").write_text(content)
    with pytest.raises(ValueError, match=rf"expected {said} .*summary.json"):
        verify(run)


def test_broken_line_is_refused_by_number(run: Path) -> None:
    change_line(run, 3, lambda line: line.pop("edits"))
    with pytest.raises(ValueError, match="in line 3"):
        verify(run)


def test_lines_are_counted_once_and_figures_each() -> None:
    lines = tuple(Difference(f"line {i}", field, 0, 1) for i, field in ((4, "a"), (4, "b"), (6, "a")))
    assert Check("lines", 10, lines).num_reproduced == 8
    figures = tuple(Difference("summary.json", field, 0, 1) for field in "abc")
    assert Check("figures", 10, figures).num_reproduced == 7


def test_figures_are_compared_however_deep() -> None:
    written = {"a": [1, {"b": 0.3}], "c": None, "unknown": 4}
    same = compare_figures("n", "f", written, {"a": [1, {"b": 0.1 + 0.2}], "c": None})
    assert (same.num_items, same.differences) == (3, ())
    other = compare_figures("n", "f", written, {"a": [1, {"b": 0.3 + 1e-6}, 5], "c": 0, "d": []})
    assert {d.field for d in other.differences} == {"a.1.b", "a.2", "c", "d"}
    assert {d.field: d.written for d in other.differences}["d"] == "nothing"


def test_table_shows_shares_and_the_first_differences() -> None:
    wrong = tuple(Difference(f"line {i}", "edits", 1, 2) for i in range(25))
    table = verification_table(Verification((Check("edits", 100, wrong), Check("none", 0, ())), ("latent noise",), 0.5))
    assert "| edits | 100 | 75 | 75.00% |" in table
    assert "| none | 0 | 0 | - |" in table
    assert "| all | 100 | 75 | 75.00% |" in table
    assert "Different: line 3, edits: written 1, found 2" in table
    assert "and 5 more" in table
    assert "may differ by 0.5 from" in table
    assert "Not checked: latent noise." in table


def test_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected tolerance in \[0, 1\), got -1"):
        replace(VerificationConfig("r"), tolerance=-1)


@pytest.fixture
def judged(run: Path, folder: Path) -> Path:
    """Judge the run by the other target, and put validity into its summary as a run does."""
    model = TextAdversary.from_pretrained(folder / "adversary")
    jury = load_jury(JuryConfig((str(folder / "bert"),)), model.language_model, folder)
    jury = replace(jury, encoder=_SharedWords())
    validity = judge_lines(run, read_results(run / "results.jsonl"), jury)[1]

    def put(summary: dict[str, Any]) -> None:
        summary["validity"] = json.loads(json.dumps(validity))
        summary["headline"] = headline({**summary}, None)

    change_summary(run, put)
    return run


class _SharedWords:
    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> torch.Tensor:
        pairs = [(set(a.split()), set(b.split())) for a, b in zip(originals, candidates, strict=True)]
        return torch.tensor([len(a & b) / len(a | b) for a, b in pairs])


def change_judgement(run: Path, edit: Edit) -> int:
    """Edit the first judged success; return its index."""
    path = run / "judgements.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    judged = next(line for line in lines if line["after"] is not None)
    edit(judged)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return int(judged["index"])


def test_judged_run_is_reproduced_with_its_judges_and_validity(judged: Path, folder: Path) -> None:
    verification = verify(judged, judges=(str(folder / "bert"),))
    assert verification.differences == []
    items = {check.name: check.num_items for check in verification.checks}
    assert items["judgements: bert, perplexity_ratio, has_new_unknown"] == items["judgements fit their lines"] > 0
    assert items["digests of judges and encoder"] == 1
    assert items["figures of summary.json"] > 100
    assert any(note.startswith("similarities") for note in verification.not_checked)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"after": {"bert": "nonsense"}}, "after.bert"),
        ({"before": {"bert": "nonsense"}}, "before.bert"),
        ({"perplexity_ratio": 77.0}, "perplexity_ratio"),
        ({"has_new_unknown": True}, "has_new_unknown"),
        ({"after": None}, "judgement after"),
    ],
)
def test_changed_judgement_is_named(judged: Path, folder: Path, values: Mapping[str, Any], field: str) -> None:
    index = change_judgement(judged, lambda line: line.update(values))
    assert (f"line {index}", field) in found_in(verify(judged, judges=(str(folder / "bert"),)))


def test_changed_validity_figure_is_named(judged: Path) -> None:
    change_summary(judged, lambda s: s["validity"]["judges"]["bert"]["valid"].update(count=99))
    assert ("summary.json", "validity.judges.bert.valid.count") in found_in(verify(judged))


def test_changed_similarity_shows_in_the_figures_or_in_the_encoder(judged: Path) -> None:
    lines = [json.loads(line) for line in (judged / "judgements.jsonl").read_text().splitlines()]
    for line in lines:
        line["similarity"] = None if line["after"] is None else float(line["similarity"] < 0.8)
    (judged / "judgements.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert any(field.startswith("validity.") for _, field in found_in(verify(judged)))


def test_missing_judgements_are_named(judged: Path) -> None:
    (judged / "judgements.jsonl").unlink()
    assert ("judgements.jsonl", "file") in found_in(verify(judged))


def test_other_judge_is_named_by_digest(judged: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "target", tmp_path / "bert")
    found = found_in(verify(judged, judges=(str(tmp_path / "bert"),)))
    assert ("judgements.jsonl", "measured_by.judges.bert") in found


def test_other_filter_model_is_named_by_digest(run: Path) -> None:
    change_summary(run, lambda s: s["model"].update(filter_model={"name": "bundled", "sha256": "0" * 64}))
    assert ("summary.json", "model.filter_model.sha256") in found_in(verify(run))
