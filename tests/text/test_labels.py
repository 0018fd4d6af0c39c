import itertools

import pytest

from textsem.text.labels import LABEL_NAMES, align_labels, label_id


@pytest.mark.parametrize("names", list(itertools.permutations(["Entailment", "NEUTRAL", "c"])))
def test_order_picks_the_three_names_from_any_permutation(names: tuple[str, ...]) -> None:
    order = align_labels(names)
    assert [label_id(names[i]) for i in order] == [0, 1, 2]


def test_mapping_is_read_by_number_not_by_its_order() -> None:
    assert align_labels({2: "entailment", 0: "contradiction", 1: "neutral"}) == (2, 1, 0)
    assert align_labels({"2": "neutral", "0": "contradiction", "1": "entailment"}) == (1, 2, 0)


@pytest.mark.parametrize(
    "names", [["LABEL_0", "LABEL_1", "LABEL_2"], ["0", "1", "2"], ["label 0", "label-1", "Label2"]]
)
def test_numbers_need_the_order_of_labels(names: list[str]) -> None:
    with pytest.raises(ValueError, match="label_order"):
        align_labels(names)
    assert align_labels(names, ["contradiction", "Entailment", "n"]) == (1, 2, 0)


def test_names_that_say_what_they_mean_are_believed_over_the_order() -> None:
    assert align_labels(LABEL_NAMES, ["c", "n", "e"]) == (0, 1, 2)


@pytest.mark.parametrize(
    "names",
    [
        ["entailment", "not_entailment"],
        ["entailment", "neutral", "neutral"],
        ["entailment", "neutral", "contradiction", "hidden"],
        ["LABEL_0", "neutral", "contradiction"],
        [],
    ],
)
def test_uncertain_names_are_refused_and_shown(names: list[str]) -> None:
    with pytest.raises(ValueError, match="expected the labels entailment, neutral, contradiction") as error:
        align_labels(names, ["e", "n", "c"])
    assert all(name in str(error.value) for name in names)


def test_wrong_label_order_is_refused() -> None:
    numbered = ["LABEL_0", "LABEL_1", "LABEL_2"]
    with pytest.raises(ValueError, match=r"got \[e, n, maybe\]"):
        align_labels(numbered, ["e", "n", "maybe"])
    with pytest.raises(ValueError, match="one name in label_order for each"):
        align_labels(numbered, ["e", "n"])


def test_gap_in_the_class_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"without gaps, got \[0, 1, 3\]"):
        align_labels({0: "entailment", 1: "neutral", 3: "contradiction"})
