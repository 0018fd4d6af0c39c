"""A comparison of decoders whole, on tiny models of different lengths; what is finished is only read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.builders import TINY_CONFIG, TINY_WORDS, build_tiny_adversary, config_with_decoder
from tests.constraints.fakes import add_sentence_files, save_tiny_encoder
from tests.evaluation.decoder_fakes import many_pairs, small_jury
from textsem.evaluation import compare_runs, decoder_cases, judging
from textsem.evaluation.compare_decoders import (
    FILE_NAMES,
    CompareDecodersConfig,
    _attacks,
    _versus_first,
    compare_decoders,
)
from textsem.evaluation.decoder_measures import measure_decoder
from textsem.evaluation.decoder_runs import JudgedPairs
from textsem.evaluation.decoder_tables import to_markdown
from textsem.evaluation.results import read_results
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target, save_word_level_target
from textsem.text.labels import LABEL_NAMES
from textsem.text.vocabulary import Vocabulary

SHAPE = AttentionConfig(embedding_dim=8, hidden_dim=8, classifier_dim=8, num_layers=1)
SENTENCES = ("a man sleeps", "the dog runs in a park", "two young people are playing outside near a house")
LONG = 12
LONG_CONFIG = replace(
    TINY_CONFIG,
    max_length=LONG,
    encoder=replace(TINY_CONFIG.encoder, length=LONG + 1),
    decoder=replace(TINY_CONFIG.decoder, length=LONG + 1),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> CompareDecodersConfig:
    """Write a target, a judge, two adversaries, an encoder, and twelve pairs of which the target has nine right."""
    tmp_path = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    vocabulary = Vocabulary(TINY_WORDS)
    target, judge = (build_word_level_target(SHAPE, vocabulary).eval() for _ in range(2))
    save_word_level_target(target, SHAPE, tmp_path / "target")
    save_word_level_target(judge, SHAPE, tmp_path / "judge")
    build_tiny_adversary(config_with_decoder("language_model"), has_trigram=True).save_pretrained(tmp_path / "short")
    build_tiny_adversary(LONG_CONFIG, has_trigram=True).save_pretrained(tmp_path / "long")
    (tmp_path / "encoder").mkdir()
    add_sentence_files(save_tiny_encoder(tmp_path / "encoder"))
    rows = [(f"the {word} eats", text) for word in ("man", "cat", "dog", "child") for text in SENTENCES]
    answers = target.predict([p for p, _ in rows], [h for _, h in rows]).argmax(dim=1).tolist()
    with (tmp_path / "pairs.jsonl").open("w") as file:
        for i, ((premise, hypothesis), answer) in enumerate(zip(rows, answers, strict=True)):
            label = LABEL_NAMES[(answer + (i >= 9)) % 3]
            file.write(json.dumps({"premise": premise, "hypothesis": hypothesis, "label": label}) + "\n")
    return CompareDecodersConfig(
        models=(f"short={tmp_path / 'short'}", f"long={tmp_path / 'long'}"),
        judges=(str(tmp_path / "judge"),),
        controls=("clean", "reconstruction"),
        output=str(tmp_path / "compared"),
        data=str(tmp_path / "pairs.jsonl"),
        target=str(tmp_path / "target"),
        sentence_encoder=str(tmp_path / "encoder"),
        attack_options={"num_candidates": 20, "max_queries": 5, "min_similarity": -1.0},
        lm_data=(str(tmp_path / "pairs.jsonl"),),
        device="cpu",
    )


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no page for each run, which takes most of the time."""
    monkeypatch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)


@pytest.fixture(scope="module")
def compared(models: CompareDecodersConfig) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)
        return compare_decoders(models)


def test_every_model_has_every_figure(models: CompareDecodersConfig, compared: dict[str, Any]) -> None:
    folder = Path(models.output)
    assert {path.name for path in folder.iterdir()} == {"short", "long", "lm_data", "times.json", *FILE_NAMES}
    assert list(compared["models"]) == ["short", "long"]
    assert (compared["pairs"], compared["taken_by_all"], compared["sentences"]) == (12, 8, 2)
    decoders = {name: row["decoder"] for name, row in compared["models"].items()}
    assert decoders == {"short": "language_model", "long": "transpose_cnn"}
    for name, row in compared["models"].items():
        attacks = row["attacks"]["rows"]
        assert list(attacks) == ["ours", "clean", "reconstruction"]
        assert {figures["valid"]["of"] for figures in attacks.values()} == {9}
        # Nine words are too many for one model alone: its failures.
        assert {figures["unsupported"] for figures in attacks.values()} == {3 if name == "short" else 0}
        assert list(row["attacks"]["paired"]) == ["clean", "reconstruction"]
        for attack, figures in attacks.items():
            results = read_results(folder / name / attack / "results.jsonl")
            assert figures["flips"]["count"] == sum(r.status == "success" for r in results)
        assert {figures["n"] for figures in row["free"].values()} == {8}
        assert row["reconstruction"]["num_sentences"] == 2
        assert set(row["times"]) == {"decode", "candidates"}
        assert row["parameters"]["all"] > row["parameters"]["decoder"]
    assert compared["models"]["short"]["times"] == {"decode": 1.0, "candidates": 1.0}
    assert compared["models"]["short"]["versus_first"] is None
    assert compared["models"]["long"]["versus_first"]["valid"]["p_value"] <= 1.0
    assert compared["measured_by"]["language_model"]["name"] == "trigram of lm_data"
    assert json.loads((folder / "decoders.json").read_text()) == json.loads(json.dumps(compared))


def test_pairs_won_alone_are_those_of_the_side_that_is_named() -> None:
    lines, jury = many_pairs(9), small_jury()
    beaten = [replace(r, status="failed") if r.index in (0, 1) else r for r in lines[0]], lines[1]
    attacks = _attacks({"ours": lines, "clean": beaten}, jury)
    assert (attacks["paired"]["clean"]["flips"]["only_first"], attacks["rows"]["clean"]["flips"]["count"]) == (2, 4)
    judged: dict[str, dict[str, JudgedPairs]] = {"first": {"ours": beaten}, "second": {"ours": lines}}
    assert _versus_first(judged, "first", jury) is None
    versus = _versus_first(judged, "second", jury)
    assert versus is not None
    assert (versus["flips"]["only_first"], versus["flips"]["only_second"]) == (2, 0)


def test_table_has_a_cell_a_model_in_every_line(models: CompareDecodersConfig, compared: dict[str, Any]) -> None:
    text = (Path(models.output) / "decoders.md").read_text()
    assert text == to_markdown(compared)
    assert compared["verdict"]["text"] in text
    rows = [[cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["|", "short", "long |"]
    assert {len(row) for row in rows} == {3}
    empty = [row[0] for row in rows[2:] if not row[1]]
    assert all(label.startswith("| **") for label in empty)
    shown = text.replace("**", "")
    for label in ("BLEU", "tokens, codes shuffled", "ratio at most 2", "valid within 20 queries", "a sentence decoded"):
        assert f"| {label} |" in shown
    for group in ("attack with E'", "attack with clean", "attack with reconstruction", "free text, not moved"):
        assert f"| {group} |" in shown


def test_finished_comparison_is_only_read(
    models: CompareDecodersConfig, compared: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("ran, measured or judged again")

    monkeypatch.setattr(compare_runs, "attack_snli", refuse)
    monkeypatch.setattr(judging, "judge_lines", refuse)
    for name in ("measure_decoder", "free_words", "time_decoders"):
        monkeypatch.setattr(decoder_cases, name, refuse)
    page = (Path(models.output) / "examples.html").read_bytes()
    assert compare_decoders(models) == compared
    assert (Path(models.output) / "examples.html").read_bytes() == page


def test_other_seed_or_sentences_are_measured_again(
    models: CompareDecodersConfig, compared: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    alone = replace(models, models=models.models[:1], controls=(), output=str(tmp_path), limit=3)
    compare_decoders(alone)

    def watched(*args: Any, seed: int, **kwargs: Any) -> dict[str, Any]:
        measured.append(seed)
        return measure_decoder(*args, seed=seed, **kwargs)

    monkeypatch.setattr(decoder_cases, "measure_decoder", watched)
    compare_decoders(alone)
    found = compare_decoders(replace(alone, seed=1))
    assert measured == [1]
    assert found["verdict"]["claim"] == "not decided"
    fewer = compare_decoders(replace(alone, seed=1, num_sentences=1))
    assert fewer["models"]["short"]["reconstruction"]["num_sentences"] == 1


def test_judge_that_is_the_target_is_refused(models: CompareDecodersConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected an independent judge"):
        compare_decoders(replace(models, judges=(models.target,), output=str(tmp_path)))


def test_encoder_that_is_missing_is_told_before_anything_runs(
    models: CompareDecodersConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    with pytest.raises(ValueError, match="expected a sentence encoder"):
        compare_decoders(replace(models, sentence_encoder=None, output=str(tmp_path)))
    assert not list(tmp_path.glob("short*"))


def test_folder_without_an_adversary_is_told(models: CompareDecodersConfig, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected an adversary's folder with config.json, found none in .*nowhere"):
        compare_decoders(replace(models, models=(*models.models, "third=nowhere"), output=str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_hypotheses_that_no_model_takes_are_told(models: CompareDecodersConfig, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"premise": "a man", "hypothesis": SENTENCES[2], "label": "neutral"}) + "\n")
    with pytest.raises(ValueError, match="expected a hypothesis of 1 to 6 words, which every model takes, got none"):
        compare_decoders(replace(models, data=str(path), output=str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ("a=x", "a=y")}, "expected another name for each model, got 'a' for y, which is taken"),
        ({"models": ("decoders.md=x",)}, "expected another name for each model, got 'decoders.md' for x"),
        ({"models": ("a",)}, "expected models as NAME=FOLDER, .*, got 'a'"),
        ({"models": ("a=",)}, "expected models as NAME=FOLDER, .*, got 'a='"),
        ({"models": ("../a=x",)}, r"expected models as NAME=FOLDER, .*, got '../a=x'"),
        ({"models": ()}, "expected at least one model as NAME=FOLDER, got none"),
        ({"judges": ()}, "expected at least one judge, got none"),
        ({"controls": ("wish",)}, "expected controls among isotropic, clean, .*, got wish"),
        ({"num_sentences": 0}, "expected num_sentences >= 1, got 0"),
        ({"attack_options": {"depth": 1}}, "expected attack_options among .*, got depth"),
        ({"attack_options": {"model": "x"}}, "expected attack_options among .*, got model"),
    ],
)
def test_config_says_what_is_wrong(options: dict[str, Any], message: str) -> None:
    sound = CompareDecodersConfig(models=("a=x", "b=bundled"), judges=("j",))
    with pytest.raises(ValueError, match=message):
        replace(sound, **options)
