from collections.abc import Sequence

import pytest

from tests.constraints.fakes import FakeTagger, as_rows
from textsem.constraints.agreement import AgreementConstraint
from textsem.constraints.conjunction import Composable, Conjunction
from textsem.constraints.edits import EditsConstraint
from textsem.constraints.fluency import FluencyConstraint
from textsem.constraints.part_of_speech import PartOfSpeechConstraint
from textsem.constraints.similarity import SimilarityConstraint
from textsem.protocols import CandidateRows, Constraint

ROWS = as_rows(["o"] * 5, ["abc", "ab", "bc", "ac", "c"])


class Has:
    """A user's own constraint, which knows nothing of ours: the candidate has the letter."""

    def __init__(self, letter: str) -> None:
        self.name = letter
        self.asked: list[list[str]] = []

    def accepts(self, rows: CandidateRows) -> list[bool]:
        self.asked.append(list(rows.candidates))
        return [self.name in candidate for candidate in rows.candidates]


class ComposableHas(Has, Composable):
    pass


def test_accepts_what_all_parts_accept() -> None:
    assert Conjunction(Has("a"), Has("b"), Has("c")).accepts(ROWS) == [True, False, False, False, False]
    assert Conjunction(Has("c")).accepts(ROWS) == [True, False, True, True, True]


def test_each_part_is_asked_about_what_the_parts_before_accepted() -> None:
    parts = [Has("a"), Has("b"), Has("c"), Has("z"), Has("a")]
    assert Conjunction(*parts).accepts(ROWS) == [False] * 5
    assert [part.asked for part in parts] == [
        [["abc", "ab", "bc", "ac", "c"]],
        [["abc", "ab", "ac"]],
        [["abc", "ab"]],
        [["abc"]],
        [],
    ]


def test_ampersand_flattens_and_keeps_the_order() -> None:
    a, b, c, d = (ComposableHas(letter) for letter in "abcd")
    both = (a & b) & (c & d)
    assert isinstance(both, Conjunction)
    assert both.parts == (a, b, c, d)
    assert both.name == "a & b & c & d"
    assert isinstance(both, Constraint)


def test_users_own_constraint_composes_from_either_side() -> None:
    own, ours = Has("a"), ComposableHas("b")
    assert (own & ours).parts == (own, ours)
    assert (ours & own).parts == (ours, own)
    assert (own & (ours & own)).parts == (own, ours, own)


def test_what_is_no_constraint_does_not_compose() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        ComposableHas("a") & "b"  # type: ignore[operator]


@pytest.mark.parametrize(
    "kind", [AgreementConstraint, EditsConstraint, FluencyConstraint, PartOfSpeechConstraint, SimilarityConstraint]
)
def test_every_constraint_of_ours_composes(kind: type) -> None:
    assert issubclass(kind, Composable)


def test_real_constraints_agree_with_asking_each() -> None:
    tagger = FakeTagger(NN="dog cat", VB="run sleep")
    edits, tags = EditsConstraint(max_edits=1), PartOfSpeechConstraint(tagger)
    rows = as_rows(["dog run"] * 4, ["cat run", "cat sleep", "run run", "dog run"])
    expected = [a and b for a, b in zip(edits.accepts(rows), tags.accepts(rows), strict=True)]
    assert (edits & tags).accepts(rows) == expected == [True, False, False, True]
    assert (edits & tags).name == "edits & part_of_speech"


def test_no_row_asks_nobody() -> None:
    part = Has("a")
    assert Conjunction(part).accepts(as_rows([], [])) == []
    assert part.asked == []


def test_part_that_answers_too_little_is_named() -> None:
    class Silent(Has):
        def accepts(self, rows: CandidateRows) -> Sequence[bool]:  # type: ignore[override]
            return []

    with pytest.raises(ValueError, match="expected 3 answers of silent, got 0"):
        Conjunction(Has("a"), Silent("silent")).accepts(ROWS)


def test_nothing_is_no_conjunction() -> None:
    with pytest.raises(ValueError, match="expected at least one constraint, got none"):
        Conjunction()
