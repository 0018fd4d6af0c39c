import pytest

from tests.attacks.fakes import LABEL_NAMES, FakeChunk, FakeSource, FakeTarget, candidate, digest
from textsem.attacks.chunk import AttackConfig, attack_checked, check_pairs
from textsem.outputs import AttackResult

PREMISE = "A man sleeps."
GOLD = digest(PREMISE) % 3
LONG = "a b c d e f g h i"


def attack_one(
    hypothesis: str = "A man is asleep", label: int = GOLD, *, flip_one_in: int = 1, config: AttackConfig | None = None
) -> tuple[AttackResult, FakeTarget]:
    target, data = FakeTarget(flip_one_in=flip_one_in), FakeChunk(0, [PREMISE], [hypothesis], [LABEL_NAMES[label]])
    checked = check_pairs([0], data, target, FakeSource())
    opened = [result for result in checked if result.status == "failed"]
    attacked, _ = attack_checked(opened, target, FakeSource(), config or AttackConfig())
    return (attacked or checked)[0], target


def test_success_is_written_in_full() -> None:
    result, target = attack_one()
    assert result.status == "success"
    assert result.prediction == result.label == LABEL_NAMES[GOLD]
    assert result.adversarial_prediction == LABEL_NAMES[(GOLD + 1) % 3]
    assert (PREMISE, result.adversarial) == target.rows[-1]
    assert result.queries == len(target.rows) - 1 == 1
    assert result.scores is not None
    expected = dict(zip(LABEL_NAMES, target.answer(PREMISE, result.adversarial or ""), strict=True))
    assert result.scores["adversarial"] == pytest.approx(expected, abs=1e-6)
    assert result.distance is not None
    assert result.edits in (1, 2)


def test_pair_that_the_target_has_wrong_is_skipped_unasked() -> None:
    result, target = attack_one(label=(GOLD + 1) % 3)
    assert (result.status, result.prediction, result.queries) == ("skipped", LABEL_NAMES[GOLD], 0)
    assert target.rows == [(PREMISE, "A man is asleep")]


def test_long_hypothesis_is_unsupported_with_its_reason_and_prediction() -> None:
    result, target = attack_one(LONG)
    assert (result.status, result.message) == ("unsupported", "expected at most 8 words, got 9")
    assert (result.prediction, result.queries, len(target.rows)) == (LABEL_NAMES[GOLD], 0, 1)


def test_long_hypothesis_that_the_target_has_wrong_is_skipped() -> None:
    assert attack_one(LONG, (GOLD + 1) % 3)[0].status == "skipped"


def test_failure_holds_no_adversarial() -> None:
    result, _ = attack_one(flip_one_in=10**15, config=AttackConfig(max_queries=5))
    assert (result.status, result.queries, result.adversarial) == ("failed", 5, None)
    assert list(result.scores or {}) == ["original"]


def test_gate_of_zero_costs_no_query() -> None:
    result, target = attack_one(config=AttackConfig(eps=0.0))
    assert (result.status, result.queries, len(target.rows)) == ("failed", 0, 1)


def test_most_similar_flip_is_returned() -> None:
    class TwoCandidates(FakeSource):
        def _propose_one(self, hypothesis: str, rng: object, num_candidates: int) -> list[object]:  # type: ignore[override]
            return [candidate("word far", similarity=0.1), candidate("word near", similarity=0.9)]

    data = FakeChunk(0, [PREMISE], ["A man is asleep"], [LABEL_NAMES[GOLD]])
    target = FakeTarget(flip_one_in=1)
    results, _ = attack_checked(check_pairs([0], data, target, FakeSource()), target, TwoCandidates(), AttackConfig())
    assert results[0].adversarial == "word near"


def test_closed_pairs_are_not_attacked() -> None:
    target, data = FakeTarget(), FakeChunk(0, [PREMISE], [LONG], [LABEL_NAMES[GOLD]])
    with pytest.raises(ValueError, match=r"expected results with status failed, got others at \[0\]"):
        attack_checked(check_pairs([0], data, target, FakeSource()), target, FakeSource(), AttackConfig())


@pytest.mark.parametrize("field", ["max_queries", "num_candidates", "num_return_sequences", "chunk_size"])
def test_config_refuses_zero(field: str) -> None:
    with pytest.raises(ValueError, match=f"expected {field} >= 1, got 0"):
        AttackConfig(**{field: 0})
