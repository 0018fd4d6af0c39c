"""The main job on tiny models, whole.  Over 300 lines: each of its files and options is held to the same few runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.decoders.tiny_language_models import word_piece_tokenizer
from tests.targets.reference_server import Server, running
from textsem.data.nli import load_nli
from textsem.decoders.transpose_cnn import TransposeCNNDecoderConfig
from textsem.encoders.cnn import CNNEncoderConfig
from textsem.evaluation.codes import measure_codes
from textsem.evaluation.judges import read_judgements
from textsem.evaluation.results import ResultsWriter, read_results
from textsem.evaluation.run import FILE_NAMES, attack_snli
from textsem.evaluation.run_config import AttackSnliConfig
from textsem.latent.manifold import latent_noise_level
from textsem.latent.particles import ParticleConfig
from textsem.model import TextAdversary
from textsem.model_config import TextAdversaryConfig
from textsem.targets.attention import AttentionConfig
from textsem.targets.loading import build_word_level_target, load_target, save_word_level_target
from textsem.text.batches import encode_sentences
from textsem.text.labels import LABEL_NAMES
from textsem.text.tokenization import tokenize
from textsem.text.vocabulary import Vocabulary

WORDS = tuple("a man woman dog cat child sleeps runs eats sits in on the park house street quickly .".split())
MAX_LENGTH, LATENT = 6, 16


def random_sentence(generator: torch.Generator, length: int) -> str:
    return " ".join(WORDS[int(i)] for i in torch.randint(len(WORDS) - 1, (length,), generator=generator)) + "."


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> AttackSnliConfig:
    """Write a target and an adversary with random weights, and 40 pairs of which the target has three in four right."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    vocabulary = Vocabulary(WORDS)
    shape = AttentionConfig(embedding_dim=8, hidden_dim=8, classifier_dim=8, num_layers=1)
    target = build_word_level_target(shape, vocabulary).eval()
    save_word_level_target(target, shape, folder / "target")
    model = TextAdversary(
        TextAdversaryConfig(
            max_length=MAX_LENGTH,
            num_particles=3,
            encoder=CNNEncoderConfig(MAX_LENGTH + 1, embedding_dim=8, channels=8, num_layers=1, feature_dim=12),
            particle=ParticleConfig(12, (10,), LATENT),
            particle_adv=ParticleConfig(LATENT, (10,), LATENT),
            decoder=TransposeCNNDecoderConfig(LATENT, MAX_LENGTH + 1, embedding_dim=8, channels=8, num_layers=1),
            bank_size=32,
        ),
        vocabulary,
    )
    model.initialise(torch.randn(vocabulary.size, 8, generator=generator), generator)
    model.get_buffer("bank_features").copy_(torch.randn(32, 12, generator=generator))
    model.save_pretrained(folder / "adversary")

    premises = [random_sentence(generator, 8) for _ in range(40)]
    hypotheses = [random_sentence(generator, 3 + i % 3 if i % 10 else 7) for i in range(40)]
    predictions = target.predict(premises, hypotheses).argmax(dim=1).tolist()
    with (folder / "pairs.jsonl").open("w") as file:
        for i, (premise, hypothesis, prediction) in enumerate(zip(premises, hypotheses, predictions, strict=True)):
            label = LABEL_NAMES[(prediction + (i % 4 == 3)) % 3]
            file.write(json.dumps({"premise": premise, "hypothesis": hypothesis, "label": label}) + "\n")
        file.write(json.dumps({"premise": "a man", "hypothesis": "a dog", "label": "-"}) + "\n")
    return AttackSnliConfig(
        data=str(folder / "pairs.jsonl"),
        target=str(folder / "target"),
        model=str(folder / "adversary"),
        device="cpu",
        max_edits=None,
        num_candidates=60,
        max_queries=40,
    )


@pytest.fixture
def into(
    config: AttackSnliConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], AttackSnliConfig]:
    """Return the config with a folder of that name as output; no reports, since drawing takes most of a run."""
    monkeypatch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: None)
    return lambda name: replace(config, output=str(tmp_path / name))


Into = Callable[[str], AttackSnliConfig]


def test_run_leaves_results_summary_and_report(config: AttackSnliConfig, tmp_path: Path) -> None:
    config = replace(config, output=str(tmp_path / "run"))
    summary = attack_snli(config)
    folder = Path(config.output)
    assert {path.name for path in folder.iterdir()} == {*FILE_NAMES, "settings.json"}
    assert json.loads((folder / "summary.json").read_text()) == summary
    results = read_results(folder / "results.jsonl")
    assert len(results) == summary["n"] == 40
    assert {r.message for r in results if r.status == "error"} == set()
    assert {r.status for r in results} >= {"success", "skipped", "unsupported"}
    assert summary["statuses"]["unsupported"] == 4
    assert summary["target_accuracy"] == 0.75
    assert summary["data"]["dropped_unlabelled"] == 1
    assert summary["settings"]["max_queries"] == 40
    assert (folder / "report.html").read_text().lower().startswith("<!doctype html>")


def test_counts_of_the_meter_equal_those_of_the_lines(into: Into) -> None:
    summary = attack_snli(into("run"))
    assert summary["rows_sent"] == 40 + summary["queries"]["total"]
    assert summary["rows_sent"] == summary["this_process"]["target"]["rows_requested"]


def test_adversarial_text_flips_the_target_read_from_its_folder(into: Into) -> None:
    config = into("run")
    attack_snli(config)
    target = load_target(config.target)
    successes = [r for r in read_results(Path(config.output, "results.jsonl")) if r.adversarial is not None]
    answers = target.predict([r.premise for r in successes], [r.adversarial or "" for r in successes])
    assert [LABEL_NAMES[k] for k in answers.argmax(dim=1)] == [r.adversarial_prediction for r in successes]


@pytest.mark.parametrize("candidates_from", ["clean", "isotropic", "neighbours", "reconstruction"])
def test_controls_run_and_report_no_latent_noise(into: Into, candidates_from: str) -> None:
    summary = attack_snli(replace(into(candidates_from), candidates_from=candidates_from))  # type: ignore[arg-type]
    assert summary["settings"]["candidates_from"] == candidates_from
    assert summary["latent_noise"] is None
    assert summary["first_error"] is None


def test_first_sentence_names_a_control_that_is_not_beaten(into: Into) -> None:
    control = replace(into("control"), candidates_from="clean")
    attack_snli(control)
    alone = attack_snli(into("run"))
    said = attack_snli(replace(into("run"), controls=(control.output,)))
    assert said["headline"].startswith("The method is not above its control")
    assert "clean" in said["headline"]
    assert (said["successes"], said["attacked"]) == (alone["successes"], alone["attacked"])

    # The same control without a success, written by hand.
    path = Path(control.output, "results.jsonl")
    lost = [
        replace(r, status="failed", adversarial=None, adversarial_prediction=None, distance=None, edits=None)
        if r.status == "success"
        else r
        for r in read_results(path)
    ]
    path.unlink()
    with ResultsWriter(path) as writer:
        writer.write(lost)
    beaten = attack_snli(replace(into("run"), controls=(control.output,)))
    assert beaten["headline"] == alone["headline"].removesuffix(".") + ", above every control."


def test_controls_reach_the_report(config: AttackSnliConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, object]] = []
    monkeypatch.setattr("textsem.evaluation.run.write_report", lambda *args, **kwargs: written.append(kwargs))
    control = replace(config, output=str(tmp_path / "clean"), candidates_from="clean")
    summary = attack_snli(control)
    attack_snli(replace(config, output=str(tmp_path / "run"), controls=(control.output,)))
    assert written[0]["controls"] is None
    rates = {name: metrics["attack_success_rate"] for name, metrics in written[1]["controls"].items()}  # type: ignore[attr-defined]
    assert rates == {"clean": summary["attack_success_rate"]}


def test_control_on_other_pairs_is_refused(into: Into) -> None:
    attack_snli(replace(into("short"), candidates_from="clean", limit=5))
    with pytest.raises(ValueError, match=r"expected a control on the same pairs and target in .*short, got other ones"):
        attack_snli(replace(into("run"), controls=(into("short").output,)))


def test_judged_run_keeps_its_judgements_and_leaves_the_lines_alone(
    into: Into, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    alone = attack_snli(replace(into("alone"), filter_model="none"))
    judged = replace(into("judged"), judges=("bundled",), filter_model="none")
    summary = attack_snli(judged)
    lines = [Path(into(name).output, "results.jsonl").read_bytes() for name in ("alone", "judged")]
    assert lines[0] == lines[1]
    assert alone["validity"] is None
    assert summary["validity"]["scoring_judge"] == "bundled"
    assert "no sentence encoder" in summary["validity"]["statement"]
    assert "cannot be stated" in summary["headline"]
    assert len(read_judgements(Path(judged.output, "judgements.jsonl"))) == 40
    attack_snli(replace(judged, judges=()))
    assert not Path(judged.output, "judgements.jsonl").exists()


def test_target_may_not_judge_itself(into: Into) -> None:
    with pytest.raises(ValueError, match="which is the target of the attack"):
        attack_snli(replace(into("run"), judges=(into("run").target,)))
    assert not list(Path(into("run").output).glob("*"))


@pytest.mark.parametrize("num_lines", [0, 1, 25])
def test_resumed_run_leaves_the_same_lines(into: Into, num_lines: int) -> None:
    whole, cut = into("whole"), into("cut")
    attack_snli(whole)
    attack_snli(replace(cut, limit=1))
    lines = Path(whole.output, "results.jsonl").read_bytes().splitlines(keepends=True)
    Path(cut.output, "results.jsonl").write_bytes(b"".join(lines[:num_lines]) + lines[num_lines][:20])
    summary = attack_snli(replace(cut, resume=True, batch_size=16))
    assert Path(cut.output, "results.jsonl").read_bytes() == b"".join(lines)
    assert summary["rows_sent"] == 40 + summary["queries"]["total"]


def test_batch_size_does_not_show_in_the_lines(into: Into) -> None:
    for size in (1, 7, 64):
        attack_snli(replace(into(str(size)), batch_size=size))
    lines = [Path(into(str(size)).output, "results.jsonl").read_bytes() for size in (1, 7, 64)]
    assert lines[0] == lines[1] == lines[2]


def test_resume_with_another_seed_is_refused(into: Into) -> None:
    attack_snli(replace(into("run"), limit=2))
    with pytest.raises(ValueError, match="expected seed 0 as in the run to be resumed, got 1"):
        attack_snli(replace(into("run"), resume=True, seed=1))


def test_resume_on_changed_data_is_refused(into: Into, tmp_path: Path) -> None:
    config = replace(into("run"), data=str(tmp_path / "pairs.jsonl"))
    lines = Path(into("run").data or "").read_text().splitlines(keepends=True)
    (tmp_path / "pairs.jsonl").write_text("".join(lines))
    attack_snli(replace(config, limit=5))
    (tmp_path / "pairs.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(ValueError, match="expected pair 0 of the data as in the run to be resumed"):
        attack_snli(replace(config, resume=True))


def test_bad_option_leaves_an_earlier_run_alone(into: Into) -> None:
    attack_snli(replace(into("run"), limit=2))
    before = Path(into("run").output, "results.jsonl").read_bytes()
    for bad in ({"target": "no/such-folder"}, {"data": "no/such.jsonl"}, {"model": "no/such-folder"}):
        with pytest.raises(ValueError, match="expected"):
            attack_snli(replace(into("run"), **bad))  # type: ignore[arg-type]
    assert Path(into("run").output, "results.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("candidates_from", "nowhere", "expected candidates_from to be one of adversarial, basis, clean"),
        ("decoder", "gru", "expected decoder to be one of arae, language_model, .*, got 'gru'"),
        ("batch_size", 0, "expected batch_size >= 1, got 0"),
        ("num_particles", 0, "expected num_particles >= 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttackSnliConfig(**{name: value})  # type: ignore[arg-type]


def test_adversary_with_another_decoder_is_refused_and_with_that_one_taken(into: Into) -> None:
    with pytest.raises(ValueError, match=r"expected an adversary with decoder arae, got transpose_cnn in .*--model"):
        attack_snli(replace(into("other"), decoder="arae"))
    assert not list(Path(into("other").output).glob("*"))
    assert attack_snli(replace(into("same"), decoder="transpose_cnn", limit=1))["n"] == 1


def test_generation_reaches_the_source_of_candidates() -> None:
    moved = AttackSnliConfig(decoding="free", generation="beam").codes_config(3)
    assert (moved.decoding, moved.generation.strategy) == ("free", "beam")
    with pytest.raises(ValueError, match="expected decoding free beside generation beam, got None"):
        AttackSnliConfig(generation="beam")
    with pytest.raises(ValueError, match="expected generation to be one of greedy, sampling, beam, got 'best'"):
        AttackSnliConfig(decoding="free", generation="best")  # type: ignore[arg-type]


def test_measured_noise_is_that_of_the_codes(config: AttackSnliConfig) -> None:
    model = TextAdversary.from_pretrained(config.model)
    hypotheses = load_nli(config.data).hypotheses
    measured = measure_codes(model, hypotheses, [0] * len(hypotheses), num_particles=2, seed=3)
    fitting = [words for h in hypotheses if len(words := tokenize(h).words) <= MAX_LENGTH]
    assert 0 < len(fitting) < len(hypotheses)
    with torch.no_grad():
        theta, theta_adv = model.draw_particles(2, torch.Generator().manual_seed(3))
        features = model.features(encode_sentences(fitting, vocabulary=model.vocabulary, max_length=MAX_LENGTH))
        z = model.codes(features, theta)
        z_adv = model.perturb(z, features, theta_adv)
    assert measured is not None
    assert measured.noise == latent_noise_level(z, z_adv)
    torch.testing.assert_close(measured.clean, z.flatten(0, 1))
    torch.testing.assert_close(measured.perturbed, z_adv.flatten(0, 1))
    assert measure_codes(model, ["a man " * 9], [0], num_particles=2, seed=3) is None


def test_filter_model_may_not_judge(into: Into, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    with pytest.raises(ValueError, match="which is the filter_model of the attack"):
        attack_snli(replace(into("run"), judges=("bundled",), filter_model="bundled"))


def test_goal_decides_how_candidates_are_decoded_and_filtered(into: Into, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTSEM_SENTENCE_ENCODER", raising=False)
    valid, flip = attack_snli(into("valid")), attack_snli(replace(into("flip"), goal="flip"))
    assert "filter_model" in valid["model"]
    assert "filter_model" not in flip["model"]
    assert "margin" not in flip["this_process"]["candidates"]
    assert "margin" in valid["this_process"]["candidates"]
    assert valid["settings"]["goal"] == "valid"


def test_target_whose_classes_are_called_by_each_others_names_is_told_of(
    config: AttackSnliConfig, tmp_path: Path
) -> None:
    folder = tmp_path / "confused"
    tokenizer = word_piece_tokenizer(is_bert=True)
    tokenizer.save_pretrained(folder)
    rows = load_nli(config.data)
    kinds: Any = transformers
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    names = dict(enumerate(LABEL_NAMES))
    bert = kinds.BertConfig(vocab_size=len(tokenizer), id2label=names, initializer_range=0.8, **shape)
    kinds.BertForSequenceClassification(bert).save_pretrained(folder)
    answers = load_target(str(folder)).predict(rows.premises, rows.hypotheses).argmax(dim=1).tolist()
    assert len(set(answers)) > 1
    pairs = zip(rows.premises, rows.hypotheses, answers, strict=True)
    # What the target calls class c is class c + 1 to the data.
    lines = [{"premise": a, "hypothesis": b, "label": LABEL_NAMES[(c + 1) % 3]} for a, b, c in pairs]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    given: dict[str, Any] = {"data": str(tmp_path / "pairs.jsonl"), "target": str(folder), "max_queries": 1}
    summary = attack_snli(replace(config, output=str(tmp_path / "run"), filter_model="none", **given))
    assert "The target is right on only 0.0% of 40 pairs" in summary["notice"]
    assert summary["notice"] in (tmp_path / "run" / "report.html").read_text()


def test_endpoint_is_attacked_like_the_target_behind_it_and_its_secrets_stay_out_of_the_files(
    config: AttackSnliConfig, tmp_path: Path
) -> None:
    target = load_target(config.target)

    def answer(pairs: list[dict[str, str]]) -> dict[str, Any]:
        rows = [(pair["premise"], pair["hypothesis"]) for pair in pairs]
        told = target.predict([a for a, _ in rows], [b for _, b in rows])
        return {"label_names": list(LABEL_NAMES), "probabilities": told.tolist()}

    with running(Server(answer)) as server:
        url = server.url
        attack_snli(replace(config, target=f"{url}?key=sesame", filter_model="none", output=str(tmp_path / "http")))
        attack_snli(replace(config, filter_model=f"{url}?key=sesame", max_queries=1, output=str(tmp_path / "filter")))
    attack_snli(replace(config, filter_model="none", output=str(tmp_path / "here")))
    lines = [(tmp_path / name / "results.jsonl").read_bytes() for name in ("http", "here")]
    assert lines[0] == lines[1]
    for path in [*(tmp_path / "http").iterdir(), *(tmp_path / "filter").iterdir()]:
        assert b"sesame" not in path.read_bytes(), path.name
    assert json.loads((tmp_path / "http" / "summary.json").read_text())["model"]["target"]["name"] == url
