from collections.abc import Sequence

import pytest

from tests.attacks.fakes import candidate
from textsem.attacks.candidates import Candidate
from textsem.attacks.selection import CandidateLimits, Shortlist, plain_form, rank_candidates, select_candidates
from textsem.protocols import CandidateRows, Constraint

ORIGINAL = "A man is sleeping."


class Refuses:
    """Refuses candidates that hold a word; remembers what it was asked."""

    name = "refuses"

    def __init__(self, word: str) -> None:
        self.word = word
        self.asked: list[tuple[str, str]] = []

    def accepts(self, rows: CandidateRows) -> Sequence[bool]:
        self.asked += zip(rows.originals, rows.candidates, strict=True)
        return [self.word not in text.split() for text in rows.candidates]


def texts_of(
    proposals: Sequence[Candidate],
    limits: CandidateLimits | None = None,
    constraints: Sequence[Constraint] = (),
    original: str = ORIGINAL,
) -> list[str]:
    limits = limits or CandidateLimits()
    kept, _ = select_candidates(["p"], [original], [0], [proposals], limits=limits, constraints=constraints)
    return [c.text for c in kept[0]]


def test_ranking_is_by_similarity_then_text() -> None:
    ranked = rank_candidates(
        [candidate("b", similarity=0.5), candidate("c", similarity=0.9), candidate("a", similarity=0.5)]
    )
    assert [c.text for c in ranked] == ["c", "a", "b"]


def test_similarities_equal_but_for_rounding_tie() -> None:
    ranked = rank_candidates([candidate("b", similarity=0.5 + 1e-8), candidate("a", similarity=0.5)])
    assert [c.text for c in ranked] == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["a man is sleeping", "A MAN IS SLEEPING!", "A  man is sleeping .", "A man, is sleep-ing."]
)
def test_change_of_case_space_or_punctuation_is_dropped(text: str) -> None:
    assert texts_of([candidate(text), candidate("A man is resting.")]) == ["A man is resting."]


def test_another_word_is_another_form() -> None:
    assert plain_form("A man.") != plain_form("A men.")


def test_of_repetitions_the_highest_ranked_stays() -> None:
    low, high = candidate("A boy is sleeping.", similarity=0.2), candidate("a boy is sleeping", similarity=0.7)
    assert texts_of([low, high, high, low]) == ["a boy is sleeping"]


@pytest.mark.parametrize("symbol", ["<unknown>", "<pad>", "<start>", "<end>"])
def test_special_symbols_are_dropped(symbol: str) -> None:
    assert texts_of([candidate(f"A {symbol} is sleeping.")]) == []


@pytest.mark.parametrize(("distance", "is_kept"), [(1.0 - 1e-6, True), (1.0, True), (1.0 + 1e-6, False)])
def test_gate_is_open_up_to_eps(distance: float, is_kept: bool) -> None:
    assert bool(texts_of([candidate("A boy", distance=distance)], CandidateLimits(eps=1.0))) is is_kept


def test_gate_of_zero_lets_nothing_through() -> None:
    assert texts_of([candidate("A boy", distance=1e-6)], CandidateLimits(eps=0.0)) == []


@pytest.mark.parametrize(("edits", "is_kept"), [(2, True), (3, False)])
def test_edits_up_to_the_limit_are_kept(edits: int, is_kept: bool) -> None:
    assert bool(texts_of([candidate("A boy", edits=edits)], CandidateLimits(max_edits=2))) is is_kept


def test_constraints_see_only_what_is_left_before_them() -> None:
    first, second = Refuses("boy"), Refuses("girl")
    proposals = [
        candidate(f"a {word}", edits=edits) for word, edits in [("boy", 1), ("girl", 1), ("dog", 1), ("cat", 9)]
    ]
    assert texts_of(proposals, CandidateLimits(max_edits=3), [first, second]) == ["a dog"]
    assert [text for _, text in first.asked] == ["a boy", "a dog", "a girl"]
    assert [text for _, text in second.asked] == ["a dog", "a girl"]


def test_constraint_gets_each_pairs_own_original() -> None:
    constraint = Refuses("boy")
    proposals = [[candidate("a boy"), candidate("a cat")], [], [candidate("a dog")]]
    kept, _ = select_candidates(
        ["p", "q", "r"],
        ["one", "two", "three"],
        [0, 1, 2],
        proposals,
        limits=CandidateLimits(),
        constraints=[constraint],
    )
    assert constraint.asked == [("one", "a boy"), ("one", "a cat"), ("three", "a dog")]
    assert [[c.text for c in pair] for pair in kept] == [["a cat"], [], ["a dog"]]


def test_every_candidate_is_counted_once() -> None:
    proposals = [
        candidate("a boy"),
        candidate("A boy"),
        candidate("a man is sleeping"),
        candidate("a <unknown>"),
        candidate("a cat", distance=9.0),
        candidate("a dog", edits=9),
        candidate("a girl"),
    ]
    limits, constraints = CandidateLimits(eps=2.0, max_edits=3), [Refuses("girl")]
    _, counts = select_candidates(["p"], [ORIGINAL], [0], [proposals], limits=limits, constraints=constraints)
    dropped = dict.fromkeys(["duplicate", "unchanged", "unknown", "distance", "edits", "refuses"], 1)
    assert counts == {"proposed": 7, "kept": 1, **dropped}


@pytest.mark.parametrize("broken", [candidate("a", distance=float("nan")), candidate("a", similarity=float("inf"))])
def test_number_that_is_not_finite_is_an_error(broken: Candidate) -> None:
    with pytest.raises(ValueError, match="expected finite distance and similarity"):
        texts_of([broken])


def test_constraint_must_answer_for_every_row() -> None:
    class Short:
        name = "short"

        def accepts(self, rows: CandidateRows) -> Sequence[bool]:
            return [True]

    with pytest.raises(ValueError, match="expected 2 answers of short, got 1"):
        texts_of([candidate("a boy"), candidate("a girl")], constraints=[Short()])


@pytest.mark.parametrize("limits", [{"eps": -0.1}, {"eps": float("nan")}, {"max_edits": -1}])
def test_limits_below_zero_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected .* >= 0 or None"):
        CandidateLimits(**limits)  # type: ignore[arg-type]


class ByLength:
    """Longest text first."""

    name = "length"

    def scores(self, rows: CandidateRows) -> Sequence[float]:
        return [float(len(text)) for text in rows.candidates]


def test_ranker_orders_each_pair_and_leaves_ties_by_similarity() -> None:
    pairs = [
        [candidate("a boy", similarity=0.1), candidate("a girl", similarity=0.2), candidate("a cat", similarity=0.3)],
        [candidate("a long sentence", similarity=0.1), candidate("short", similarity=0.9)],
    ]
    kept, _ = select_candidates(["p", "q"], ["one", "two"], [0, 1], pairs, limits=CandidateLimits(), ranker=ByLength())
    assert [[c.text for c in own] for own in kept] == [["a girl", "a cat", "a boy"], ["a long sentence", "short"]]


def test_score_that_is_not_finite_is_an_error() -> None:
    class Endless(ByLength):
        def scores(self, rows: CandidateRows) -> Sequence[float]:
            return [float("inf")] * len(rows)

    with pytest.raises(ValueError, match="expected finite scores of ranker length"):
        select_candidates(["p"], ["one"], [0], [[candidate("a")]], limits=CandidateLimits(), ranker=Endless())


def test_constraint_sees_premise_original_and_label_of_its_row() -> None:
    seen = []

    class Sees:
        name = "sees"

        def accepts(self, rows: CandidateRows) -> Sequence[bool]:
            seen.append((rows.premises, rows.originals, rows.candidates, rows.labels))
            return [True] * len(rows)

    proposals = [[candidate("a"), candidate("b")], [], [candidate("c")]]
    select_candidates(
        ["p", "q", "r"], ["one", "two", "three"], [0, 1, 2], proposals, limits=CandidateLimits(), constraints=[Sees()]
    )
    assert seen == [(["p", "p", "r"], ["one", "one", "three"], ["a", "b", "c"], [0, 0, 2])]


def test_shortlist_spares_what_comes_after() -> None:
    refuses = Refuses("none")
    proposals = [[candidate("a boy"), candidate("a girl"), candidate("a cat")], [candidate("one")]]
    kept, counts = select_candidates(
        ["p", "q"],
        ["one", "two"],
        [0, 1],
        proposals,
        limits=CandidateLimits(),
        constraints=[Shortlist(ByLength(), 1), refuses],
    )
    assert [[c.text for c in own] for own in kept] == [["a girl"], ["one"]]
    assert [text for _, text in refuses.asked] == ["a girl", "one"]
    assert counts["shortlist"] == 2


def test_shortlist_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a shortlist of at least one"):
        Shortlist(ByLength(), 0)
