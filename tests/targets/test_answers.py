import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textsem.protocols import TargetError
from textsem.targets.answers import ClassOrder, check_probabilities, read_rows

THREE = ClassOrder.of(["contradiction", "entailment", "neutral"])
TWO = ClassOrder.of(["not entailment", "Entailment"])
NAN = float("nan")


def rows_of(answer: object, order: ClassOrder = THREE) -> list[list[float]]:
    read = read_rows(answer, order, num_rows=2)
    assert read.dtype == torch.float32
    return [[round(value, 4) for value in row] for row in read.tolist()]


def test_order_tells_the_classes_and_their_places() -> None:
    assert (THREE.label_names, THREE.columns) == (("entailment", "neutral", "contradiction"), (1, 2, 0))
    assert (TWO.label_names, TWO.columns) == (("entailment", "not_entailment"), (1, 0))
    assert [THREE.place(name) for name in ("Neutral", "c", 0, "LABEL_1", "not_entailment", 3, -1, "LABEL_3")] == [
        1, 2, 2, 0, None, None, None, None
    ]  # fmt: skip
    assert [TWO.place(name) for name in ("non-entailment", 1, "LABEL_0", "neutral", 2)] == [1, 0, 1, None, None]


def test_numbered_labels_mean_nothing_where_nobody_said_their_order() -> None:
    assert [ClassOrder().place(name) for name in ("LABEL_0", "2", 2)] == [None, None, 2]


@pytest.mark.parametrize(
    "names", [["entailment", "neutral"], ["entailment"] * 3, ["LABEL_0", "LABEL_1"], ["yes", "no"], ["entailment"], []]
)
def test_other_names_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ClassOrder.of(names)


PROBABILITIES = [[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]]


@pytest.mark.parametrize(
    "answer",
    [
        PROBABILITIES,
        tuple(map(tuple, PROBABILITIES)),
        np.array(PROBABILITIES),
        np.array(PROBABILITIES, dtype=np.float32),
        torch.tensor(PROBABILITIES, requires_grad=True),
        [np.array(row) for row in PROBABILITIES],
        [torch.tensor(row) for row in PROBABILITIES],
        [[np.float32(value) for value in row] for row in PROBABILITIES],
        [[torch.tensor(value) for value in row] for row in PROBABILITIES],
        [dict(zip(("c", "ENTAILMENT", "LABEL_2"), row, strict=True)) for row in PROBABILITIES],
        [
            [
                {"label": name, "score": value}
                for name, value in zip(("contradiction", "E", "neutral"), row, strict=True)
            ]
            for row in PROBABILITIES
        ],
    ],
)
def test_probabilities_are_read_from_any_container(answer: object) -> None:
    assert rows_of(answer) == [[0.3, 0.5, 0.2], [0.2, 0.1, 0.7]]


def test_scores_of_a_pipeline_come_in_any_order() -> None:
    rows = [[{"label": "LABEL_1", "score": 0.9}, {"label": "LABEL_0", "score": 0.1}]] * 2
    assert rows_of(rows, TWO) == [[0.9, 0.1]] * 2


@pytest.mark.parametrize(
    "answer",
    [
        ["neutral", "Contradiction"],
        np.array(["neutral", "contradiction"]),
        [2, 0],
        np.array([2, 0]),
        torch.tensor([2, 0]),
        [np.int64(2), torch.tensor(0)],
        ["LABEL_2", "LABEL_0"],
        [{"label": "neutral", "score": 0.4}, {"label": "c", "score": 0.9}],
        [[{"label": "neutral", "score": 0.4}], [{"label": "c", "score": 0.9}]],
    ],
)
def test_labels_become_one_hot_rows(answer: object) -> None:
    assert rows_of(answer) == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("answer", "what_came"),
    [
        (0.5, "got float"),
        (None, "got NoneType"),
        ("neutral", "got str"),
        ({"label": "neutral", "score": 1.0}, "got dict"),
        (["neutral"], "got 1 rows"),
        ([], "got 0 rows"),
        (["neutral"] * 3, "got 3 rows"),
        ([[0.5, 0.5], [0.5, 0.5]], "got 2 classes in row 0"),
        ([[0.2, 0.3, 0.5], [1.0]], "got 1 classes in row 1"),
        ([[0.2, 0.3, 0.5], []], "got 0 classes in row 1"),
        ([0.2, 0.8], "got 0.2 in row 0"),
        ([True, False], "got True in row 0"),
        ([["neutral"], ["neutral"]], r"got \['neutral'\] in row 0"),
        ([[[0.2, 0.3, 0.5]]] * 2, "in row 0"),
        ([{"neutral": 1.0}] * 2, "one probability for each"),
        ([[{"label": "neutral", "score": 0.6}, {"label": "c", "score": 0.4}]] * 2, "top_k=None"),
        ([[{"label": "c", "score": 0.6}, {"label": "C", "score": 0.2}, {"label": "n", "score": 0.2}]] * 2, "for each"),
        ([{"label": 0, "score": 0.5}] * 2, "expected a label with its score"),
        ([{"neutral": "high", "c": 0.1, "e": 0.2}] * 2, "expected names of labels"),
    ],
)
def test_answer_of_another_kind_is_the_targets_fault(answer: object, what_came: str) -> None:
    with pytest.raises(TargetError, match=what_came):
        rows_of(answer)


@pytest.mark.parametrize(
    ("row", "what_came"),
    [
        (None, "got None in row 1"),
        (NAN, "got nan in row 1"),
        ("maybe", r"got 'maybe' in row 1: .*label_order"),
        (3, "got 3 in row 1"),
        ([NAN, 0.5, 0.5], "nan.* in row 1"),
        ([None, 0.5, 0.5], "nan.* in row 1"),
        ([10**400, 0.0, 0.0], "inf.* in row 1"),
        ([0.2, 0.2, 0.2], "0.2.* in row 1"),
        ([1.5, -0.5, 0.0], "-0.5.* in row 1"),
        ({"label": "neutral", "score": NAN}, "finite score.*nan.* in row 1"),
        ({"maybe": 0.2, "neutral": 0.3, "c": 0.5}, "got 'maybe' in row 1"),
        ({"e": NAN, "neutral": 0.3, "c": 0.5}, "nan.* in row 1"),
    ],
)
def test_bad_row_is_its_own_fault_and_named(row: object, what_came: str) -> None:
    with pytest.raises(ValueError, match=what_came):
        rows_of([[0.2, 0.3, 0.5], row])


def test_number_too_long_to_write_is_an_unknown_label_like_others() -> None:
    with pytest.raises(ValueError, match="got an int too long to write in row 1"):
        rows_of([0, 10**5000])


def test_name_of_the_other_classes_is_no_label() -> None:
    with pytest.raises(ValueError, match="expected a label of entailment, not_entailment, got 'neutral'"):
        rows_of(["neutral", "entailment"], TWO)


def test_message_about_a_huge_answer_is_short() -> None:
    with pytest.raises(TargetError) as caught:
        rows_of([["x" * 10**6], ["x"]])
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "answer",
    [
        [[0.5, 0.5, 0.0]],
        torch.tensor([[0, 1, 0]]),
        torch.tensor([0.2, 0.3, 0.5]),
        torch.tensor([[0.5, 0.5]]),
        torch.full((2, 3), 1 / 3),
    ],
)
def test_tensor_of_another_shape_or_kind_is_the_targets_fault(answer: object) -> None:
    with pytest.raises(TargetError, match=r"expected the target to return probabilities \[1, 3\]"):
        check_probabilities(answer, num_rows=1, num_classes=3)


@pytest.mark.parametrize(
    "row", [[NAN, 0.5, 0.5], [float("inf"), 0.5, 0.5], [2.0, -3.0, 1.0], [1.5, -0.5, 0.0], [0.2] * 3, [NAN] * 3]
)
def test_first_row_that_is_no_probabilities_is_named(row: list[float]) -> None:
    with pytest.raises(ValueError, match=r"probabilities \[3, 3\] .* in row 1$"):
        check_probabilities(torch.tensor([[0.2, 0.3, 0.5], row, [NAN] * 3]), num_rows=3, num_classes=3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_rounded_probabilities_pass_as_they_are(dtype: torch.dtype) -> None:
    rows = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)).mul(9).softmax(dim=-1).to(dtype)
    assert torch.equal(check_probabilities(rows, num_rows=50, num_classes=3), rows.float())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["neutral", "e", "C", "LABEL_1", "LABEL_99", "not_entailment", "", "\ud83d", "9" * 400])
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["label", "score", "e", "n", "c", "1", ""]), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(answer=st.lists(JSON, min_size=2, max_size=2) | JSON, order=st.sampled_from([THREE, TWO, ClassOrder()]))
def test_any_answer_is_read_or_somebodys_fault(answer: object, order: ClassOrder) -> None:
    try:
        read = read_rows(answer, order, num_rows=2)
    except (TargetError, ValueError) as error:
        assert len(str(error)) < 700  # noqa: PT017
    else:
        torch.testing.assert_close(read.sum(dim=1), torch.ones(2), atol=0.011, rtol=0)
