import pytest

from tests.constraints.fakes import as_rows
from textsem.constraints.edits import EditsConstraint
from textsem.protocols import Constraint

ORIGINAL = "A man is asleep."
CANDIDATES = {
    "A man is asleep.": 0,
    "a MAN is asleep": 0,
    "A woman is asleep.": 1,
    "A young man is asleep.": 1,
    "Man is asleep.": 1,
    "A young woman is asleep.": 2,
    "The dog was here.": 4,
}


@pytest.mark.parametrize("allowed", [0, 1, 2, 3, 4])
def test_known_counts(allowed: int) -> None:
    rows = as_rows([ORIGINAL] * len(CANDIDATES), list(CANDIDATES))
    expected = [edits <= allowed for edits in CANDIDATES.values()]
    assert EditsConstraint(max_edits=allowed).accepts(rows) == expected


@pytest.mark.parametrize(("share", "allowed"), [(0.24, 0), (0.25, 1), (0.49, 1), (0.5, 2), (1.0, 4)])
def test_known_shares_of_four_words(share: float, allowed: int) -> None:
    rows = as_rows([ORIGINAL] * len(CANDIDATES), list(CANDIDATES))
    assert EditsConstraint(max_share=share).accepts(rows) == [edits <= allowed for edits in CANDIDATES.values()]


def test_share_is_of_each_originals_own_words() -> None:
    rows = as_rows(["A man sleeps.", "A man sleeps in a park ."], ["A dog sleeps.", "A dog sleeps in a park ."])
    assert EditsConstraint(max_share=0.2).accepts(rows) == [False, True]


def test_share_that_rounding_could_spoil_is_met() -> None:
    words = [f"w{i}" for i in range(100)]
    changed = [f"v{i}" if i < 29 else word for i, word in enumerate(words)]
    assert 100 * 0.29 < 29
    assert EditsConstraint(max_share=0.29).accepts(as_rows([" ".join(words)], [" ".join(changed)])) == [True]


def test_both_conditions_hold() -> None:
    rows = as_rows(["a b c d e f g h"] * 2 + ["a b"], ["a b c d e f g x", "a b c d e f y x", "a x"])
    assert EditsConstraint(max_edits=1, max_share=0.25).accepts(rows) == [True, False, False]


def test_original_without_a_word_allows_no_share() -> None:
    rows = as_rows(["", "!", "!"], ["word", "?", "word"])
    assert EditsConstraint(max_share=5.0).accepts(rows) == [False, True, False]
    assert EditsConstraint(max_edits=1).accepts(rows) == [True, True, True]


def test_it_is_a_constraint_named_edits() -> None:
    assert isinstance(EditsConstraint(max_edits=1), Constraint)
    assert EditsConstraint.name == "edits"
    assert EditsConstraint(max_edits=1).accepts(as_rows([], [])) == []


@pytest.mark.parametrize(
    ("max_edits", "max_share", "message"),
    [
        (None, None, "expected max_edits or max_share, got neither"),
        (-1, None, "expected max_edits of 0 or more, got -1"),
        (None, 0.0, "expected max_share above 0, got 0.0"),
        (None, float("nan"), "expected max_share above 0, got nan"),
    ],
)
def test_limits_out_of_range_are_refused(max_edits: int | None, max_share: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EditsConstraint(max_edits=max_edits, max_share=max_share)
