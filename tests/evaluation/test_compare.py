"""A comparison whole, on tiny models and with a small program for a peer; what is finished is not run again."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import ARAE_CODE, TINY_WORDS, build_tiny_adversary, build_tiny_arae
from tests.constraints.fakes import add_sentence_files, save_tiny_encoder
from textsem.attacks.arae_space import ARAECodeSpace
from textsem.attacks.code_spaces import AdversaryCodeSpace
from textsem.attacks.runner import run_attack
from textsem.evaluation import compare_runs, judging
from textsem.evaluation.compare import ATTACKS, FILE_NAMES, CompareConfig, compare_attacks
from textsem.evaluation.peer_process import PeerError
from textsem.evaluation.results import read_results
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target, save_word_level_target
from textsem.text.labels import LABEL_NAMES
from textsem.text.vocabulary import Vocabulary

SCRIPT = Path(__file__).with_name("fake_peer.py")
SHAPE = AttentionConfig(embedding_dim=8, hidden_dim=8, classifier_dim=8, num_layers=1)
SENTENCES = ("a man sleeps", "the dog runs in a park", "two young people are playing outside near a house")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> CompareConfig:
    """Write a target, a judge, an adversary, an encoder, and nine pairs of which the target has six right."""
    tmp_path = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    vocabulary = Vocabulary(TINY_WORDS)
    target, judge = (build_word_level_target(SHAPE, vocabulary).eval() for _ in range(2))
    save_word_level_target(target, SHAPE, tmp_path / "target")
    save_word_level_target(judge, SHAPE, tmp_path / "judge")
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path / "adversary")
    (tmp_path / "encoder").mkdir()
    add_sentence_files(save_tiny_encoder(tmp_path / "encoder"))
    rows = [(f"the {word} eats", text) for word in ("man", "cat", "dog") for text in SENTENCES]
    answers = target.predict([p for p, _ in rows], [h for _, h in rows]).argmax(dim=1).tolist()
    with (tmp_path / "pairs.jsonl").open("w") as file:
        for i, ((premise, hypothesis), answer) in enumerate(zip(rows, answers, strict=True)):
            label = LABEL_NAMES[(answer + (i >= 6)) % 3]
            file.write(json.dumps({"premise": premise, "hypothesis": hypothesis, "label": label}) + "\n")
    return CompareConfig(
        judges=(str(tmp_path / "judge"),),
        peers_script=str(SCRIPT),
        peers_python=sys.executable,
        attacks=("ours", "natural-stochastic", "pwws", "pwws-constrained"),
        output=str(tmp_path / "compared"),
        data=str(tmp_path / "pairs.jsonl"),
        target=str(tmp_path / "target"),
        model=str(tmp_path / "adversary"),
        max_queries=5,
        sentence_encoder=str(tmp_path / "encoder"),
        min_similarity=-1.0,
        attack_options={"num_candidates": 20},
        device="cpu",
    )


@pytest.fixture
def config(models: CompareConfig, tmp_path: Path) -> CompareConfig:
    return replace(models, output=str(tmp_path / "compared"))


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no page for each run, which takes most of the time."""
    monkeypatch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)


def test_comparison_writes_table_and_figure_and_runs_nothing_twice(
    config: CompareConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compare_attacks(config)
    folder = Path(config.output)
    assert {path.name for path in folder.iterdir()} == {*config.attacks, *FILE_NAMES}
    assert [row["attack"] for row in found["rows"]] == list(config.attacks)
    assert {row["valid"]["of"] for row in found["rows"]} == {6}
    assert {row["rows_checked"] for row in found["rows"]} == {9}
    rows = {row["attack"]: row for row in found["rows"]}
    assert (rows["ours"]["unsupported"], rows["pwws"]["unsupported"]) == (2, 0)
    assert found["notes"]["pwws"] == "its dictionary: ours"
    assert "2 pairs too long" in found["notes"]["ours"]
    assert "| pwws-constrained |" in (folder / "compare.md").read_text()
    for name, row in rows.items():
        results = read_results(folder / name / "results.jsonl")
        assert row["flips"]["count"] == sum(r.status == "success" for r in results)
        assert row["rows_sent"] == sum(r.queries for r in results)
    summary = json.loads((folder / "pwws" / "summary.json").read_text())
    assert summary["settings"]["candidates_from"] == "textattack:pwws"
    assert summary["peer"]["options"] == ["--attack", "pwws"]
    constrained = json.loads((folder / "pwws-constrained" / "summary.json").read_text())
    assert constrained["peer"]["options"] == ["--attack", "pwws", "--max-queries", "5", "--constrained"]
    assert constrained["settings"]["constraints"] == ["fluency", "margin", "similarity"]

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("ran or judged again")

    monkeypatch.setattr(compare_runs, "attack_snli", refuse)
    monkeypatch.setattr(compare_runs, "run_attack", refuse)
    monkeypatch.setattr(judging, "judge_lines", refuse)
    assert compare_attacks(replace(config, attacks=("pwws",))) == found


def test_other_settings_run_again_and_leave_what_does_not_depend_on_them(config: CompareConfig) -> None:
    config = replace(config, attacks=("neighbours", "pwws", "deepwordbug-constrained"))
    compare_attacks(config)
    found = compare_attacks(replace(config, max_queries=2, attacks=("neighbours",)))
    # The peer as published has its own budget: its run still stands.  The constrained one has the old budget.
    assert [row["attack"] for row in found["rows"]] == ["neighbours", "pwws"]
    assert max(r.queries for r in read_results(Path(config.output, "neighbours", "results.jsonl"))) == 2


def test_run_that_was_cut_off_is_continued(config: CompareConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(config, attacks=("pwws",))
    whole = compare_attacks(config)["rows"][0]
    folder = Path(config.output, "pwws")
    lines = (folder / "results.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "summary.json").unlink()
    (folder / "results.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:20])
    asked: list[int] = []

    def watched(*args: Any, num_completed: int, **kwargs: Any) -> Any:
        asked.append(num_completed)
        return run_attack(*args, num_completed=num_completed, **kwargs)

    monkeypatch.setattr(compare_runs, "run_attack", watched)
    again = compare_attacks(config)["rows"][0]
    assert asked == [4]
    assert (folder / "results.jsonl").read_bytes() == b"".join(lines)
    assert {**again, "pairs_per_second": 0} == {**whole, "pairs_per_second": 0}


def test_another_judge_judges_again(config: CompareConfig, tmp_path: Path) -> None:
    config = replace(config, attacks=("pwws",))
    compare_attacks(config)
    torch.manual_seed(9)
    other = build_word_level_target(SHAPE, Vocabulary(TINY_WORDS)).eval()
    save_word_level_target(other, SHAPE, tmp_path / "other")
    found = compare_attacks(replace(config, judges=(str(tmp_path / "other"),)))
    assert found["judge"] == "other"
    assert list(found["measured_by"]["judges"]) == ["other"]


def test_judge_that_is_the_target_is_refused(config: CompareConfig) -> None:
    with pytest.raises(ValueError, match="expected an independent judge"):
        compare_attacks(replace(config, judges=(config.target,)))


def test_peers_environment_that_is_missing_is_told(config: CompareConfig) -> None:
    with pytest.raises(PeerError, match="expected a program at 'nowhere/python' that runs"):
        compare_attacks(replace(config, attacks=("pwws",), peers_python="nowhere/python"))


def test_searches_in_the_noise_of_an_arae_write_with_it_alone(
    config: CompareConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tiny_arae(has_inverter=True).save_pretrained(tmp_path / "arae")
    written: list[int] = []
    decode = ARAECodeSpace.decode

    def watched(self: ARAECodeSpace, hypothesis: str, codes: torch.Tensor) -> Any:
        written.append(codes.shape[1])
        return decode(self, hypothesis, codes)

    monkeypatch.setattr(ARAECodeSpace, "decode", watched)
    monkeypatch.delattr(AdversaryCodeSpace, "decode")
    name = "natural-stochastic-arae"
    found = compare_attacks(replace(config, attacks=(name,), arae=str(tmp_path / "arae")))
    assert [row["attack"] for row in found["rows"]] == [name]
    assert found["identity"]["arae"]["name"].endswith("arae")
    assert set(written) == {ARAE_CODE}
    results = read_results(Path(config.output, name, "results.jsonl"))
    assert not any(r.message for r in results if r.status == "error")
    assert sum(r.queries for r in results) > 0


def test_searches_in_the_noise_need_an_arae(config: CompareConfig) -> None:
    with pytest.raises(ValueError, match=r"expected the folder of an ARAE \(--arae\) for natural-stochastic-arae"):
        replace(config, attacks=("natural-stochastic-arae",))
    assert not any("arae" in attack for attack in replace(config, attacks=ATTACKS).attacks)


def test_config_refuses_unknown_attacks_and_options(config: CompareConfig) -> None:
    with pytest.raises(ValueError, match=r"expected attacks among ours, clean, .*, got bae"):
        replace(config, attacks=("ours", "bae"))
    with pytest.raises(ValueError, match="expected attack_options to be those of AttackSnliConfig"):
        replace(config, attack_options={"depth": 1}).attack_config()
    with pytest.raises(ValueError, match="expected at least one judge, got none"):
        replace(config, judges=())
    assert len(set(ATTACKS)) == len(ATTACKS)
