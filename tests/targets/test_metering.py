from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.targets.fakes import WORDS, build_callable, build_word_level
from textsem.protocols import TargetError
from textsem.targets.metering import MeteredTarget

NAMES: tuple[str, ...] = ("entailment", "neutral", "contradiction")


class RecordingTarget:
    """Remembers what it was asked; the hypothesis's length decides the class."""

    label_names: tuple[str, ...] = NAMES

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.calls.append(list(zip(premises, hypotheses, strict=True)))
        rows = [[0.2, 0.3, 0.5] if len(h) % 2 else [0.6, 0.3, 0.1] for h in hypotheses]
        return torch.tensor(rows)


class NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        raise AssertionError("the target was differentiated")


class RaisingTarget:
    """Answers with a tensor that raises on any backward pass."""

    label_names: tuple[str, ...] = NAMES

    def __init__(self) -> None:
        self.weight = torch.zeros(3, requires_grad=True)

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        answer: Tensor = NoBackward.apply(self.weight.softmax(0).expand(len(premises), 3))  # type: ignore[no-untyped-call]
        return answer


class AnsweringTarget:
    label_names: tuple[str, ...] = NAMES

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        return self.answer  # type: ignore[return-value]


def test_every_row_is_counted_once_to_its_phase() -> None:
    inner = RecordingTarget()
    target = MeteredTarget(inner)
    with target.counting("training"):
        target.predict(["p", "p", "q"], ["a", "b", "a"])
        target.predict(["p"], ["a"])
    target.predict(["p", "p", "p"], ["a", "new", "new"])
    expected = {"rows_requested": 4, "rows_sent": 3, "distinct_rows": 3, "cache_hits": 1}
    assert target.counts["training"].to_dict() == expected
    expected = {"rows_requested": 3, "rows_sent": 1, "distinct_rows": 1, "cache_hits": 2}
    assert target.counts["attack"].to_dict() == expected
    assert sum(map(len, inner.calls)) == 4


def test_without_cache_every_row_reaches_the_target() -> None:
    inner = RecordingTarget()
    target = MeteredTarget(inner, cache_size=0)
    target.predict(["p", "p"], ["a", "a"])
    target.predict(["p"], ["b"])
    assert inner.calls == [[("p", "a"), ("p", "a")], [("p", "b")]]
    assert target.counts["attack"].to_dict() == {
        "rows_requested": 3, "rows_sent": 3, "distinct_rows": 2, "cache_hits": 0
    }  # fmt: skip


def test_least_recently_used_answer_is_forgotten_first() -> None:
    inner = RecordingTarget()
    target = MeteredTarget(inner, cache_size=2)
    for hypothesis in ("a", "b", "a", "c", "a", "b"):
        target.predict(["p"], [hypothesis])
    assert [call[0][1] for call in inner.calls] == ["a", "b", "c", "b"]
    assert target.counts["attack"].rows_sent == 4
    assert target.counts["attack"].distinct_rows == 3


def test_batch_larger_than_the_cache_is_answered_whole() -> None:
    target = MeteredTarget(RecordingTarget(), cache_size=1)
    hypotheses = ["a", "bb", "c", "dd"]
    torch.testing.assert_close(target.predict(["p"] * 4, hypotheses), RecordingTarget().predict(["p"] * 4, hypotheses))


def test_answers_from_memory_come_in_the_order_asked() -> None:
    target = MeteredTarget(RecordingTarget())
    target.predict(["p"], ["bb"])
    answer = target.predict(["p", "p", "p", "p"], ["a", "bb", "a", "dd"])
    assert answer.argmax(dim=1).tolist() == [2, 0, 2, 0]


def test_changing_an_answer_does_not_change_the_memory() -> None:
    target = MeteredTarget(RecordingTarget())
    target.predict(["p"], ["a"]).zero_()
    torch.testing.assert_close(target.predict(["p"], ["a"]), torch.tensor([[0.2, 0.3, 0.5]]))


def test_label_access_gives_one_hot_rows_and_nothing_else() -> None:
    target = MeteredTarget(RecordingTarget(), access="label")
    answers = (target.predict(["p", "p"], ["a", "bb"]), target.predict(["p", "p"], ["a", "bb"]))
    for answer in answers:
        assert answer.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_score_access_never_differentiates_the_target() -> None:
    raising = RaisingTarget()
    with pytest.raises(AssertionError, match="differentiated"):
        raising.predict(["p"], ["a"]).sum().backward()  # type: ignore[no-untyped-call]
    answer = MeteredTarget(raising).predict(["p"], ["a"])
    assert not answer.requires_grad


def test_phase_returns_after_an_error() -> None:
    target = MeteredTarget(AnsweringTarget(None))
    with pytest.raises(TargetError, match="expected the target"), target.counting("training"):
        target.predict(["p"], ["a"])
    assert target.meter.phase == "attack"


@pytest.mark.parametrize("access", ["score", "label"])
@pytest.mark.parametrize("names", [NAMES, ("entailment", "not_entailment")])
def test_wrong_numbers_are_the_targets_fault_and_bad_rows_are_their_own(access: str, names: tuple[str, ...]) -> None:
    class Answering(AnsweringTarget):
        label_names = names

    def ask(answer: object) -> None:
        target = MeteredTarget(Answering(answer), access=access)  # type: ignore[arg-type]
        target.predict(["p", "q"], ["a", "b"])

    good = torch.eye(len(names))[:2]
    ask(good)
    for wrong in ([0, 1], good.long(), good[:1], good[:, :1], torch.eye(4)[:2], good[0]):
        with pytest.raises(TargetError, match=rf"probabilities \[2, {len(names)}\]"):
            ask(wrong)
    for value in (float("nan"), float("inf"), -0.5, 0.5):
        bad = good.clone()
        bad[1, 0] = value
        with pytest.raises(ValueError, match=r"in row 1$"):
            ask(bad)


def test_two_classes_pass_with_their_scores_or_their_label() -> None:
    class TwoClass(AnsweringTarget):
        label_names: tuple[str, ...] = ("entailment", "not_entailment")

    inner = TwoClass(torch.tensor([[0.3, 0.7]]))
    torch.testing.assert_close(MeteredTarget(inner).predict(["p"], ["a"]), torch.tensor([[0.3, 0.7]]))
    label = MeteredTarget(inner, access="label")
    assert label.label_names == ("entailment", "not_entailment")
    assert label.predict(["p"], ["a"]).tolist() == [[0.0, 1.0]]


def test_rows_that_a_target_sends_again_count_as_sent() -> None:
    class Repeating(RecordingTarget):
        rows_retried = 5  # of another's call, before

        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            self.rows_retried += 2 * len(premises)
            if "bad" in hypotheses:
                raise TargetError("gone")
            return super().predict(premises, hypotheses)

    target = MeteredTarget(Repeating())
    with target.counting("training"):
        target.predict(["p", "q"], ["a", "a"])
    target.predict(["p", "q"], ["a", "b"])
    with pytest.raises(TargetError, match="gone"):
        target.predict(["p"], ["bad"])
    expected = {"rows_requested": 2, "rows_sent": 6, "distinct_rows": 2, "cache_hits": 0}
    assert target.counts["training"].to_dict() == expected
    expected = {"rows_requested": 3, "rows_sent": 6, "distinct_rows": 2, "cache_hits": 1}
    assert target.counts["attack"].to_dict() == expected


@pytest.mark.parametrize("access", ["score", "label"])
def test_soft_words_need_gradient_access(access: str) -> None:
    target = MeteredTarget(build_word_level("paper"), access=access)  # type: ignore[arg-type]
    one = torch.ones(1, 1, 1)
    with pytest.raises(ValueError, match="word-level targets in the same process"):
        target.logits_from_soft_words(["a"], one.long(), one, one[0].bool(), WORDS)
    assert target.counts["attack"].rows_sent == 0


def test_gradient_access_to_a_black_box_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="word-level target in the same process"):
        MeteredTarget(build_callable(), access="gradient")
    with pytest.raises(ValueError, match="word-level target in the same process"):
        MeteredTarget(MeteredTarget(build_word_level("paper")), access="gradient")


def test_gradient_access_passes_and_counts_soft_rows() -> None:
    inner = build_word_level("attention")
    target = MeteredTarget(inner, access="gradient")
    ids = torch.randint(len(WORDS), (2, 3, 2))
    weights = torch.rand(2, 3, 2, requires_grad=True)
    mask = torch.ones(2, 3, dtype=torch.bool)
    with target.counting("training"):
        logits = target.logits_from_soft_words(["a man", "the dog"], ids, weights, mask, WORDS)
    torch.testing.assert_close(logits, inner.logits_from_soft_words(["a man", "the dog"], ids, weights, mask, WORDS))
    logits.sum().backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    assert target.counts["training"].rows_sent == 2
    assert target.counts["attack"].rows_sent == 0


def test_unknown_access_and_phase_are_refused() -> None:
    with pytest.raises(ValueError, match="score, label, gradient, got 'logits'"):
        MeteredTarget(RecordingTarget(), access="logits")  # type: ignore[arg-type]
    phase = MeteredTarget(RecordingTarget()).counting("test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="training, attack, got 'test'"), phase:
        pass
