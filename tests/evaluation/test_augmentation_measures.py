"""Test sets of the experiment: what is in them, who is right on them; label noise and cost."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.evaluation.augmentation_experiment import LINES, write_pairs, write_run
from textsem.attacks.new_rows import NewRow
from textsem.data.nli import load_nli
from textsem.evaluation import augmentation_measures
from textsem.evaluation.augmentation_config import AugmentationConfig
from textsem.evaluation.augmentation_measures import (
    MeasuredSet,
    label_noise,
    load_measured_set,
    measure_cost,
    read_unseen,
    right_digits,
)
from textsem.evaluation.augmented_rows import AugmentedRow
from textsem.text.labels import LABEL_NAMES, TWO_CLASS_NAMES


class FirstWord:
    """Answers with the class that the hypothesis begins with."""

    def __init__(self, label_names: tuple[str, ...] = LABEL_NAMES) -> None:
        self.label_names = label_names

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        classes = [self.label_names.index(hypothesis.split()[0]) for hypothesis in hypotheses]
        return torch.eye(len(self.label_names))[classes]


def test_unseen_set_holds_the_successes_with_their_gold_labels(tmp_path: Path) -> None:
    run = write_run(tmp_path / "textfooler", tmp_path)
    sets, target = read_unseen("textfooler", run)
    assert target is not None
    whole, kept = sets["textfooler"], sets["textfooler, label kept"]
    assert (whole.kind, kept.kind) == ("unseen", "label kept")
    assert list(zip(whole.premises, whole.hypotheses, whole.labels, strict=True)) == [
        ("a cat sleeps", "there sits a cat", "entailment"),
        ("a bird sleeps", "there is some bird", "contradiction"),
    ]
    assert list(kept.hypotheses) == ["there sits a cat"]  # the judge takes the bird for an entailment


def test_run_that_nobody_judged_gives_one_set(tmp_path: Path) -> None:
    assert list(read_unseen("pwws", write_run(tmp_path / "pwws", tmp_path, is_judged=False))[0]) == ["pwws"]


def test_run_that_is_not_finished_or_without_success_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"finished attack run for a, got .* without results.jsonl"):
        read_unseen("a", tmp_path)
    run = write_run(tmp_path / "cut off", tmp_path)
    (run / "summary.json").unlink()
    with pytest.raises(ValueError, match=r"finished attack run for a, got .* without summary.json"):
        read_unseen("a", run)
    with pytest.raises(ValueError, match="expected successes"):
        read_unseen("a", write_run(tmp_path / "none", tmp_path, LINES[:1], is_judged=False))


def test_data_set_is_its_test_split_unless_another_is_named(tmp_path: Path) -> None:
    for split, size in (("train", 5), ("dev", 4), ("test", 3)):
        write_pairs(tmp_path / f"{split}.jsonl", size, seed=0)
    sizes = {place: len(load_measured_set(str(place), kind="other").labels) for place in (tmp_path, f"{tmp_path}:dev")}
    assert list(sizes.values()) == [3, 4]
    assert len(load_measured_set(str(tmp_path / "train.jsonl"), kind="other").labels) == 5


def test_digest_tells_sets_of_one_size_apart() -> None:
    one, other = (MeasuredSet("other", "s", ["p"], [text], ["neutral"]).describe() for text in ("h", "g"))
    assert {**one, "sha256": ""} == {**other, "sha256": ""} == {"kind": "other", "rows": 1, "source": "s", "sha256": ""}
    assert one["sha256"] != other["sha256"]


def test_a_row_is_right_where_the_most_likely_class_agrees() -> None:
    rows = MeasuredSet(
        "clean", "s", ["p"] * 4, ["neutral", "entailment", "neutral", "contradiction"],
        ["neutral", "neutral", "contradiction", "contradiction"],
    )  # fmt: skip
    assert right_digits(FirstWord(), rows) == "1001"
    two = MeasuredSet("clean", "s", ["p"] * 3, ["not_entailment x"] * 3, list(LABEL_NAMES))
    assert right_digits(FirstWord(TWO_CLASS_NAMES), two) == "011"


def test_rows_beyond_one_chunk_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation_measures, "_CHUNK", 2)
    rows = MeasuredSet("clean", "s", ["p"] * 5, [LABEL_NAMES[i % 3] for i in range(5)], ["neutral"] * 5)
    assert right_digits(FirstWord(), rows) == "01001"


def test_label_noise_is_the_share_that_the_judge_labels_otherwise() -> None:
    rows = [AugmentedRow("p", LABEL_NAMES[i % 3], 0, "h", "x") for i in range(9)]
    assert label_noise(FirstWord(), rows) == {"rows": 9, "disagree": 6}
    many = [AugmentedRow("p", LABEL_NAMES[i >= 1200], 0, "h", "x") for i in range(2400)]
    found = label_noise(FirstWord(), many)
    assert found["rows"] == 1000
    assert found == label_noise(FirstWord(), many)
    assert 440 <= found["disagree"] <= 560  # half of them, within four standard errors of a random sample


def test_cost_is_processor_time_a_pair_with_filters_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[AugmentationConfig, int]] = []
    clock = iter([0.0, 0.4, 1.0, 1.1])

    class Augmenter:
        def __init__(self, config: AugmentationConfig) -> None:
            self.config, self.counts = config, Counter[str]()
            self.identity: dict[str, dict[str, str | None]] = {}

        def new_rows(
            self, premises: Sequence[str], hypotheses: Sequence[str], labels: Sequence[str | None]
        ) -> list[list[NewRow]]:
            asked.append((self.config, len(premises)))
            num_new = 1 if self.config.filter_model == "f" else 3
            return [[NewRow("h", "neighbours")] * num_new for _ in premises]

    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    pairs = load_nli(str(write_pairs(tmp_path / "pairs.jsonl", 20, seed=0)))
    config = AugmentationConfig(sources=("neighbours",), filter_model="f", part_of_speech="penn", share=0.5)
    cost = measure_cost(config, pairs, Augmenter)
    assert cost == pytest.approx(
        {
            "ms_a_row_with_filters": 20.0,
            "new_rows_a_pair": 1.0,
            "ms_a_row_without_filters": 5.0,
            "new_rows_a_pair_without_filters": 3.0,
        }
    )
    assert [size for _, size in asked] == [1, 20, 1, 20]  # the first one loads the models and is not timed
    bare = asked[-1][0]
    assert (bare.filter_model, bare.part_of_speech, bare.max_perplexity_ratio, bare.min_similarity) == (
        "none", "none", None, None,
    )  # fmt: skip
    assert {given.share for given, _ in asked} == {1.0}
    assert json.dumps(cost)
