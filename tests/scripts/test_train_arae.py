import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.arae_toys import CONFIG, SHAPE, TINY
from tests.training.toys import PAIRS
from textsem.arae import ARAE
from textsem.text.labels import LABEL_NAMES
from textsem.training.arae_config import ARAE_PRESETS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "train_arae.py"
NO_DATA = "expected an existing file or folder, or a hub id"
# What a subprocess runs: the script itself with a tiny preset, ended by a real SIGKILL in the middle of a batch.
KILLED = """
import os, runpy, signal, sys
from tests.training.arae_toys import TINY
from textsem.training.arae_config import ARAE_PRESETS
from textsem.training.arae_steps import ARAESteps
ARAE_PRESETS["tiny"] = TINY
step, taken = ARAESteps.generator_step, []
def killed(self):
    taken.append(1)
    if len(taken) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self)
ARAESteps.generator_step = killed
sys.argv = {arguments!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARAE_PRESETS, "tiny", TINY)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write labelled pairs, captions, and held-out pairs."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = [
        {"premise": premise, "hypothesis": hypothesis, "label": LABEL_NAMES[label]}
        for premise, hypothesis, label in zip(PAIRS.premises, PAIRS.hypotheses, PAIRS.labels, strict=True)
    ]
    write_rows(folder / "pairs.jsonl", rows)
    watched = ["AN animal, eats", "An animal eats.", "The cat runs", "A bird sleeps in the park.", "No horse eats"]
    write_rows(folder / "held_out.jsonl", [{**rows[0], "premise": "a horse", "hypothesis": text} for text in watched])
    write_rows(folder / "captions.jsonl", [{"caption": "the bird in the park"}, {"caption": "An animal eats"}])
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def options(inputs: Path, output: Path, *more: str) -> list[str]:
    return [
        *("--data", str(inputs / "pairs.jsonl"), "--held-out", str(inputs / "held_out.jsonl"), "--preset", "tiny"),
        *("--output", str(output), "--watch-every", "2", "--inverter-steps", "3", *more),
    ]


def test_script_leaves_model_card_metrics_curve_and_samples(
    script: ModuleType, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "arae"
    more = ["--sentences", str(inputs / "captions.jsonl"), "--seed", "5", "--machine", "a toy", "--steps", "5"]
    assert script.main(options(inputs, output, *more)) == 0
    assert capsys.readouterr().out == f"saved {output}\n"
    model = ARAE.from_pretrained(output)
    assert model.config.encoder == SHAPE.encoder
    assert model.inverter is not None
    assert model.inverter(model.generator(torch.zeros(1, 4))).shape == (1, 4)
    lines = [json.loads(text) for text in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4, 5]
    assert (output / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "## Reconstructions" in (output / "samples.md").read_text()
    card = (output / "README.md").read_text()
    shown = ("pairs.jsonl", "captions.jsonl", "held_out.jsonl", "- Seed: 5", "- Machine: a toy", "--seed 5")
    assert [text for text in shown if text not in card] == []
    assert '"held_out_sentences": 4' in card  # two are the same but for case and punctuation
    assert str(tmp_path) not in card
    assert str(inputs) not in card


def test_held_out_sentences_are_not_trained_on(script: ModuleType, inputs: Path, tmp_path: Path) -> None:
    from textsem.training.arae import ARAERun

    seen: list[ARAERun] = []
    step = ARAERun.step

    def recorded(self: ARAERun, number: int) -> dict[str, float]:
        seen.append(self)
        return step(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ARAERun, "step", recorded)
        script.main(options(inputs, tmp_path, "--sentences", str(inputs / "captions.jsonl"), "--steps", "1"))
    decode = seen[0].model.vocabulary.decode
    sentences = [" ".join(decode(row)) for row in seen[0].ids.tolist()]
    assert "the bird in the park" in sentences
    assert "an animal sleeps ." in sentences
    assert not [text for text in sentences if text.startswith("an animal eats")]


@pytest.mark.parametrize(("encoder", "name"), [("lstm", "lstm"), ("convolutional", "cnn")])
def test_encoder_is_the_one_asked_for(
    script: ModuleType, inputs: Path, tmp_path: Path, encoder: str, name: str
) -> None:
    arguments = options(inputs, tmp_path, "--encoder", encoder, "--steps", "1", "--embeddings", "cooccurrence")
    assert script.main(arguments) == 0
    assert ARAE.from_pretrained(tmp_path).config.encoder_name == name


def test_run_ended_by_sigkill_is_resumed_to_the_same_weights(script: ModuleType, inputs: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert script.main(options(inputs, whole)) == 0
    arguments = [str(SCRIPT), *options(inputs, parts)]
    code = KILLED.format(arguments=arguments)
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (parts / "model.safetensors").exists()
    assert script.main(options(inputs, parts, "--resume")) == 0
    found, expected = load_file(parts / "model.safetensors"), load_file(whole / "model.safetensors")
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    for name in ("config.json", "vocabulary.json", "metrics.jsonl", "samples.md"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data", "no/such.jsonl"], NO_DATA),
        (["--sentences", "no/such.jsonl"], NO_DATA),
        (["--held-out", "no/such.jsonl"], NO_DATA),
        (["--preset", "huge"], "expected a preset among ['base', 'paper', 'tiny'], got 'huge'"),
        (["--steps", "0"], "expected num_steps >= 1, got 0"),
        (["--limit", "-1"], "expected a limit of at least 0, got -1"),
        (["--watch-every", "0"], "expected watch_every of at least 1, got 0"),
        (["--inverter-steps", "0"], "expected num_steps >= 1, got 0"),
        (["--resume"], "expected a training state to resume from"),
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
    assert not list(tmp_path.iterdir())  # before any training


def test_loss_that_is_not_finite_ends_in_one_line(
    script: ModuleType,
    inputs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(ARAE_PRESETS, "tiny", replace(TINY, training=replace(CONFIG, learning_rate=float("inf"))))
    assert script.main(options(inputs, tmp_path, "--watch-every", "100")) == 2
    assert "error: expected a finite loss reconstruction, got nan at step" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import runpy, sys; sys.argv = ['train_arae.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'numpy', 'datasets', 'transformers'} & set(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "--watch-every" in shown.stdout
