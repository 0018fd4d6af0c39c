"""Both searches in a plane whose sentences name their place, on a target that flips beyond a known radius."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.attacks.fakes import LABEL_NAMES, FakeData
from textsem.attacks.candidates import Candidate
from textsem.attacks.code_spaces import CodeSpace
from textsem.attacks.natural_adversary import NaturalAdversary, NaturalAdversaryConfig
from textsem.attacks.runner import RunStatistics, run_attack
from textsem.attacks.selection import plain_form
from textsem.latent.shells import HybridShrinkingSearch, IterativeStochasticSearch, Shell, Shells, ShellSearch
from textsem.outputs import AttackResult
from textsem.protocols import CandidateRows, Constraint, Target
from textsem.text.labels import GOLD_NAMES, NOT_ENTAILMENT, TWO_CLASS_NAMES, agree

LENGTH, STEP, BOUNDARY, OUTER = 5.0, 0.1, 0.57, 0.87
ITERATIVE = IterativeStochasticSearch(STEP, num_draws=30)
HYBRID = HybridShrinkingSearch(STEP, num_draws=30)
SEARCHES = pytest.mark.parametrize("search", [ITERATIVE, HYBRID], ids=["iterative", "hybrid"])
SHIFT = 500.0  # numbers without sign and of equal length: two texts differ in more than punctuation
CONFIG = NaturalAdversaryConfig(max_queries=1000)


def code_of(hypothesis: str) -> tuple[float, float]:
    angle = float(hypothesis.split()[1])
    return LENGTH * math.cos(angle), LENGTH * math.sin(angle)


def radius_of(text: str) -> float:
    """Return how far a text's place is from its hypothesis' code, in units of the code's length."""
    *_, x, y = text.split()
    return math.dist((float(x) - SHIFT, float(y) - SHIFT), code_of(text)) / LENGTH


class Plane:
    """Codes of two numbers; a sentence repeats the hypothesis and names the place, to so many decimals."""

    latent_dim = 2

    def __init__(self, decimals: int = 4) -> None:
        self.decimals = decimals

    def supports(self, hypothesis: str) -> str | None:
        return None if hypothesis.startswith("Spot") else "no spot"

    def encode(self, hypotheses: Sequence[str]) -> Tensor:
        return torch.tensor([code_of(hypothesis) for hypothesis in hypotheses])

    def decode(self, hypothesis: str, codes: Tensor) -> list[Candidate | None]:
        x0, y0 = code_of(hypothesis)
        found: list[Candidate | None] = []
        for x, y in codes.tolist():
            distance = math.dist((x, y), (x0, y0)) / LENGTH
            # Within a tenth the plane says the original: as nothing, in capitals, or with a word that it lacks.
            if distance < 0.03:
                found.append(None)
            elif distance < 0.06:
                found.append(Candidate(hypothesis.upper() + "!", (), 0.0, 0, 1.0))
            elif distance < 0.1:
                found.append(Candidate(f"{hypothesis} to something", ("<unknown>",), 0.0, 0, 1.0))
            else:
                text = f"{hypothesis} to {x + SHIFT:.{self.decimals}f} {y + SHIFT:.{self.decimals}f}"
                found.append(Candidate(text, tuple(text.lower().split()), distance, 3, 1 - distance))
        return found


class Circle:
    """Says class 0 up to the boundary and class 2 beyond it."""

    label_names: tuple[str, ...] = LABEL_NAMES

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, str]]] = []

    @property
    def rows(self) -> list[tuple[str, str]]:
        return [row for batch in self.batches for row in batch]

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.batches.append(list(zip(premises, hypotheses, strict=True)))
        is_beyond = [" to " in text and radius_of(text) > BOUNDARY for text in hypotheses]
        return torch.tensor([[0.1, 0.2, 0.7] if beyond else [0.6, 0.3, 0.1] for beyond in is_beyond])


class NotBeyond:
    """Refuses what lies beyond a radius."""

    name = "not beyond"

    def __init__(self, radius: float) -> None:
        self.radius = radius
        self.texts: list[str] = []

    def accepts(self, rows: CandidateRows) -> Sequence[bool]:
        self.texts += rows.candidates
        return [radius_of(text) <= self.radius for text in rows.candidates]


class ListSink:
    def __init__(self) -> None:
        self.results: list[AttackResult] = []

    def write(self, results: Sequence[AttackResult]) -> None:
        self.results += results


def spots(num_pairs: int) -> FakeData:
    hypotheses = [f"Spot {i / 7:.3f}" for i in range(num_pairs)]
    return FakeData([f"premise {i}" for i in range(num_pairs)], hypotheses, [0] * num_pairs)


def run(
    search: ShellSearch,
    config: NaturalAdversaryConfig = CONFIG,
    *,
    data: FakeData | None = None,
    space: CodeSpace | None = None,
    constraints: Sequence[Constraint] = (),
) -> tuple[list[AttackResult], Circle, RunStatistics]:
    sink, target = ListSink(), Circle()
    attack = NaturalAdversary(space or Plane(), search, config, constraints=constraints)
    statistics = run_attack(data or spots(12), target, attack, sink)
    return sink.results, target, statistics


def adversarial_radius(result: AttackResult) -> float:
    assert result.adversarial is not None, result
    return radius_of(result.adversarial)


def test_iterative_search_finds_the_closest_flip_of_the_first_shell_that_has_any() -> None:
    results, target, _ = run(ITERATIVE)
    for result in results:
        assert result.status == "success"
        assert BOUNDARY < adversarial_radius(result) <= 0.6 + 1e-4
        asked = [radius_of(text) for premise, text in target.rows if premise == result.premise and " to " in text]
        assert adversarial_radius(result) == min(radius for radius in asked if radius > BOUNDARY)
        assert max(asked) <= 0.6 + 1e-4
        # All draws of the shells from 0.1 to 0.6: nothing here is a repetition.
        assert result.queries == len(asked) == 5 * ITERATIVE.num_draws


def test_hybrid_search_comes_as_close() -> None:
    iterative, hybrid = run(ITERATIVE)[0], run(HYBRID)[0]
    for near, other in zip(iterative, hybrid, strict=True):
        assert BOUNDARY < adversarial_radius(other) <= adversarial_radius(near) + STEP
    radii = [adversarial_radius(result) for result in hybrid]
    assert sum(radii) / len(radii) < BOUNDARY + STEP / 4


class Rings:
    """Says neutral up to the boundary, contradiction up to the outer one, entailment beyond."""

    label_names: tuple[str, ...] = LABEL_NAMES
    answers: tuple[tuple[float, ...], ...] = ((0.1, 0.8, 0.1), (0.2, 0.1, 0.7), (0.4, 0.3, 0.3))

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        radii = [radius_of(text) if " to " in text else 0.0 for text in hypotheses]
        return torch.tensor([self.answers[(radius > BOUNDARY) + (radius > OUTER)] for radius in radii])


class TwoRings(Rings):
    """The same, entailment or not."""

    label_names = TWO_CLASS_NAMES
    answers = ((0.1, 0.9), (0.2, 0.8), (0.6, 0.4))


class LabelsSeen(NotBeyond):
    def __init__(self) -> None:
        super().__init__(math.inf)
        self.labels: set[int] = set()

    def accepts(self, rows: CandidateRows) -> Sequence[bool]:
        self.labels |= set(rows.labels)
        return super().accepts(rows)


@pytest.mark.parametrize(
    ("target", "label", "boundary"),
    [
        (Rings(), "neutral", BOUNDARY),
        (Rings(), NOT_ENTAILMENT, OUTER),
        (TwoRings(), "neutral", OUTER),
        (TwoRings(), "contradiction", OUTER),
        (TwoRings(), NOT_ENTAILMENT, OUTER),
    ],
)
def test_flip_is_a_class_that_does_not_agree_with_the_label(target: Target, label: str, boundary: float) -> None:
    sink, seen = ListSink(), LabelsSeen()
    number = GOLD_NAMES.index(label)
    data = FakeData(["p", "q"], ["Spot 0.1", "Spot 0.2"], [number] * 2)
    run_attack(data, target, NaturalAdversary(Plane(), ITERATIVE, CONFIG, constraints=[seen]), sink)
    for result in sink.results:
        assert (result.status, result.label) == ("success", label)
        assert boundary < adversarial_radius(result) <= boundary + STEP
        assert not agree(label, result.adversarial_prediction)
        assert result.scores is not None
        assert list(result.scores["adversarial"]) == list(target.label_names)
    assert seen.labels == {number}


@SEARCHES
def test_returned_text_was_queried_and_its_answer_is_reported(search: ShellSearch) -> None:
    results, target, _ = run(search, space=Plane(decimals=1))
    for result in results:
        assert (result.premise, result.adversarial) in target.rows
        assert (result.label, result.adversarial_prediction) == ("entailment", "contradiction")
        assert result.scores is not None
        assert result.scores["adversarial"] == pytest.approx({"entailment": 0.1, "neutral": 0.2, "contradiction": 0.7})
        assert result.edits == 3
        assert result.distance is not None


@SEARCHES
def test_no_text_is_asked_twice_and_the_original_only_in_the_check(search: ShellSearch) -> None:
    results, target, statistics = run(search, space=Plane(decimals=0))
    asked = Counter((premise, plain_form(text)) for premise, text in target.rows)
    assert set(asked.values()) == {1}
    assert not [text for _, text in target.rows if "something" in text]
    sent = Counter(premise for premise, _ in target.rows)
    assert sent == {result.premise: result.queries + 1 for result in results}
    counts = statistics.candidates
    dropped = counts["unchanged"] + counts["unknown"] + counts["duplicate"]
    assert min(counts["unchanged"], counts["unknown"], counts["duplicate"]) > 0
    assert counts["proposed"] == dropped + counts["kept"]
    assert counts["kept"] == sum(result.queries for result in results)


@SEARCHES
@pytest.mark.parametrize("max_queries", [1, 7, 45])
def test_budget_is_never_exceeded(search: ShellSearch, max_queries: int) -> None:
    results, target, _ = run(search, replace(CONFIG, max_queries=max_queries))
    sent = Counter(premise for premise, _ in target.rows)
    assert [sent[result.premise] - 1 for result in results] == [result.queries for result in results]
    assert max(result.queries for result in results) == max_queries


def test_pair_that_spent_its_budget_draws_no_more() -> None:
    _, _, statistics = run(ITERATIVE, replace(CONFIG, max_queries=1))
    # Nothing to ask in the first shell, one row of the second.
    assert statistics.candidates["proposed"] == 12 * 2 * ITERATIVE.num_draws


def test_closest_flip_stays_when_a_search_goes_outward() -> None:
    class Outward:
        num_draws = 20

        def shells(self) -> Shells:
            yield Shell(0.6, 0.7)
            yield Shell(0.8, 0.9)

    results, target, _ = run(Outward())
    assert len(target.rows) == 12 * (1 + 20 + 20)
    assert max(adversarial_radius(result) for result in results) < 0.7


def test_hybrid_search_keeps_its_flip_when_the_budget_ends_its_walk() -> None:
    full = run(HYBRID)[0]
    cut = run(HYBRID, replace(CONFIG, max_queries=60))[0]
    assert all(result.status == "success" for result in cut)
    assert all(adversarial_radius(a) >= adversarial_radius(b) for a, b in zip(cut, full, strict=True))


def test_rows_after_the_returned_text_are_counted() -> None:
    results, target, statistics = run(HYBRID, data=spots(1))
    (batch,) = [i for i, rows in enumerate(target.batches) if results[0].adversarial in [text for _, text in rows]]
    later = sum(len(rows) for rows in target.batches[batch + 1 :])
    assert later >= HYBRID.num_inward * HYBRID.num_draws * 0.5
    assert statistics.candidates["after_success"] == later
    assert run(ITERATIVE)[2].candidates["after_success"] == 0


@SEARCHES
def test_result_is_the_pairs_own(search: ShellSearch) -> None:
    data, together = spots(12), run(search)[0]
    assert run(search)[0] == together
    assert run(search, replace(CONFIG, chunk_size=5))[0] == together
    for i in (0, 7, 11):
        alone = FakeData([data.premises[i]], [data.hypotheses[i]], [0])
        assert replace(run(search, data=alone)[0][0], index=i) == together[i]
    assert [r.adversarial for r in run(search, replace(CONFIG, seed=1))[0]] != [r.adversarial for r in together]


def test_target_is_asked_about_all_open_pairs_together() -> None:
    _, target, _ = run(ITERATIVE)
    # The check; nothing in the first shell; then five shells of all pairs.
    assert [len(batch) for batch in target.batches] == [12] + 5 * [12 * ITERATIVE.num_draws]


@SEARCHES
def test_what_a_constraint_refuses_is_never_asked(search: ShellSearch) -> None:
    constraint = NotBeyond(0.55)
    results, target, statistics = run(search, constraints=[constraint])
    assert all(result.status == "failed" and result.adversarial is None for result in results)
    assert max(radius_of(text) for _, text in target.rows if " to " in text) <= 0.55
    assert statistics.candidates["not beyond"] > 0

    loose = NotBeyond(0.7)
    results, target, _ = run(search, constraints=[loose], space=Plane(decimals=1))
    # A wide shell may miss the ring between boundary and constraint.
    successes = [result for result in results if result.status == "success"]
    assert len(successes) >= 8
    assert all(adversarial_radius(result) <= 0.7 for result in successes)
    assert max(radius_of(text) for _, text in target.rows if " to " in text) <= 0.7
    assert len(loose.texts) == len(set(loose.texts))


def test_pair_without_a_code_is_unsupported() -> None:
    data = FakeData(["p", "q"], ["Elsewhere", "Spot 1.0"], [0, 0])
    results, target, _ = run(ITERATIVE, data=data)
    assert [result.status for result in results] == ["unsupported", "success"]
    assert [text for premise, text in target.rows if premise == "p"] == ["Elsewhere"]


def test_code_that_is_no_number_is_an_error() -> None:
    class Broken(Plane):
        def encode(self, hypotheses: Sequence[str]) -> Tensor:
            return super().encode(hypotheses) * torch.nan

    (result,) = run(ITERATIVE, data=spots(1), space=Broken())[0]
    assert (result.status, result.message) == ("error", "ValueError: expected a finite code, got nan or inf")


def test_closed_results_and_wrong_answers_are_refused() -> None:
    closed = AttackResult(4, "p", "Spot 1.0", label="entailment", prediction="entailment", status="skipped")
    with pytest.raises(ValueError, match=r"expected results with status failed, got others at \[4\]"):
        NaturalAdversary(Plane(), ITERATIVE, CONFIG).attack([closed], Circle())

    class Silent(NotBeyond):
        def accepts(self, rows: CandidateRows) -> Sequence[bool]:
            return []

    attack = NaturalAdversary(Plane(), ITERATIVE, CONFIG, constraints=[Silent(1.0)])
    with pytest.raises(ValueError, match="expected 30 answers of not beyond, got 0"):
        attack.attack([replace(closed, status="failed")], Circle())


@pytest.mark.parametrize("name", ["max_queries", "chunk_size"])
def test_settings_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
        NaturalAdversaryConfig(**{name: 0})
