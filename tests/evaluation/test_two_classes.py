"""The main job from end to end where target, gold labels, filter and judges know two classes or three."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.builders import TINY_WORDS, build_tiny_adversary
from tests.targets.fakes import save_tiny_bert
from textsem.evaluation.judges import read_judgements
from textsem.evaluation.results import read_results
from textsem.evaluation.run import attack_snli
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.evaluation.verification import VerificationConfig, verify_results
from textsem.targets.loading import load_target
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES, agree

NAMES = {
    "three": ("contradiction", "entailment", "neutral"),
    "two": ("NOT_ENTAILMENT", "entailment"),
    "numbered": ("LABEL_0", "LABEL_1"),
}
Run = Callable[[str, str, str], Path]


class Alike:
    def similarity(self, originals: Sequence[str], candidates: Sequence[str]) -> Tensor:
        return torch.full((len(originals),), 0.9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_classes")
    build_tiny_adversary(has_trigram=True).save_pretrained(folder / "adversary")
    for name, labels in NAMES.items():
        save_tiny_bert(folder / name, names=labels)
    save_tiny_bert(folder / "judge-three", names=LABEL_NAMES)
    save_tiny_bert(folder / "judge-two", names=TWO_CLASS_NAMES)
    return folder


def write_pairs(path: Path, target: str, golds: Sequence[str], **options: Any) -> None:
    """Write pairs of which the target has about three in four right, with labels among ``golds``."""
    generator = torch.Generator().manual_seed(3)
    drawn = torch.randint(len(TINY_WORDS) - 1, (24, 2, 6), generator=generator).tolist()
    premises = [" ".join(TINY_WORDS[i] for i in row[0]) for row in drawn]
    hypotheses = [" ".join(TINY_WORDS[i] for i in row[1][: 3 + n % 4]) for n, row in enumerate(drawn)]
    loaded = load_target(target, **options)
    rows = []
    for n, row in enumerate(loaded.predict(premises, hypotheses).tolist()):
        said = loaded.label_names[row.index(max(row))]
        wanted = [gold for gold in golds if agree(gold, said) == (n % 4 != 3)] or list(golds)
        rows.append({"premise": premises[n], "hypothesis": hypotheses[n], "label": wanted[n % len(wanted)]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def run_of(folder: Path) -> Iterator[Run]:
    """Attack a target on two or three gold labels with a filter, let both judges judge; each combination once."""

    def run(target: str, golds: str, filter_model: str) -> Path:
        output = folder / f"run-{target}-{golds}-{filter_model}"
        if not output.exists():
            order = ("not_entailment", "entailment") if target == "numbered" else None
            names = {"two": TWO_CLASS_NAMES, "three": LABEL_NAMES, "all": GOLD_NAMES}[golds]
            data = folder / f"{target}-{golds}.jsonl"
            write_pairs(data, str(folder / target), names, label_order=order)
            attack_snli(
                AttackSnliConfig(
                    data=str(data),
                    target=str(folder / target),
                    label_order=order,
                    model=str(folder / "adversary"),
                    output=str(output),
                    device="cpu",
                    max_queries=60,
                    num_candidates=60,
                    max_perplexity_ratio=None,
                    margin_width=20.0,
                    min_similarity=-1.0,
                    filter_model=str(folder / filter_model),
                    judges=(str(folder / "judge-three"), str(folder / "judge-two")),
                    sentence_encoder="alike",
                )
            )
        return output

    patch = pytest.MonkeyPatch()
    patch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)
    patch.setattr("textsem.evaluation.judging._load_encoder", lambda name, config: Alike() if name else None)
    patch.setattr("textsem.evaluation.filters.SentenceEncoder", lambda *args, **kwargs: Alike())
    patch.setattr("textsem.evaluation.identity.identify_model", lambda name, bundled: {"name": name, "sha256": None})
    yield run
    patch.undo()


COMBINATIONS = [
    ("two", "three", "three"),
    ("numbered", "all", "three"),
    ("three", "two", "three"),
    ("three", "all", "two"),
]


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_every_line_follows_from_labels_that_agree(run_of: Run, combination: tuple[str, str, str]) -> None:
    results = list(read_results(run_of(*combination) / "results.jsonl"))
    names = LABEL_NAMES if combination[0] == "three" else TWO_CLASS_NAMES
    for result in results:
        assert result.label in GOLD_NAMES
        assert result.prediction in names
        assert set((result.scores or {})["original"]) == set(names)
        assert (result.status == "skipped") == (not agree(result.label, result.prediction))
        if result.status == "success":
            assert result.adversarial_prediction in names
            assert not agree(result.label, result.adversarial_prediction)
    assert {result.status for result in results} >= {"success", "skipped"}
    labels = {result.label for result in results}
    assert NOT_ENTAILMENT in labels or combination[1] == "three"


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_summary_counts_what_the_lines_say(run_of: Run, combination: tuple[str, str, str]) -> None:
    folder = run_of(*combination)
    results, judgements = read_results(folder / "results.jsonl"), read_judgements(folder / "judgements.jsonl")
    summary = json.loads((folder / "summary.json").read_text())
    attacked = [r for r in results if agree(r.label, r.prediction)]
    assert summary["attacked"] == len(attacked)
    assert summary["successes"] == sum(r.status == "success" for r in attacked)
    assert summary["validity"]["statement"] is None
    for judge, names in (("judge-three", LABEL_NAMES), ("judge-two", TWO_CLASS_NAMES)):
        assert {j.before[judge] for j in judgements} <= set(names)
        right = sum(agree(r.label, j.before[judge]) for r, j in zip(results, judgements, strict=True))
        accuracy = summary["validity"]["judges"][judge]["accuracy"]["overall"]
        assert (accuracy["count"], accuracy["of"]) == (right, len(results))
        kept = sum(
            agree(r.label, j.before[judge]) and agree(r.label, (j.after or {})[judge])
            for r, j in zip(results, judgements, strict=True)
            if r.status == "success"
        )
        assert summary["validity"]["judges"][judge]["label_kept"]["count"] == kept


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_run_is_verified_whole(run_of: Run, folder: Path, combination: tuple[str, str, str]) -> None:
    run = run_of(*combination)
    target, golds, _ = combination
    judges = (str(folder / "judge-three"), str(folder / "judge-two"))
    data = folder / f"{target}-{golds}.jsonl"
    verification = verify_results(VerificationConfig(str(run), data=str(data), judges=judges))
    assert verification.differences == []
    items = {check.name: check.num_items for check in verification.checks}
    assert items["judgements: judge-three, judge-two, perplexity_ratio, has_new_unknown"] == 24
    assert items["premise, hypothesis and label of the data"] == 24


def test_false_label_is_found(run_of: Run, folder: Path, tmp_path: Path) -> None:
    run = run_of("two", "three", "three")
    lines = (run / "results.jsonl").read_text().splitlines(keepends=True)
    index = next(r.index for r in read_results(run / "results.jsonl") if r.status == "success")
    line = json.loads(lines[index])
    line["label"] = next(name for name in LABEL_NAMES if not agree(name, line["prediction"]))
    lines[index] = json.dumps(line) + "\n"
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("summary.json", "judgements.jsonl"):
        (copy / name).write_bytes((run / name).read_bytes())
    (copy / "results.jsonl").write_text("".join(lines))
    verification = verify_results(VerificationConfig(str(copy), data=str(folder / "two-three.jsonl")))
    found = {(difference.where, difference.field) for difference in verification.differences}
    assert {(f"line {index}", "status"), (f"line {index}", "label")} <= found
