from pathlib import Path

import numpy as np
import pytest
import torch

from textsem.protocols import TargetError
from textsem.targets.callable import CallableTarget
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.text.labels import TWO_CLASS_NAMES

TWO = (["p", "q"], ["a", "b"])


def test_function_gets_the_pairs() -> None:
    asked: list[list[tuple[str, str]]] = []

    def function(pairs: list[tuple[str, str]]) -> list[str]:
        asked.append(pairs)
        return ["neutral"] * len(pairs)

    CallableTarget(function).predict(*TWO)
    assert asked == [[("p", "a"), ("q", "b")]]


@pytest.mark.parametrize("wrap", [lambda rows: rows, np.array, torch.tensor, lambda rows: torch.tensor(rows).double()])
def test_probabilities_pass_in_any_container(wrap: object) -> None:
    rows = [[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]]
    answer = CallableTarget(lambda pairs: wrap(rows)).predict(*TWO)  # type: ignore[operator]
    torch.testing.assert_close(answer, torch.tensor(rows))


def test_label_order_moves_the_columns() -> None:
    target = CallableTarget(lambda pairs: [[0.2, 0.3, 0.5]], label_order=("contradiction", "entailment", "neutral"))
    torch.testing.assert_close(target.predict(["p"], ["a"]), torch.tensor([[0.3, 0.5, 0.2]]))


def test_labels_become_one_hot_rows() -> None:
    order = ("contradiction", "entailment", "neutral")
    by_number = CallableTarget(lambda pairs: np.array([0, 2]), label_order=order).predict(*TWO)
    by_name = CallableTarget(lambda pairs: ["Contradiction", "neutral"], label_order=order).predict(*TWO)
    assert by_number.tolist() == by_name.tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_two_names_make_a_target_of_two_classes() -> None:
    scores = CallableTarget(lambda pairs: [[0.8, 0.2], [0.4, 0.6]], label_order=("not_entailment", "entailment"))
    assert scores.label_names == TWO_CLASS_NAMES
    torch.testing.assert_close(scores.predict(*TWO), torch.tensor([[0.2, 0.8], [0.6, 0.4]]))
    labels = CallableTarget(lambda pairs: ["not_entailment", 0], label_order=TWO_CLASS_NAMES)
    assert labels.predict(*TWO).tolist() == [[0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize("top_k", [1, None])
def test_pipeline_of_transformers_is_taken_as_it_is(bert_folder: Path, top_k: int | None) -> None:
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(bert_folder))
    target = CallableTarget(lambda pairs: classify([{"text": p, "text_pair": h} for p, h in pairs], top_k=top_k))
    pairs = (["a man is sleeping", "two people"], ["a dog", "the woman is outside ."])
    expected = HuggingFaceTarget(str(bert_folder)).predict(*pairs)
    if top_k is None:
        torch.testing.assert_close(target.predict(*pairs), expected, atol=1e-5, rtol=0)
    else:
        assert target.predict(*pairs).argmax(dim=1).tolist() == expected.argmax(dim=1).tolist()


@pytest.mark.parametrize("answer", [[[0.5, 0.5]] * 2, [[0.2, 0.3, 0.5]], ["neutral"], 0.5, None])
def test_wrong_numbers_of_rows_or_classes_end_the_run(answer: object) -> None:
    with pytest.raises(TargetError, match="expected 2 labels or rows of 3 probabilities"):
        CallableTarget(lambda pairs: answer).predict(*TWO)


@pytest.mark.parametrize("answer", [[3, 0], ["maybe", "neutral"], [[float("nan")] * 3, [0.2, 0.3, 0.5]]])
def test_bad_row_is_that_pairs_fault(answer: object) -> None:
    with pytest.raises(ValueError, match="in row 0"):
        CallableTarget(lambda pairs: answer).predict(*TWO)


def test_numbered_labels_need_a_label_order() -> None:
    with pytest.raises(ValueError, match=r"'LABEL_0' in row 0: .* pass label_order"):
        CallableTarget(lambda pairs: ["LABEL_0"]).predict(["p"], ["a"])
    target = CallableTarget(lambda pairs: ["LABEL_0"], label_order=("contradiction", "neutral", "entailment"))
    assert target.predict(["p"], ["a"]).tolist() == [[0.0, 0.0, 1.0]]


def test_what_the_function_raises_passes_unchanged() -> None:
    error = KeyError("mine")

    def function(pairs: list[tuple[str, str]]) -> list[str]:
        raise error

    with pytest.raises(KeyError) as caught:
        CallableTarget(function).predict(*TWO)
    assert caught.value is error


@pytest.mark.parametrize("order", [("entailment", "neutral", "neutral"), ("entailment", "neutral"), ("yes", "no"), ()])
def test_label_order_must_name_the_three_labels_or_the_two(order: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="entailment, not_entailment"):
        CallableTarget(lambda pairs: [0], label_order=order)
