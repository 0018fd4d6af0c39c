import numpy as np
import pytest
import torch

from textsem.targets.callable import CallableTarget

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


@pytest.mark.parametrize(
    "answer", [[[0.5, 0.5]] * 2, [[0.2, 0.3, 0.5]], ["neutral"], [3, 0], ["maybe", "neutral"], 0.5]
)
def test_other_answers_are_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        CallableTarget(lambda pairs: answer).predict(*TWO)


def test_label_order_must_name_the_three_labels() -> None:
    with pytest.raises(ValueError, match="permutation"):
        CallableTarget(lambda pairs: [0], label_order=("entailment", "neutral", "neutral"))
