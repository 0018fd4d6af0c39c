"""Which targets look as if their classes had each other's names."""

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.evaluation.class_order import suspect_label_order
from textsem.outputs import AttackResult
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES, agree


def line(label: str, prediction: str | None) -> AttackResult:
    status = "error" if prediction is None else "failed" if agree(label, prediction) else "skipped"
    return AttackResult(0, "p", "h", label, prediction, status)  # type: ignore[arg-type]


def lines_of(
    names: Sequence[str], labels: Sequence[str], *, num_pairs: int = 120, accuracy: float = 0.85, seed: int = 0
) -> list[AttackResult]:
    """Return the lines of a target that knows its classes and calls class i ``names[i]``."""
    own = LABEL_NAMES if len(names) == 3 else TWO_CLASS_NAMES
    draw = random.Random(seed)
    found = []
    for i in range(num_pairs):
        label = labels[i % len(labels)]
        right = [k for k, name in enumerate(own) if agree(label, name)]
        wrong = [k for k in range(len(own)) if k not in right]
        found.append(line(label, names[draw.choice(right if draw.random() < accuracy else wrong)]))
    return found


def mend_in(sentence: str | None, num_names: int) -> tuple[str, ...]:
    assert sentence is not None
    return tuple(sentence.split("--label-order ")[1].replace(",", "").split()[:num_names])


@pytest.mark.parametrize("names", list(itertools.permutations(LABEL_NAMES)))
def test_every_wrong_order_of_three_is_found_and_the_mend_is_right(names: tuple[str, ...]) -> None:
    lines = lines_of(names, LABEL_NAMES)
    sentence = suspect_label_order(lines)
    if names == LABEL_NAMES:
        assert sentence is None
        return
    # With the mend, what was called names[i] is called what it is.
    renamed = dict(zip(LABEL_NAMES, mend_in(sentence, 3), strict=True))
    assert [renamed[name] for name in names] == list(LABEL_NAMES)


def test_mend_is_told_in_the_order_of_the_targets_outputs() -> None:
    # Its outputs are contradiction, entailment, neutral; it was loaded as if they were neutral, entailment, ...
    true, given_order = ("contradiction", "entailment", "neutral"), ("neutral", "entailment", "contradiction")
    said = tuple(given_order[true.index(name)] for name in LABEL_NAMES)
    assert mend_in(suspect_label_order(lines_of(said, LABEL_NAMES), given_order), 3) == true


def test_two_classes_the_wrong_way_round_are_found() -> None:
    lines = lines_of(TWO_CLASS_NAMES[::-1], TWO_CLASS_NAMES)
    assert mend_in(suspect_label_order(lines), 2) == (NOT_ENTAILMENT, "entailment")
    assert suspect_label_order(lines_of(TWO_CLASS_NAMES, TWO_CLASS_NAMES)) is None
    # Data with three labels say the same.
    assert mend_in(suspect_label_order(lines_of(TWO_CLASS_NAMES[::-1], LABEL_NAMES)), 2)
    assert suspect_label_order(lines_of(TWO_CLASS_NAMES, LABEL_NAMES)) is None


def test_data_with_two_labels_find_what_they_can_tell() -> None:
    names = ("contradiction", "neutral", "entailment")
    sentence = suspect_label_order(lines_of(names, TWO_CLASS_NAMES))
    assert sentence is not None
    assert "contradiction is entailment" in sentence
    # Neutral and contradiction are one to such data.
    assert suspect_label_order(lines_of(("entailment", "contradiction", "neutral"), TWO_CLASS_NAMES)) is None


@pytest.mark.parametrize("names", list(itertools.permutations(LABEL_NAMES)))
def test_no_more_is_renamed_than_the_data_can_tell(names: tuple[str, ...]) -> None:
    sentence = suspect_label_order(lines_of(names, TWO_CLASS_NAMES))
    mended = LABEL_NAMES if sentence is None else mend_in(sentence, 3)
    assert sum(new != old for new, old in zip(mended, LABEL_NAMES, strict=True)) in (0, 2)


def test_target_that_the_data_were_chosen_against_is_bad_and_no_more() -> None:
    # No order is right on more than half: each wrong class has 45% of the pairs.
    assert suspect_label_order(lines_of(LABEL_NAMES, LABEL_NAMES, accuracy=0.1, num_pairs=600)) is None


def test_order_that_is_hardly_better_is_not_told() -> None:
    e, n, c = LABEL_NAMES
    counts = {(e, e): 60, (n, n): 15, (n, c): 25, (n, e): 30, (c, c): 15, (c, n): 25, (c, e): 30}
    # 45% are right, 55% would be with neutral and contradiction exchanged; a third is contradiction.
    assert suspect_label_order([line(*pair) for pair, count in counts.items() for _ in range(count)]) is None
    assert suspect_label_order([line(*pair) for pair, count in counts.items() for _ in range(20 * count)]) is not None


def test_sentence_says_how_often_the_target_is_right() -> None:
    lines = [line("entailment", "contradiction")] * 30 + [line("contradiction", "entailment")] * 30
    lines += [line("neutral", "neutral")] * 15
    sentence = suspect_label_order(lines)
    assert sentence is not None
    assert sentence.startswith(
        "The target is right on only 20.0% of 75 pairs, and would be on 100.0% if what it calls "
    )
    assert "entailment is contradiction, contradiction is entailment: its" in sentence
    assert "--label-order contradiction neutral entailment, or" in sentence
    assert "id2label" in sentence


def test_too_few_pairs_say_nothing() -> None:
    lines = lines_of(LABEL_NAMES[::-1], LABEL_NAMES, num_pairs=30, accuracy=1.0)
    assert suspect_label_order(lines) is not None
    assert suspect_label_order(lines[:29]) is None
    refused = [line("entailment", None), line("unrelated", "neutral"), line("", None)]
    assert suspect_label_order([*lines[:29], *refused * 5]) is None
    assert suspect_label_order([]) is None


@pytest.mark.parametrize("said", GOLD_NAMES)
@pytest.mark.parametrize("label", GOLD_NAMES)
def test_target_that_knows_one_answer_is_bad_and_no_more(said: str, label: str) -> None:
    assert suspect_label_order([line(label, said)] * 100) is None
    mixed = [line(name, said) for name in LABEL_NAMES for _ in range(100 if name == label else 20)]
    assert suspect_label_order(mixed) is None


@pytest.mark.parametrize("names", [LABEL_NAMES, TWO_CLASS_NAMES])
def test_target_that_guesses_gives_no_sentence(names: tuple[str, ...]) -> None:
    for seed in range(20):
        assert suspect_label_order(lines_of(names, names, accuracy=1 / len(names), num_pairs=300, seed=seed)) is None


@given(st.lists(st.tuples(st.sampled_from(GOLD_NAMES), st.sampled_from(LABEL_NAMES)), min_size=25, max_size=60))
def test_sentence_only_where_the_mend_makes_it_right_more_often(pairs: list[tuple[str, str]]) -> None:
    sentence = suspect_label_order([line(*pair) for pair in pairs])
    if sentence is not None:
        renamed = dict(zip(LABEL_NAMES, mend_in(sentence, 3), strict=True))
        right = sum(agree(label, said) for label, said in pairs)
        mended = sum(agree(label, renamed[said]) for label, said in pairs)
        assert right < len(pairs) / 2 < mended
