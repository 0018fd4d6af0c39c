import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.remote_code import add_own_code
from tests.targets.fakes import save_tiny_bert
from textsem.targets.hugging_face import HuggingFaceTarget

PREMISES = ["a man is sleeping in the park", "two people"]
HYPOTHESES = ["the dog is outside .", "a woman is running"]


def reference(folder: Path, premise: str, hypothesis: str, *, max_tokens: int = 64) -> torch.Tensor:
    """Classify one pair with transformers alone, no padding; the model's own order of classes."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = tokenizer(premise, hypothesis, truncation=True, max_length=max_tokens, return_tensors="pt")
    with torch.no_grad():
        probabilities: torch.Tensor = model(**encoded).logits.softmax(dim=-1)[0]
    return probabilities


def test_agrees_with_transformers_and_reorders_the_labels(bert_folder: Path) -> None:
    answer = HuggingFaceTarget(str(bert_folder)).predict(PREMISES, HYPOTHESES)
    for i in range(2):
        contradiction, neutral, entailment = reference(bert_folder, PREMISES[i], HYPOTHESES[i])
        torch.testing.assert_close(answer[i], torch.stack([entailment, neutral, contradiction]))


def test_numbered_labels_need_an_order(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(ValueError, match="label_order"):
        HuggingFaceTarget(str(folder))
    order = ("neutral", "contradiction", "entailment")
    answer = HuggingFaceTarget(str(folder), label_order=order).predict(PREMISES[:1], HYPOTHESES[:1])[0]
    neutral, contradiction, entailment = reference(folder, PREMISES[0], HYPOTHESES[0])
    torch.testing.assert_close(answer, torch.stack([entailment, neutral, contradiction]))


@pytest.mark.parametrize("names", [("NOT_ENTAILMENT", "Entailment"), ("entailment", "not entailment")])
def test_two_classes_have_names_and_order_of_their_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = save_tiny_bert(tmp_path, names=names)
    target = HuggingFaceTarget(str(folder))
    assert target.label_names == ("entailment", "not_entailment")
    answer = target.predict(PREMISES, HYPOTHESES)
    for i in range(2):
        expected = reference(folder, PREMISES[i], HYPOTHESES[i])
        torch.testing.assert_close(answer[i], expected if names[0] == "entailment" else expected.flip(0))


def test_two_numbered_classes_need_an_order(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("LABEL_0", "LABEL_1"))
    with pytest.raises(ValueError, match=r"label_order .* the two names .*; in config\.json of .*"):
        HuggingFaceTarget(str(folder))
    target = HuggingFaceTarget(str(folder), label_order=("not_entailment", "entailment"))
    torch.testing.assert_close(
        target.predict(PREMISES[:1], HYPOTHESES[:1])[0], reference(folder, PREMISES[0], HYPOTHESES[0]).flip(0)
    )


def test_second_class_called_contradiction_needs_an_order(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("contradiction", "entailment"))
    with pytest.raises(ValueError, match=r"--label-order\) not_entailment, entailment"):
        HuggingFaceTarget(str(folder))
    target = HuggingFaceTarget(str(folder), label_order=("not_entailment", "entailment"))
    assert target.label_names == ("entailment", "not_entailment")


def test_gap_in_the_classes_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("entailment", "neutral", "contradiction"))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "entailment", "1": "neutral", "5": "contradiction"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"without gaps, got \[0, 1, 5\]"):
        HuggingFaceTarget(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_model_whose_answers_are_no_numbers_is_refused(tmp_path: Path, value: float) -> None:
    folder = save_tiny_bert(tmp_path, names=("entailment", "neutral", "contradiction"))
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][:] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="finite numbers, got nan or inf from"):
        HuggingFaceTarget(str(folder))


def test_labels_of_another_task_are_refused(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("negative", "positive"))
    with pytest.raises(ValueError, match="negative"):
        HuggingFaceTarget(str(folder))


def test_pairs_longer_than_the_model_are_cut(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path, names=("entailment", "neutral", "contradiction"), max_tokens=12)
    premise = "a man is sleeping in the park " * 5
    answer = HuggingFaceTarget(str(folder)).predict([premise], HYPOTHESES[:1])[0]
    torch.testing.assert_close(answer, reference(folder, premise, HYPOTHESES[0], max_tokens=12))


def test_batch_size_does_not_change_a_bit(bert_folder: Path) -> None:
    premises = [" ".join(["man"] * (i % 13)) for i in range(40)]
    hypotheses = [" ".join(["dog"] * (i % 7)) for i in range(40)]
    answers = [HuggingFaceTarget(str(bert_folder), batch_size=b).predict(premises, hypotheses) for b in (8, 24, 64)]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


def test_bfloat16_is_close_and_comes_out_in_float32(bert_folder: Path) -> None:
    answer = HuggingFaceTarget(str(bert_folder), dtype="bfloat16").predict(PREMISES, HYPOTHESES)
    assert answer.dtype == torch.float32
    expected = HuggingFaceTarget(str(bert_folder)).predict(PREMISES, HYPOTHESES)
    torch.testing.assert_close(answer, expected, atol=0.1, rtol=0.0)
    assert not torch.equal(answer, expected)


def test_unknown_name_fails_within_seconds_and_says_why() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="no such folder, not in the local cache, and the hub does not answer"):
        HuggingFaceTarget("nobody/no-such-model")
    assert time.monotonic() - started < 30.0


def test_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a sequence classifier in the folder"):
        HuggingFaceTarget(str(tmp_path))


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_tiny_bert(tmp_path / "model", names=("entailment", "neutral", "contradiction"))
    add_own_code(folder, tmp_path / "ran")
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever asks is told yes
    with pytest.raises(ValueError, match="expected a sequence classifier in the folder"):
        HuggingFaceTarget(str(folder))
    assert not (tmp_path / "ran").exists()
