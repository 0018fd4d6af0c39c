import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.builders import build_tiny_adversary, build_tiny_arae
from tests.evaluation.judged import FLIP, RIGHT
from textsem import __version__
from textsem.commands import info
from textsem.commands.inventory import ENVIRONMENT, SECRETS, describe_folder, describe_installation
from textsem.evaluation.identity import BUNDLED_MODEL, identify_model
from textsem.evaluation.results import ResultsWriter

ROOT = Path(__file__).parents[2]
LOOKS_LIKE_A_VARIABLE = re.compile(r"(TEXTSEM|HF|TRANSFORMERS|NLTK|XDG|CUDA|OMP)_[A-Z_]+|WORLD_SIZE")


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert info.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_installation_tells_versions_devices_and_bundled_models(capsys: pytest.CaptureFixture[str]) -> None:
    found = told([], capsys)
    assert found["versions"]["textsem"] == __version__
    assert {"python", "torch", "transformers"} <= set(found["versions"])
    assert found["devices"][0].startswith("cpu (")
    adversary, target = found["bundled"]["adversary"], found["bundled"]["target"]
    assert adversary["sha256"] == identify_model("bundled", BUNDLED_MODEL)["sha256"]
    assert (adversary["kind"], adversary["decoder"], adversary["has_trigram"]) == ("adversary", "transpose_cnn", True)
    assert (target["kind"], target["labels"]) == ("target", ["entailment", "neutral", "contradiction"])
    assert target["card"]["figures"]["test accuracy"] == "79.08%"


def test_secrets_are_told_as_set_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "do-not-tell")
    monkeypatch.setenv("HF_ENDPOINT", "https://someone:do-not-tell@mirror.example/path")
    monkeypatch.setenv("TEXTSEM_DATA", "pairs.jsonl")
    monkeypatch.delenv("NLTK_DATA", raising=False)
    variables = told([], capsys)["environment"]
    assert info.main([]) == 0
    assert "do-not-tell" not in capsys.readouterr().out + json.dumps(variables)
    assert {name: variables[name]["is_set"] for name in (*SECRETS, "NLTK_DATA")} == {
        **dict.fromkeys(SECRETS, True),
        "NLTK_DATA": False,
    }
    assert variables["HF_ENDPOINT"]["value"] == "https://***@mirror.example/path"
    assert variables["TEXTSEM_DATA"]["value"] == "pairs.jsonl"


def test_every_variable_that_the_package_reads_is_told() -> None:
    read = {
        node.value
        for path in [*(ROOT / "textsem").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and LOOKS_LIKE_A_VARIABLE.fullmatch(node.value)
    }
    assert "TEXTSEM_DATA" in read
    assert read <= set(ENVIRONMENT)


@pytest.mark.parametrize("is_finished", [True, False])
def test_run_is_told_by_its_lines(is_finished: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ResultsWriter(tmp_path / "results.jsonl") as writer:
        writer.write([FLIP, replace(RIGHT, index=1)])
    (tmp_path / "settings.json").write_text(json.dumps({"target": "bundled", "seed": 5, "eps": None}))
    if is_finished:
        (tmp_path / "summary.json").write_text(json.dumps({"headline": "1 of 2 fell", "n": 2, "seconds": 1.5}))
    else:
        with (tmp_path / "results.jsonl").open("a") as file:
            file.write('{"index": 2, "pre')
    found = told([str(tmp_path)], capsys)
    assert (found["kind"], found["is_finished"], found["lines"]) == ("run", is_finished, 2)
    assert found["statuses"] == {"success": 1, "failed": 1}
    assert found["headline"] == ("1 of 2 fell" if is_finished else None)
    assert found["settings"] == {"target": "bundled", "seed": 5}


def test_broken_line_of_a_run_is_counted(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"status": "failed"}\nnonsense\n[1]\n{}\n')
    assert describe_folder(tmp_path)["statuses"] == {"failed": 1, "broken": 3}


def test_models_are_told_apart(tmp_path: Path) -> None:
    build_tiny_adversary(has_trigram=True).save_pretrained(tmp_path / "adversary")
    build_tiny_arae().save_pretrained(tmp_path / "arae")
    for name, config in {
        "classifier": {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "a", "1": "b"}},
        "other": {"architectures": ["BertModel"], "model_type": "bert"},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    adversary = describe_folder(tmp_path / "adversary")
    assert (adversary["kind"], adversary["words"], adversary["has_trigram"]) == ("adversary", 40, True)
    assert describe_folder(tmp_path / "arae")["kind"] == "ARAE"
    classifier = describe_folder(tmp_path / "classifier")
    assert (classifier["kind"], classifier["labels"], classifier["card"]) == ("target", ["a", "b"], None)
    assert describe_folder(tmp_path / "other")["kind"] == "model of transformers (bert)"
    assert describe_folder(tmp_path)["kind"] == "unknown"


def test_training_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "training_state.pt").write_bytes(b"")
    found = describe_folder(tmp_path)
    assert (found["kind"], found["files"]) == ("training that is not finished", ["training_state.pt"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("no/such", "", "expected an existing folder"), ("", "{", "expected JSON in"), ("", "[]", "expected a dict in")],
)
def test_what_cannot_be_described_is_one_line(
    name: str, content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(content)
    assert info.main([str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_lines_say_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.jsonl").write_text('{"status": "failed"}\n')
    assert info.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"folder: {tmp_path}",
        "kind: run",
        "is finished: no",
        "lines: 1",
        "statuses:",
        "  failed: 1",
        "is judged: no",
        "files: results.jsonl",
    ]


def test_nothing_is_loaded_to_describe_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("expected no weights to be loaded")

    monkeypatch.setattr("safetensors.torch.load_file", refuse)
    monkeypatch.setattr("torch.load", refuse)
    assert describe_installation()["bundled"]["adversary"]["kind"] == "adversary"
