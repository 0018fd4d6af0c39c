import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.text.labels import (
    GOLD_NAMES,
    LABEL_NAMES,
    NOT_ENTAILMENT,
    TWO_CLASS_NAMES,
    agree,
    agreeing_classes,
    align_labels,
    gold_id,
    label_id,
)

NO_ENTAILMENT = [
    "not_entailment",
    "NOT_ENTAILMENT",
    "not entailment",
    "Non-Entailment",
    "non_entailment",
    "nonentailment",
    " not-entailed ",
]
SPELLINGS = {
    "entailment": ["entailment", "ENTAILMENT", " Entailment", "e"],
    "neutral": ["neutral", "Neutral ", "n"],
    "contradiction": ["contradiction", "CONTRADICTION", "c"],
    NOT_ENTAILMENT: NO_ENTAILMENT,
}


@pytest.mark.parametrize("name", NO_ENTAILMENT)
def test_no_entailment_has_many_spellings(name: str) -> None:
    assert (gold_id(name), label_id(name)) == (3, None)


@pytest.mark.parametrize("name", ["", "-", "no", "not", "entailment not", "not neutral", "LABEL_3", "3", "unrelated"])
def test_other_names_are_no_gold_label(name: str) -> None:
    assert gold_id(name) is None


def test_gold_labels_begin_with_the_three() -> None:
    assert [gold_id(name) for name in GOLD_NAMES] == [0, 1, 2, 3]
    assert [label_id(name) for name in GOLD_NAMES] == [0, 1, 2, None]


def test_known_agreements() -> None:
    agreeing = {(a, b) for a in GOLD_NAMES for b in GOLD_NAMES if agree(a, b)}
    own = {(name, name) for name in GOLD_NAMES}
    merged = {(NOT_ENTAILMENT, "neutral"), (NOT_ENTAILMENT, "contradiction")}
    assert agreeing == own | merged | {(b, a) for a, b in merged}


@pytest.mark.parametrize("label", [*GOLD_NAMES, "maybe"])
def test_nothing_agrees_with_no_answer_or_a_strange_label(label: str) -> None:
    assert not agree(label, None)
    assert not agree(label, "unrelated")
    assert not agree("unrelated", label)


@given(st.sampled_from(GOLD_NAMES) | st.text(max_size=20), st.sampled_from(GOLD_NAMES) | st.text(max_size=20))
def test_agreement_is_mutual_and_with_oneself(first: str, second: str) -> None:
    assert agree(first, first)
    assert agree(first, second) == agree(second, first)


@given(st.sampled_from(GOLD_NAMES), st.sampled_from([LABEL_NAMES, TWO_CLASS_NAMES]))
def test_merging_three_classes_into_two_keeps_agreement(label: str, names: tuple[str, ...]) -> None:
    def merged(name: str) -> str:
        return "entailment" if name == "entailment" else NOT_ENTAILMENT

    # Whoever agrees on three classes agrees on two; a label of two is agreed with by exactly what merges into it.
    for name in names:
        if agree(label, name):
            assert merged(label) == merged(name)
        if label == NOT_ENTAILMENT or names == TWO_CLASS_NAMES:
            assert agree(label, name) == (merged(label) == merged(name))


@given(st.sampled_from(GOLD_NAMES), st.sampled_from([LABEL_NAMES, TWO_CLASS_NAMES]))
def test_agreeing_classes_are_some_and_never_all(label: str, names: tuple[str, ...]) -> None:
    classes = agreeing_classes(label, names)
    assert 1 <= len(classes) < len(names)
    assert [names[i] for i in classes] == [name for name in names if agree(label, name)]


def test_label_that_agrees_with_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"agrees with one of \[entailment, not_entailment\], got 'unrelated'"):
        agreeing_classes("unrelated", TWO_CLASS_NAMES)


@given(st.data())
def test_order_picks_two_or_three_names_in_any_spelling(data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from([LABEL_NAMES, TWO_CLASS_NAMES]))
    shuffled = data.draw(st.permutations(wanted))
    names = [data.draw(st.sampled_from(SPELLINGS[name])) for name in shuffled]
    order = align_labels(names)
    assert [shuffled[i] for i in order] == list(wanted)
    assert align_labels(dict(enumerate(names))) == order
    numbered = [f"LABEL_{i}" for i in range(len(names))]
    assert align_labels(numbered, names) == order
    # Names that say what they mean are believed over any order.
    assert align_labels(names, data.draw(st.permutations(wanted))) == order


@given(st.lists(st.sampled_from([*GOLD_NAMES, "LABEL_0", "unrelated", ""]) | st.text(max_size=8), max_size=5))
def test_names_are_taken_whole_or_refused(names: list[str]) -> None:
    if sorted(-1 if (place := gold_id(name)) is None else place for name in names) in ([0, 1, 2], [0, 3]):
        order = align_labels(names)
        assert [gold_id(names[i]) for i in order] in ([0, 1, 2], [0, 3])
        assert sorted(order) == list(range(len(names)))
    else:
        with pytest.raises(ValueError, match="expected"):
            align_labels(names)


def test_two_numbers_need_two_names() -> None:
    with pytest.raises(ValueError, match="the two names in the order of their numbers"):
        align_labels(["LABEL_0", "LABEL_1"])
    assert align_labels(["LABEL_0", "LABEL_1"], ["not_entailment", "entailment"]) == (1, 0)
    for order in (["e", "n"], ["e", "e"]):
        with pytest.raises(ValueError, match="expected the labels entailment, neutral, contradiction"):
            align_labels(["0", "1"], order)
    with pytest.raises(ValueError, match="one name in label_order for each"):
        align_labels(["0", "1"], ["e", "n", "c"])


@pytest.mark.parametrize("other", ["neutral", "CONTRADICTION"])
def test_second_class_of_two_that_is_half_an_answer_needs_the_order(other: str) -> None:
    with pytest.raises(ValueError, match=r"\(--label-order\) not_entailment, entailment"):
        align_labels([other, "entailment"])
    assert align_labels([other, "entailment"], ["not_entailment", "entailment"]) == (1, 0)
    with pytest.raises(ValueError, match=rf"leave entailment where \[{other}, entailment\] has it"):
        align_labels([other, "entailment"], ["entailment", "not_entailment"])
    with pytest.raises(ValueError, match="expected the labels"):
        align_labels([other, "entailment"], ["contradiction", "entailment"])


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
        ["entailment", "entailment"],
        ["neutral", "not_entailment"],
        ["entailment", "neutral", "not_entailment"],
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
