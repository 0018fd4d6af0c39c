"""New training rows: which source gets which candidate, in which order, and who has to consent."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.attacks.fakes import FakeSource, FakeTarget, candidate, fake_data
from textsem.attacks.candidates import Candidate, pair_seed
from textsem.attacks.new_rows import (
    ADVERSARIAL,
    BOUNDARY,
    NEIGHBOURS,
    SOURCES,
    NewRow,
    NewRowRules,
    find_new_rows,
    label_margins,
)
from textsem.attacks.selection import CandidateLimits
from textsem.protocols import CandidateRows
from textsem.text.labels import GOLD_NAMES

# What a target says about entailment; the other classes share the rest.
SURE, NEAR, NEARER, FLIP = 0.99, 0.5, 0.4, 0.2


class Table:
    """Looks the probability of entailment up by the hypothesis; neutral gets 3/5 of the rest."""

    label_names: tuple[str, ...] = GOLD_NAMES[:3]

    def __init__(self, **probabilities: float) -> None:
        self.probabilities = probabilities
        self.asked: list[str] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.asked += hypotheses
        p = torch.tensor([self.probabilities[text] for text in hypotheses])
        return torch.stack([p, 0.6 * (1 - p), 0.4 * (1 - p)], dim=1)


@dataclass
class Lists:
    """Proposes what it was given, whatever the hypothesis."""

    candidates: list[Candidate]
    name: str = "lists"

    def supports(self, hypothesis: str) -> None:
        return None

    def propose(
        self, hypotheses: Sequence[str], labels: Sequence[int], seeds: Sequence[int], num_candidates: int
    ) -> list[list[Candidate]]:
        return [self.candidates for _ in hypotheses]


@dataclass
class Refuses:
    texts: tuple[str, ...]
    name: str = "refusal"

    def __post_init__(self) -> None:
        self.asked: list[str] = []

    def accepts(self, rows: CandidateRows) -> list[bool]:
        self.asked += rows.candidates
        return [text not in self.texts for text in rows.candidates]


WORDS = {"far": SURE, "close": NEAR, "closer": NEARER, "flipped": FLIP, "other": FLIP}
SIMILARITIES = {"other": 0.95, "flipped": 0.9, "far": 0.8, "close": 0.7, "closer": 0.6}
CANDIDATES = [candidate(word, similarity=similarity) for word, similarity in SIMILARITIES.items()]


def find(
    rules: NewRowRules,
    *,
    target: Table | None,
    consent: Sequence[Refuses] = (),
    seed: int = 0,
    label: str = "entailment",
) -> tuple[list[NewRow], dict[str, int]]:
    rows, counts = find_new_rows(
        ["p"],
        ["old"],
        [label],
        [seed],
        source=Lists(CANDIDATES),
        rules=rules,
        target=target,
        limits=CandidateLimits(),
        consent=consent,
    )
    return rows[0], counts


def test_flips_come_closest_in_meaning_first_and_the_boundary_nearest_first() -> None:
    rows, counts = find(NewRowRules((ADVERSARIAL, BOUNDARY), rows_per_source=2), target=Table(old=SURE, **WORDS))
    assert rows == [
        NewRow("other", ADVERSARIAL),
        NewRow("flipped", ADVERSARIAL),
        NewRow("closer", BOUNDARY),
        NewRow("close", BOUNDARY),
    ]
    assert counts["kept adversarial"] == counts["kept boundary"] == 2


def test_boundary_is_as_wide_as_it_was_told() -> None:
    target = Table(old=SURE, **WORDS)
    log_odds = torch.tensor([NEARER / (0.6 * (1 - NEARER)), NEAR / (0.6 * (1 - NEAR))]).log().tolist()
    for width, expected in [(log_odds[0] - 0.01, 0), (log_odds[0] + 0.01, 1), (log_odds[1] + 0.01, 2)]:
        rules = NewRowRules((BOUNDARY,), rows_per_source=5, num_tries=9, boundary_width=width)
        assert len(find(rules, target=target)[0]) == expected


def test_pair_that_the_target_has_wrong_gets_neighbours_alone() -> None:
    rows, counts = find(NewRowRules(), target=Table(old=FLIP, **WORDS))
    assert [row.origin for row in rows] == [NEIGHBOURS]
    assert counts["target wrong"] == 1


def test_neighbours_ask_no_target_and_differ_from_seed_to_seed() -> None:
    rules = NewRowRules((NEIGHBOURS,))
    texts = {find(rules, target=None, seed=seed)[0][0].hypothesis for seed in range(30)}
    assert texts == set(WORDS)
    with pytest.raises(ValueError, match=r"^expected a target for the sources adversarial, neighbours, got none"):
        find(NewRowRules((ADVERSARIAL, NEIGHBOURS)), target=None)


def test_refused_candidates_give_way_to_the_next_as_often_as_allowed() -> None:
    target, refusal = Table(old=SURE, **WORDS), Refuses(("other",))
    rows, counts = find(NewRowRules((ADVERSARIAL,)), target=target, consent=[refusal])
    assert rows == [NewRow("flipped", ADVERSARIAL)]
    assert (counts["tried"], counts["refusal"]) == (2, 1)
    assert refusal.asked == ["other", "flipped"]
    assert find(NewRowRules((ADVERSARIAL,), num_tries=1), target=target, consent=[Refuses(("other",))])[0] == []


def test_second_filter_hears_only_of_what_the_first_accepts() -> None:
    first, second = Refuses(("other",)), Refuses(())
    find(NewRowRules((ADVERSARIAL,)), target=Table(old=SURE, **WORDS), consent=[first, second])
    assert second.asked == ["flipped"]


def test_no_sentence_comes_twice() -> None:
    rules = NewRowRules(rows_per_source=9, num_tries=9, boundary_width=99.0)
    rows, _ = find(rules, target=Table(old=SURE, **WORDS))
    assert sorted(row.hypothesis for row in rows) == sorted(WORDS)
    assert [row.origin for row in rows] == [ADVERSARIAL] * 2 + [BOUNDARY] * 3


def test_rows_of_a_pair_do_not_depend_on_the_others() -> None:
    data = fake_data(40)
    pairs = list(zip(data.premises, data.hypotheses, [GOLD_NAMES[i] for i in data.labels], strict=True))

    def rows_of(some: Sequence[tuple[str, str, str]]) -> list[list[NewRow]]:
        premises, hypotheses, labels = (list(column) for column in zip(*some, strict=True))
        seeds = [pair_seed(3, *pair) for pair in some]
        return find_new_rows(
            premises,
            hypotheses,
            labels,
            seeds,
            source=FakeSource(),
            rules=NewRowRules(),
            target=FakeTarget(),
            limits=CandidateLimits(max_edits=2),
        )[0]

    together = rows_of(pairs)
    assert together == [rows for pair in pairs for rows in rows_of([pair])]
    assert {row.origin for rows in together for row in rows} == set(SOURCES)


def test_margins_are_of_the_label_against_the_best_class_that_does_not_agree() -> None:
    target = Table(x=0.4)  # 0.4, 0.36, 0.24
    labels = ["entailment", "neutral", "contradiction", "not_entailment"]
    expected = torch.tensor([0.4 / 0.36, 0.36 / 0.4, 0.24 / 0.4, 0.36 / 0.4]).log()
    torch.testing.assert_close(torch.tensor(label_margins(target, ["p"] * 4, ["x"] * 4, labels)), expected)
    assert label_margins(target, [], [], []) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ("adversarial", "others")}, "expected different sources among adversarial, boundary, neighbours"),
        ({"sources": ()}, "expected different sources among"),
        ({"sources": ("boundary", "boundary")}, "expected different sources among"),
        ({"rows_per_source": 0}, "expected rows_per_source >= 1, got 0"),
        ({"boundary_width": 0.0}, "expected boundary_width above 0, got 0"),
    ],
)
def test_rules_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        NewRowRules(**options)  # type: ignore[arg-type]
