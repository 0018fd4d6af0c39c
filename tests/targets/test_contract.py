"""What every target promises, whatever it is made of."""

import pytest
import torch

from textsem.protocols import Target
from textsem.targets.hugging_face import HuggingFaceTarget
from textsem.text.labels import LABEL_NAMES, TWO_CLASS_NAMES

PREMISES = ["A man is sleeping in the park.", "Two people", "The dog is running outside."] * 9
HYPOTHESES = [
    " ".join(["a man", "the dog", "two people", "a woman"][i % 4 : 4] + ["is sleeping outside"] * (i % 5))
    for i in range(len(PREMISES))
]


def test_is_a_target_of_three_classes_or_two(target: Target, request: pytest.FixtureRequest) -> None:
    assert isinstance(target, Target)
    is_two_class = "two classes" in request.node.callspec.params["target"]
    assert target.label_names == (TWO_CLASS_NAMES if is_two_class else LABEL_NAMES)


def test_answer_is_one_row_of_probabilities_a_pair(target: Target) -> None:
    answer = target.predict(PREMISES, HYPOTHESES)
    assert answer.shape == (len(PREMISES), len(target.label_names))
    assert answer.dtype == torch.float32
    assert answer.device.type == "cpu"
    assert not answer.requires_grad
    assert (answer >= 0).all()
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(len(PREMISES)))


def test_answer_depends_on_the_hypothesis(target: Target) -> None:
    answer = target.predict(PREMISES, HYPOTHESES)
    assert len({tuple(row) for row in answer.tolist()}) > 5


def test_row_alone_equals_row_in_a_batch_to_the_bit(target: Target) -> None:
    together = target.predict(PREMISES, HYPOTHESES)
    for i in range(len(PREMISES)):
        assert torch.equal(target.predict([PREMISES[i]], [HYPOTHESES[i]])[0], together[i]), i


def test_order_of_rows_does_not_matter_to_the_bit(target: Target) -> None:
    together = target.predict(PREMISES, HYPOTHESES)
    assert torch.equal(target.predict(PREMISES[::-1], HYPOTHESES[::-1]).flip(0), together)


def test_no_pairs_give_no_rows(target: Target) -> None:
    assert target.predict([], []).shape == (0, len(target.label_names))


def test_text_without_any_word_is_classified(target: Target) -> None:
    torch.testing.assert_close(target.predict([""], [" "]).sum(), torch.tensor(1.0))


def test_unequal_numbers_of_sentences_are_refused(target: Target) -> None:
    with pytest.raises(ValueError, match=r"as many premises as hypotheses|argument"):
        target.predict(["a man"], [])


@pytest.mark.parametrize("text", ["😀 عربي", "\x00\x1b[2J", "word " * 10_000])
def test_hostile_text_is_classified(target: Target, text: str) -> None:
    answer = target.predict([text, "a man"], ["a dog", text])
    torch.testing.assert_close(answer.sum(dim=1), torch.ones(2))


def test_half_a_character_is_classified_or_that_pairs_fault(target: Target) -> None:
    try:
        answer = target.predict(["\ud83d"], ["a \udc00"])
    except (TypeError, ValueError):  # tokenizers of Hugging Face's take no lone surrogates
        assert isinstance(target, HuggingFaceTarget)
    else:
        torch.testing.assert_close(answer.sum(), torch.tensor(1.0))
