"""Fine-tuning: it learns, it survives being killed, and what it saves is a target like any other."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch

from tests.targets.fakes import save_tiny_bert
from textsem.runs.checkpoint import TRAINING_STATE_FILE
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.text.labels import LABEL_NAMES
from textsem.training import cross_encoder
from textsem.training.cross_encoder import CrossEncoderConfig, _Run, train_cross_encoder
from textsem.training.labelled_pairs import JoinedPairs, accuracy
from textsem.training.target_report import RunDescription

CONFIG = CrossEncoderConfig(batch_size=4, learning_rate=3e-3, precision="float32", seed=3)
SUBJECTS, PLACES = ("man", "woman", "dog"), ("in the park", "outside .", "two people")


def toy_pairs(num_pairs: int, *, start: int = 0) -> JoinedPairs:
    """Who the hypothesis is about is the label; all else is of no matter."""
    numbers = range(start, start + num_pairs)
    labels = tuple(i % 3 for i in numbers)
    return JoinedPairs(
        tuple(f"a {SUBJECTS[i // 3 % 3]} is sleeping" for i in numbers),
        tuple(f"{SUBJECTS[i % 3]} {SUBJECTS[i % 3]} {PLACES[i // 9 % 3]}" for i in numbers),
        labels,
    )


TRAIN, DEV = toy_pairs(36), toy_pairs(9, start=100)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    # Its own labels stand in another order, which must not get through.
    return str(save_tiny_bert(tmp_path_factory.mktemp("base"), names=("CONTRADICTION", "neutral", "Entailment")))


def save_teachable_bert(folder: Path) -> str:
    """Write a base whose first weights are small and that drops nothing out, so that few steps are enough."""
    from transformers import BertConfig, BertForSequenceClassification

    save_tiny_bert(folder, names=LABEL_NAMES)
    config = BertConfig.from_pretrained(
        folder, initializer_range=0.1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


class Killed(BaseException):
    """What no code catches, as a signal would."""


def kill_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = _Run.step, [0]

    def counted(self: _Run, rows: Sequence[int]) -> float:
        calls[0] += 1
        if calls[0] > steps:
            raise Killed
        return original(self, rows)

    monkeypatch.setattr(_Run, "step", counted)


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["train_loss"] for line in lines]


def saved_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(("killed_after", "precision"), [(4, "float32"), (11, "bfloat16"), (17, "float32")])
def test_killed_and_resumed_run_ends_with_the_same_weights(
    killed_after: int,
    precision: Literal["float32", "bfloat16"],
    base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(CONFIG, num_epochs=2, precision=precision)
    monkeypatch.setattr(cross_encoder, "_LOSS_WINDOW", 5)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_cross_encoder(base, TRAIN, DEV, config, whole, checkpoint_every=3)
    with monkeypatch.context() as patch:
        kill_after(killed_after, patch)
        with pytest.raises(Killed):
            train_cross_encoder(base, TRAIN, DEV, config, killed, checkpoint_every=3)
    assert (killed / TRAINING_STATE_FILE).exists()
    torch.manual_seed(12345)  # another process would start in another random state
    steps: list[int] = []
    step = _Run.step

    def counted(self: _Run, rows: Sequence[int]) -> float:
        steps.append(self.done)
        return step(self, rows)

    monkeypatch.setattr(_Run, "step", counted)
    train_cross_encoder(base, TRAIN, DEV, config, killed, is_resumed=True, checkpoint_every=3)
    assert steps == list(range(killed_after // 3 * 3, 18))
    expected, found = saved_weights(whole), saved_weights(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    losses = [losses_of(folder) for folder in (whole, killed)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4


def test_toy_task_is_learnt_and_the_loss_goes_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_encoder, "_LOSS_WINDOW", 9)
    base = save_teachable_bert(tmp_path / "base")
    config = replace(CONFIG, learning_rate=0.01, batch_size=12, num_epochs=6)
    target = train_cross_encoder(base, toy_pairs(108), DEV, config, tmp_path / "model")
    losses = losses_of(tmp_path / "model")
    assert len(losses) == 6
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.9  # log 3 before anything is learnt
    assert losses[-1] < 0.3
    assert accuracy(target, DEV) == 1.0


def test_saved_folder_is_a_target_with_labels_in_order(base: str, tmp_path: Path) -> None:
    description = RunDescription(train_data="toy, 36 pairs", command="python train.py", machine="a toy")
    target = train_cross_encoder(base, TRAIN, DEV, CONFIG, tmp_path, description=description)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["id2label"] == {str(i): name for i, name in enumerate(LABEL_NAMES)}
    assert {tensor.dtype for tensor in saved_weights(tmp_path).values()} == {torch.float16}
    loaded = HuggingFaceTarget(str(tmp_path))
    assert torch.equal(loaded.predict(DEV.premises, DEV.hypotheses), target.predict(DEV.premises, DEV.hypotheses))
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    encoded = AutoTokenizer.from_pretrained(tmp_path)(DEV.premises[0], DEV.hypotheses[0], return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = model(**encoded).logits.softmax(dim=-1)
    torch.testing.assert_close(loaded.predict(DEV.premises[:1], DEV.hypotheses[:1]), expected)
    card = (tmp_path / "README.md").read_text()
    shown = ("toy, 36 pairs", "python train.py", "a toy", "Seed: 3", f"{100 * accuracy(target, DEV):.2f}%")
    assert all(text in card for text in shown)
    assert base not in card


def test_plain_encoder_gets_a_new_layer_from_the_seed(tmp_path: Path) -> None:
    from tests.constraints.fakes import save_tiny_encoder

    base = str(save_tiny_encoder(tmp_path / "encoder"))
    still = replace(CONFIG, learning_rate=0.0, weight_decay=0.0)
    weights = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_cross_encoder(base, TRAIN, DEV, replace(still, seed=seed), tmp_path / name)
        weights.append(saved_weights(tmp_path / name)["classifier.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_resuming_with_other_settings_or_without_a_state_is_refused(base: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a training state to resume from"):
        train_cross_encoder(base, TRAIN, DEV, CONFIG, tmp_path, is_resumed=True)
    train_cross_encoder(base, TRAIN, DEV, CONFIG, tmp_path)
    with pytest.raises(ValueError, match=r"training.seed of 3, got 4"):
        train_cross_encoder(base, TRAIN, DEV, replace(CONFIG, seed=4), tmp_path, is_resumed=True)
    with pytest.raises(ValueError, match="num_pairs of 36, got 9"):
        train_cross_encoder(base, DEV, DEV, CONFIG, tmp_path, is_resumed=True)


def test_callers_random_state_is_left_alone(base: str, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train_cross_encoder(base, TRAIN, DEV, CONFIG, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_input_is_refused(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = JoinedPairs((), (), ())
    with pytest.raises(ValueError, match="expected training and development pairs, got 36 and 0"):
        train_cross_encoder(base, TRAIN, empty, CONFIG, tmp_path)
    with pytest.raises(ValueError, match="expected an encoder with its tokenizer in"):
        train_cross_encoder(str(tmp_path), TRAIN, DEV, CONFIG, tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="not in the local cache, and the hub does not answer"):
        train_cross_encoder("nobody/nothing", TRAIN, DEV, CONFIG, tmp_path)


def test_loss_that_is_no_number_stops_the_run(base: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a finite loss, got nan in step"):
        train_cross_encoder(base, TRAIN, DEV, replace(CONFIG, learning_rate=1e38, warmup_share=0.0), tmp_path)
