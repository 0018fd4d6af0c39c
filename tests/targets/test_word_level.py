import pytest
import torch

from tests.targets.fakes import WORDS
from textsem.protocols import GradientTarget
from textsem.targets.word_level import MAX_WORDS, WordLevelTarget, pad_ids
from textsem.text.tokenization import first_words

PREMISES = ["A man is sleeping in the park.", "Two people"]
HYPOTHESES = [("a", "dog", "is", "running"), ("the", "woman")]
# The caller counts in another order than the target, and knows a word that the target does not.
CALLERS_WORDS = ("<pad>", "zebra", *reversed(WORDS))


def soft(hypotheses: list[tuple[str, ...]], *, choices: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, one-hot weights and mask: the true word last among the choices, all others with weight zero."""
    length = max(map(len, hypotheses))
    mask = torch.tensor([[i < len(words) for i in range(length)] for words in hypotheses])
    ids = torch.randint(len(CALLERS_WORDS), (len(hypotheses), length, choices))
    weights = torch.zeros(len(hypotheses), length, choices)
    weights[..., -1] = 1.0
    for row, words in enumerate(hypotheses):
        ids[row, : len(words), -1] = torch.tensor([CALLERS_WORDS.index(word) for word in words])
    return ids, weights, mask


def test_is_a_gradient_target(word_level: WordLevelTarget) -> None:
    assert isinstance(word_level, GradientTarget)


def test_one_hot_soft_words_agree_with_hard_words(word_level: WordLevelTarget) -> None:
    ids, weights, mask = soft(HYPOTHESES)
    logits = word_level.logits_from_soft_words(PREMISES, ids, weights, mask, CALLERS_WORDS)
    hard = word_level.predict(PREMISES, [" ".join(words) for words in HYPOTHESES])
    torch.testing.assert_close(logits.softmax(dim=-1), hard)


def test_word_that_the_target_lacks_is_read_as_unknown(word_level: WordLevelTarget) -> None:
    ids, weights, mask = soft([("zebra", "dog")])
    logits = word_level.logits_from_soft_words(PREMISES[:1], ids, weights, mask, CALLERS_WORDS)
    torch.testing.assert_close(logits.softmax(dim=-1), word_level.predict(PREMISES[:1], ["qwerty dog"]))


def test_mixture_of_words_is_the_mixture_of_their_vectors(word_level: WordLevelTarget) -> None:
    vectors = word_level.embedding.weight
    man, dog = word_level.vocabulary.ids["man"], word_level.vocabulary.ids["dog"]
    mixed = 0.3 * vectors[man] + 0.5 * vectors[dog]
    ids = torch.tensor([[[CALLERS_WORDS.index("man"), CALLERS_WORDS.index("dog")]]])
    mask = torch.ones(1, 1, dtype=torch.bool)
    logits = word_level.logits_from_soft_words(["a man"], ids, torch.tensor([[[0.3, 0.5]]]), mask, CALLERS_WORDS)
    premise = pad_ids(word_level.encode(["a man"]), 2)
    expected = word_level.network(word_level.embedding(premise), premise != 0, mixed[None, None], mask)
    torch.testing.assert_close(logits, expected)


def test_gradient_in_the_weights_agrees_with_finite_differences(word_level: WordLevelTarget) -> None:
    word_level.double()
    ids, weights, mask = soft(HYPOTHESES)
    weights = torch.rand_like(weights).double().requires_grad_()

    def logits(w: torch.Tensor) -> torch.Tensor:
        return word_level.logits_from_soft_words(PREMISES, ids, w, mask, CALLERS_WORDS)

    assert torch.autograd.gradcheck(logits, (weights,))
    (gradient,) = torch.autograd.grad(logits(weights)[:, 0].sum(), weights)
    assert gradient[mask].abs().sum() > 0
    assert (gradient[~mask] == 0).all()


def test_padding_of_soft_words_changes_nothing(word_level: WordLevelTarget) -> None:
    ids, weights, mask = soft(HYPOTHESES[:1])
    longer = [torch.nn.functional.pad(x, (0, 0, 0, 5)) for x in (ids, weights)]
    longer[1][:, 4:] = 7.0
    short = word_level.logits_from_soft_words(PREMISES[:1], ids, weights, mask, CALLERS_WORDS)
    padded = word_level.logits_from_soft_words(
        PREMISES[:1], longer[0], longer[1], torch.nn.functional.pad(mask, (0, 5)), CALLERS_WORDS
    )
    torch.testing.assert_close(padded, short)


def test_other_words_of_the_caller_replace_the_remembered_ones(word_level: WordLevelTarget) -> None:
    ids, weights, mask = soft(HYPOTHESES)
    first = word_level.logits_from_soft_words(PREMISES, ids, weights, mask, CALLERS_WORDS)
    reordered = CALLERS_WORDS[::-1]
    second = word_level.logits_from_soft_words(PREMISES, len(CALLERS_WORDS) - 1 - ids, weights, mask, reordered)
    torch.testing.assert_close(second, first)


def test_prediction_leaves_training_mode_as_it_was(word_level: WordLevelTarget) -> None:
    word_level.train()
    once, again = (word_level.predict(PREMISES, ["a dog", "the park"]) for _ in range(2))
    assert word_level.training
    assert torch.equal(once, again)


def test_pad_start_and_end_have_no_vector(word_level: WordLevelTarget) -> None:
    assert (word_level.embedding.weight[:3] == 0).all()
    assert (word_level.embedding.weight[3:] != 0).all()


def test_case_does_not_matter_to_a_word_level_target(word_level: WordLevelTarget) -> None:
    assert torch.equal(word_level.predict(["A Man"], ["A DOG"]), word_level.predict(["a man"], ["a dog"]))


@pytest.mark.parametrize(
    ("premises", "weights", "mask"),
    [
        (["a man"], torch.ones(2, 1, 1), torch.ones(2, 1, dtype=torch.bool)),
        (["a man", "a dog"], torch.ones(2, 1, 2), torch.ones(2, 1, dtype=torch.bool)),
        (["a man", "a dog"], torch.ones(2, 1, 1), torch.ones(2, 3, dtype=torch.bool)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    word_level: WordLevelTarget, premises: list[str], weights: torch.Tensor, mask: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match="expected"):
        word_level.logits_from_soft_words(premises, torch.zeros(2, 1, 1, dtype=torch.long), weights, mask, ["a"])


def test_long_sentence_is_read_to_its_256th_word(word_level: WordLevelTarget) -> None:
    premises, rest = ["a man sleeps " * 200, "a man sleeps"], "a man sleeps " * 85 + "a"
    assert [len(ids) for ids in word_level.encode(premises)] == [256, 3]
    long, cut = (word_level.predict([text], ["a dog runs"]) for text in (premises[0], rest))
    assert torch.equal(long, cut)


def test_no_word_is_read_after_the_last_one_that_counts(
    word_level: WordLevelTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def remember(text: str, count: int) -> tuple[str, ...]:
        asked.append(count)
        return first_words(text, count)

    monkeypatch.setattr("textsem.targets.word_level.first_words", remember)
    long, cut = "dog " * 1000, "dog " * MAX_WORDS
    assert word_level.encode([long]) == word_level.encode([cut])
    assert asked == [MAX_WORDS, MAX_WORDS]
