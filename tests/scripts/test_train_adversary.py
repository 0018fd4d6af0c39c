"""The training script, whole.  Over 300 lines: all its options share the inputs and the runs that are made here."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.builders import build_tiny_adversary, build_tiny_arae, config_with_decoder
from tests.decoders.tiny_language_models import save_tiny_language_model
from tests.training.toys import CONFIG, NETWORK, PAIRS, SHAPE, WORDS, word_level
from textsem.model import TextAdversary
from textsem.targets.loading import save_word_level_target
from textsem.text.labels import LABEL_NAMES
from textsem.training.adversary_config import PRESETS, Preset

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "train_adversary.py"
TINY = Preset(SHAPE, CONFIG)
# What a subprocess runs: the script itself with a tiny preset, ended by a real SIGKILL in the middle of a batch.
KILLED = """
import os, runpy, signal, sys
from tests.training.toys import CONFIG, SHAPE
from textsem.training.adversary import AdversaryRun
from textsem.training.adversary_config import PRESETS, Preset
PRESETS["tiny"] = Preset(SHAPE, CONFIG)
step = AdversaryRun.step
def killed(self, number):
    values = step(self, number)
    if number == {killed_at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return values
AdversaryRun.step = killed
sys.argv = {arguments!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("train_adversary_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def tiny_preset() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "tiny", TINY)
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write labelled pairs, captions, held-out pairs and a target."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = [
        {"premise": premise, "hypothesis": hypothesis, "label": LABEL_NAMES[label]}
        for premise, hypothesis, label in zip(PAIRS.premises, PAIRS.hypotheses, PAIRS.labels, strict=True)
    ]
    write_rows(folder / "pairs.jsonl", rows)
    write_rows(folder / "held_out.jsonl", [{**rows[0], "premise": "a horse sees", "hypothesis": "AN animal, eats"}])
    write_rows(folder / "captions.jsonl", [{"caption": "the bird in the park"}, {"caption": "An animal eats"}])
    save_word_level_target(word_level(), NETWORK, folder / "target")
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def options(inputs: Path, output: Path, *more: str) -> list[str]:
    return [
        *("--data", str(inputs / "pairs.jsonl"), "--target", str(inputs / "target"), "--preset", "tiny"),
        *("--output", str(output), "--checkpoint-every", "2", *more),
    ]


@pytest.fixture(scope="module")
def trained(script: ModuleType, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("trained")
    assert script.main(options(inputs, folder)) == 0
    return folder


def test_script_trains_and_leaves_model_card_metrics_and_curve(
    script: ModuleType, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "adversary"
    more = ["--sentences", str(inputs / "captions.jsonl"), "--held-out", str(inputs / "held_out.jsonl")]
    more += ["--seed", "5", "--num-particles", "2", "--machine", "a toy"]
    assert script.main(options(inputs, output, *more)) == 0
    assert capsys.readouterr().out == f"saved {output}\n"
    model = TextAdversary.from_pretrained(output)
    assert model.config.num_particles == 2
    assert model.config.max_length == SHAPE.max_length
    assert model.bank_features.abs().sum() > 0
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 11]
    assert {"reconstruction", "flip_rate", "surrogate"} <= set(lines[-1])
    assert (output / "curve.png").read_bytes().startswith(b"\x89PNG")
    card = (output / "README.md").read_text()
    # Three pairs and one caption of "An animal eats." are held out, its other three pairs stand for two animals more.
    shown = (
        "pairs.jsonl",
        "captions.jsonl",
        "held_out.jsonl",
        "- Seed: 5",
        "- Machine: a toy",
        '"seed": 5',
        "--seed 5",
    )
    assert [text for text in shown if text not in card] == []
    assert '"pairs_kept": 20' in card
    assert str(tmp_path) not in card
    assert str(inputs) not in card
    assert "rows sent to the target in training: " in card


def test_held_out_sentences_are_not_trained_on(script: ModuleType, inputs: Path, tmp_path: Path) -> None:
    from textsem.training.adversary import AdversaryRun

    seen: list[AdversaryRun] = []
    step = AdversaryRun.step

    def recorded(self: AdversaryRun, number: int) -> dict[str, float]:
        seen.append(self)
        return step(self, number)

    more = ["--sentences", str(inputs / "captions.jsonl"), "--held-out", str(inputs / "held_out.jsonl")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AdversaryRun, "step", recorded)
        script.main(options(inputs, tmp_path, *more, "--reconstruction-steps", "1", "--manifold-steps", "0"))
    decode = seen[0].model.vocabulary.decode
    sentences = [" ".join(decode(row)) for row in seen[0].ids.tolist()]
    hypotheses = [" ".join(decode(row)) for row in seen[0].pair_ids.tolist()]
    assert "the bird in the park" in sentences
    assert "an animal sleeps ." in sentences
    assert "an animal sleeps ." in hypotheses
    assert not [text for text in (*sentences, *hypotheses) if text.startswith("an animal eats")]


def test_run_ended_by_sigkill_is_resumed_to_the_same_weights(
    script: ModuleType, inputs: Path, trained: Path, tmp_path: Path
) -> None:
    arguments = [str(SCRIPT), *options(inputs, tmp_path)]
    code = KILLED.format(killed_at=9, arguments=arguments)
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (tmp_path / "model.safetensors").exists()
    assert script.main(options(inputs, tmp_path, "--resume")) == 0
    for name in ("model.safetensors", "config.json", "vocabulary.json", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_start_from_keeps_the_autoencoder_and_fresh_particles_begin_anew(
    script: ModuleType, inputs: Path, trained: Path, tmp_path: Path
) -> None:
    none = ["--manifold-steps", "0", "--adversarial-steps", "0", "--start-from", str(trained)]
    folders = {"kept": [], "fresh": ["--fresh-particles"], "again": ["--fresh-particles"]}
    found = {}
    for name, more in folders.items():
        assert script.main(options(inputs, tmp_path / name, *none, *more)) == 0
        found[name] = load_file(tmp_path / name / "model.safetensors")
    before = load_file(trained / "model.safetensors")
    for name, value in before.items():
        is_particle = name.startswith(("recognition.", "recognition_adv."))
        if name != "bank_features":
            assert torch.equal(found["kept"][name], value), name
            assert torch.equal(found["fresh"][name], value) or is_particle, name
        assert torch.equal(found["fresh"][name], found["again"][name])
    last = "recognition.layers.2.bias"
    assert not torch.equal(found["fresh"][last], before[last])


def test_start_from_trains_the_later_stages_alone(
    script: ModuleType, inputs: Path, trained: Path, tmp_path: Path
) -> None:
    more = ["--start-from", str(trained), "--fresh-particles", "--adversarial-steps", "1", "--checkpoint-every", "1"]
    assert script.main(options(inputs, tmp_path, *more)) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines] == ["perturbed"] * 3 + ["adversarial"]
    assert not torch.equal(
        load_file(tmp_path / "model.safetensors")["recognition_adv.layers.2.bias"],
        load_file(trained / "model.safetensors")["recognition_adv.layers.2.bias"],
    )


@pytest.mark.parametrize(
    ("more", "decoder", "encoder"),
    [
        (["--decoder", "language_model"], "language_model", "cnn"),
        (["--arae", "{}/arae", "--embeddings", "arae"], "transpose_cnn", "cnn"),
        (["--arae", "{}/arae", "--embeddings", "arae", "--encoder", "arae", "--decoder", "arae"], "arae", "lstm"),
        (["--decoder", "pretrained", "--language-model", "{}/gpt2", "--tune-language-model"], "pretrained", "cnn"),
    ],
)
def test_parts_are_those_asked_for(
    script: ModuleType, inputs: Path, tmp_path: Path, more: list[str], decoder: str, encoder: str
) -> None:
    arae = build_tiny_arae(WORDS)
    arae.save_pretrained(tmp_path / "arae")
    save_tiny_language_model(tmp_path / "gpt2", "gpt2")
    steps = ["--reconstruction-steps", "1", "--manifold-steps", "0", "--adversarial-steps", "0"]
    filled = [option.format(tmp_path) for option in more]
    assert script.main(options(inputs, tmp_path / "out", *steps, *filled)) == 0
    model = TextAdversary.from_pretrained(tmp_path / "out")
    assert (model.config.decoder_name, model.config.encoder_name) == (decoder, encoder)
    assert (model.vocabulary.words == arae.vocabulary.words) is ("--arae" in more)
    assert str(tmp_path) not in (tmp_path / "out" / "README.md").read_text()
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    if decoder == "pretrained":
        assert not model.config.decoder.is_frozen  # type: ignore[union-attr]


def test_without_data_option_sentences_are_those_of_the_default_data(
    script: ModuleType, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTSEM_DATA", str(inputs / "pairs.jsonl"))
    arguments = options(inputs, tmp_path, "--reconstruction-steps", "1", "--manifold-steps", "0")
    assert script.main([*arguments[2:], "--adversarial-steps", "0"]) == 0
    assert "pairs.jsonl" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data", "no/such.jsonl"], "expected an existing file or folder, or a hub id"),
        (["--held-out", "no/such.jsonl"], "expected an existing file or folder, or a hub id"),
        (["--start-from", "no/such"], "expected an adversary's folder with config.json"),
        (["--fresh-particles"], "expected the folder of an adversary to start from beside fresh particles, got none"),
        (
            [
                "--start-from",
                "no/such",
                "--arae",
                "x",
                "--decoder",
                "arae",
                "--encoder",
                "arae",
                "--embeddings",
                "arae",
            ],
            "expected no --decoder, --encoder, --arae, --embeddings beside --start-from, which keeps the parts",
        ),
        (
            ["--start-from", "no/such", "--language-model", "gpt", "--tune-language-model"],
            "expected no --language-model, --tune-language-model beside --start-from",
        ),
        (["--resume"], "expected a training state to resume from"),
        (["--checkpoint-every", "0"], "expected checkpoint_every of at least 1, got 0"),
        (["--num-particles", "0"], "expected num_particles and num_inner_updates of at least 1, got 0 and"),
        (["--gradient", "target"], "expected gradient access, which is for word-level targets in the same process"),
    ],
)
def test_errors_are_one_line_and_exit_code_two(
    more: list[str],
    message: str,
    script: ModuleType,
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert script.main(options(inputs, tmp_path, *more)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {message}")
    assert shown.err.count("\n") == 1


def test_weights_of_another_decoder_are_told_in_one_line(
    script: ModuleType, inputs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = build_tiny_adversary(config_with_decoder("language_model"))
    other.save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    assert script.main(options(inputs, tmp_path / "out", "--start-from", str(tmp_path / "other"))) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: expected the weights of this config in ")
    assert "Missing key(s) in state_dict" in shown
    assert shown.count("\n") == 1


def test_loss_that_is_not_finite_ends_in_one_line_too(
    script: ModuleType,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", replace(TINY, training=replace(CONFIG, learning_rate=float("inf"))))
    assert script.main(options(inputs, tmp_path)) == 2
    assert "error: expected a finite loss reconstruction, got nan\n" in capsys.readouterr().err


def test_resuming_with_another_option_names_it(
    script: ModuleType, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(options(inputs, tmp_path, "--max-minutes", "0")) == 0
    capsys.readouterr()
    for more, difference in (
        (["--seed", "3"], "config.seed of 0, got 3"),
        (["--access", "label"], "access of 'score', got 'label'"),
        (["--limit", "9"], "data of '"),
    ):
        assert script.main(options(inputs, tmp_path, "--resume", *more)) == 2
        shown = capsys.readouterr().err
        assert difference in shown
        assert shown.count("\n") == 1


def test_resuming_with_another_arae_names_it(
    script: ModuleType, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        build_tiny_arae(WORDS).save_pretrained(tmp_path / name)
    more = ["--embeddings", "arae", "--adversarial-steps", "0", "--max-minutes", "0", "--arae"]
    assert script.main(options(inputs, tmp_path / "out", *more, str(tmp_path / "one"))) == 0
    assert script.main(options(inputs, tmp_path / "out", "--resume", *more, str(tmp_path / "two"))) == 2
    assert f"arae of '{tmp_path / 'one'}', got '{tmp_path / 'two'}'" in capsys.readouterr().err
