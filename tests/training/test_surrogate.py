from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.builders import MAX_LENGTH, build_tiny_adversary
from tests.training.toys import word_level
from textsem.latent.black_box import Evolution
from textsem.latent.objective import FOOLING_LOSSES
from textsem.model import TextAdversary
from textsem.targets.metering import MeteredTarget
from textsem.text.batches import encode_sentences
from textsem.text.vocabulary import END_ID, PAD_ID
from textsem.training.surrogate import AnswerBuffer, EvolutionTerm, GradientTerm, Surrogate, decoded_texts
from textsem.training.text_problem import DecodedText, TextBatch, TextProblem, all_words

NUM_ROWS = 3


@pytest.fixture(scope="module")
def model() -> TextAdversary:
    return build_tiny_adversary()


@pytest.fixture(scope="module")
def problem(model: TextAdversary) -> TextProblem:
    return TextProblem(model, all_words(model.vocabulary.size))


@pytest.fixture(scope="module")
def batch(model: TextAdversary) -> TextBatch:
    words = [["a", "dog", "sleeps"], ["the", "cat", "eats", "food"], ["a", "dog", "runs", "in", "the", "park"]]
    ids = encode_sentences(words, vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    return TextBatch(ids, ["A dog sleeps", "The cat eats", "A dog runs"], torch.tensor([0, 1, 2]))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_hot(classes: Sequence[int]) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(list(classes)), 3).float()


class Asked:
    """A target that counts rows and can only be asked: its answers carry no graph, and a backward pass raises."""

    label_names: tuple[str, ...] = ("entailment", "neutral", "contradiction")

    def __init__(self) -> None:
        self.rows = 0

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        self.rows += len(hypotheses)
        assert len(premises) == len(hypotheses)
        scores = torch.tensor([[1.0 + hypothesis.count(letter) for letter in "aeo"] for hypothesis in hypotheses])
        return _NoBackward.apply(scores.requires_grad_() / scores.sum(dim=1, keepdim=True))  # type: ignore[no-any-return,no-untyped-call]


class _NoBackward(torch.autograd.Function):
    @staticmethod
    def forward(context: object, answers: Tensor) -> Tensor:
        return answers.clone()

    @staticmethod
    def backward(context: object, *gradients: Tensor) -> Tensor:
        raise RuntimeError("no gradient of this target")


def test_buffer_keeps_the_newest_rows_in_order() -> None:
    buffer = AnswerBuffer(3)
    for start in (0, 2, 4):
        names = [str(start), str(start + 1)]
        buffer.add(tuple(names), [f"h{name}" for name in names], torch.full((2, 3), float(start)))
    assert buffer.premises == ["3", "4", "5"]
    assert buffer.hypotheses == ["h3", "h4", "h5"]
    assert [row[0] for row in buffer.answers] == [2.0, 4.0, 4.0]


def test_sampled_rows_belong_together_and_all_of_them_come() -> None:
    buffer = AnswerBuffer(10)
    buffer.add(list("abcd"), list("ABCD"), torch.arange(4.0)[:, None].expand(4, 3))
    premises, hypotheses, answers = buffer.sample(60, generator())
    assert [premise.upper() for premise in premises] == hypotheses
    assert ["abcd".index(premise) for premise in premises] == answers[:, 0].int().tolist()
    assert set(premises) == set("abcd")


def test_restored_buffer_is_the_same_and_apart() -> None:
    buffer, other = AnswerBuffer(5), AnswerBuffer(5)
    buffer.add(["p", "q"], ["h", "i"], torch.tensor([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]]))
    other.restore(buffer.state())
    assert other == buffer
    assert torch.equal(other.sample(7, generator())[2], buffer.sample(7, generator())[2])
    other.add(["r"], ["j"], one_hot([0]))
    assert len(buffer.premises) == len(buffer.hypotheses) == len(buffer.answers) == 2


def test_decoded_texts_end_at_the_end_symbol(model: TextAdversary) -> None:
    a, dog = (model.vocabulary.ids[word] for word in ("a", "dog"))
    ids = torch.tensor([[a, dog, END_ID, dog], [dog, END_ID, PAD_ID, PAD_ID]])
    assert decoded_texts(model, ids) == ["a dog", "dog"]


@pytest.mark.parametrize("loss", list(FOOLING_LOSSES))
def test_gradient_term_is_back_propagation_through_soft_words(
    loss: str, model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    """The same by hand: hard word vectors whose gradient goes to the weights of a softmax over all the choices."""
    target = word_level().eval().requires_grad_(False)
    term = GradientTerm(target, model.vocabulary.words, loss=loss)  # type: ignore[arg-type]
    outputs = problem.decode(torch.randn(NUM_ROWS, 12, generator=generator()).requires_grad_())
    found = term(outputs, batch, problem)
    (gradient,) = torch.autograd.grad(found.sum(), outputs.codes, retain_graph=True)

    ids, weights, mask = problem.straight_through_words(outputs, batch)
    own = torch.tensor(target.vocabulary.encode(model.vocabulary.words))
    vectors = (weights[..., None] * target.embedding.weight[own[ids]]).sum(dim=-2)
    premise_ids = [target.encode([premise])[0] for premise in batch.premises]
    losses = []
    for row, premise in enumerate(premise_ids):
        premise_vectors = target.embedding.weight[torch.tensor(premise)][None]
        is_word = mask[row]
        logits = target.network(
            premise_vectors,
            torch.ones(1, len(premise), dtype=torch.bool),
            vectors[row][is_word][None],
            is_word[is_word][None],
        )
        assert batch.labels is not None
        losses.append(FOOLING_LOSSES[loss](logits, batch.labels[row : row + 1]))  # type: ignore[index]
    expected = torch.cat(losses)
    torch.testing.assert_close(found, expected)
    (by_hand,) = torch.autograd.grad(expected.sum(), outputs.codes)
    torch.testing.assert_close(gradient, by_hand)
    assert gradient.abs().max() > 0


def test_value_of_the_gradient_term_is_that_of_the_words_themselves(
    model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    target = word_level().eval()
    outputs = DecodedText(torch.zeros(NUM_ROWS, 12), model.embed(batch.ids))
    assert batch.labels is not None
    asked = target.predict(batch.premises, decoded_texts(model, problem.hard_words(outputs))).log()
    found = GradientTerm(target, model.vocabulary.words, loss="margin")(outputs, batch, problem)
    torch.testing.assert_close(found, FOOLING_LOSSES["margin"](asked, batch.labels))


class Linear(TextProblem):
    """A problem whose "words" are the code itself, for a target that is linear in the code."""

    def decode(self, codes: Tensor) -> DecodedText:
        return DecodedText(codes, codes)

    def hard_words(self, outputs: DecodedText) -> Tensor:
        return outputs.vectors


def evolution(model: TextAdversary, target: object, *, num_pairs: int = 4, loss: str = "margin") -> EvolutionTerm:
    return EvolutionTerm(model, target, Evolution(loss, num_pairs, 0.1, generator()))  # type: ignore[arg-type]


def test_evolution_finds_the_gradient_of_a_loss_that_is_linear_in_the_code(
    model: TextAdversary, batch: TextBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Margin = log p(y) - log p(best other) = 0.2 slope . z here, so every row's gradient is 0.2 slope."""
    slope = torch.linspace(-1, 1, 12)
    monkeypatch.setattr("textsem.training.surrogate.decoded_texts", lambda model, codes: codes)

    class Scores:
        label_names = Asked.label_names

        def predict(self, premises: Sequence[str], codes: Tensor) -> Tensor:
            margins = 0.2 * (codes @ slope)
            rows = torch.tensor([batch.premises.index(premise) for premise in premises])
            assert batch.labels is not None
            logits = torch.zeros(len(codes), 3)
            logits[torch.arange(len(codes)), batch.labels[rows]] = margins
            return logits.softmax(dim=-1)

    codes = torch.randn(NUM_ROWS, 12, generator=generator()).requires_grad_()
    problem = Linear(model, all_words(model.vocabulary.size))
    term = evolution(model, Scores(), num_pairs=400)
    loss = term(DecodedText(codes, codes), batch, problem)
    torch.testing.assert_close(loss, 0.2 * (codes @ slope))
    (gradient,) = torch.autograd.grad(loss.sum(), codes)
    # The estimate's direction errs by an angle of about sqrt(latent / pairs) = 0.17: its cosine is some 0.985.
    cosine = torch.nn.functional.cosine_similarity(gradient, slope.expand_as(gradient), dim=-1)
    assert bool((cosine > 0.95).all())
    size = (gradient @ slope) / (0.2 * slope @ slope)
    torch.testing.assert_close(size, torch.ones(NUM_ROWS), atol=0.3, rtol=0)  # 4 sqrt(2 / pairs)


def test_evolution_asks_two_rows_a_pair_and_one_for_the_value_and_no_gradient(
    model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    target = Asked()
    with pytest.raises(RuntimeError, match="no gradient"):
        torch.autograd.backward(target.predict(["p"], ["a"]).sum())
    target.rows = 0
    codes = torch.randn(NUM_ROWS, 12, generator=generator()).requires_grad_()
    outputs = problem.decode(codes)
    loss = evolution(model, target, num_pairs=4)(outputs, batch, problem)
    assert target.rows == (2 * 4 + 1) * NUM_ROWS
    hypotheses = decoded_texts(model, problem.hard_words(outputs))
    answers = target.predict(batch.premises, hypotheses).detach()
    assert batch.labels is not None
    torch.testing.assert_close(loss, FOOLING_LOSSES["margin"](answers.log(), batch.labels))
    (gradient,) = torch.autograd.grad(loss.sum(), codes)
    assert bool(gradient.isfinite().all())


def test_rows_of_the_premise_and_of_the_label_stay_with_their_example(
    model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    seen: list[tuple[str, str]] = []

    class Recorder(Asked):
        def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
            seen.extend(zip(premises, hypotheses, strict=True))
            return super().predict(premises, hypotheses)

    codes = torch.randn(NUM_ROWS, 12, generator=generator())
    evolution(model, Recorder(), num_pairs=2)(problem.decode(codes), batch, problem)
    assert [premise for premise, _ in seen] == list(batch.premises) * 5
    words = decoded_texts(model, problem.hard_words(problem.decode(codes)))
    assert [hypothesis for _, hypothesis in seen[:NUM_ROWS]] == words


def test_labels_alone_are_enough_for_evolution_and_finite(
    model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    codes = torch.randn(NUM_ROWS, 12, generator=generator()).requires_grad_()
    target = MeteredTarget(Asked(), access="label")
    loss = evolution(model, target, num_pairs=6)(problem.decode(codes), batch, problem)
    (gradient,) = torch.autograd.grad(loss.sum(), codes)
    assert bool(loss.isfinite().all())
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("kind", ["gradient", "evolution"])
def test_batch_without_labels_is_refused(
    kind: str, model: TextAdversary, problem: TextProblem, batch: TextBatch
) -> None:
    outputs = problem.decode(torch.zeros(NUM_ROWS, 12))
    term = evolution(model, Asked())
    if kind == "gradient":
        term = GradientTerm(word_level().eval(), model.vocabulary.words, loss="margin")  # type: ignore[assignment]
    with pytest.raises(ValueError, match="expected labels for the adversarial term"):
        term(outputs, TextBatch(batch.ids, batch.premises), problem)


def build_surrogate(buffer: AnswerBuffer) -> Surrogate:
    return Surrogate(word_level(), buffer, learning_rate=0.03, batch_size=12, generator=generator())


@pytest.mark.parametrize("access", ["score", "label"])
def test_surrogate_learns_the_answers(access: str) -> None:
    """Answers depend on the hypothesis alone; a network that ignored it could not get below their entropy."""
    hypotheses = ["the dog sleeps", "a cat eats", "no bird"] * 4
    answers = one_hot([0, 1, 2] * 4)
    if access == "score":
        answers = 0.1 + 0.7 * answers
    buffer = AnswerBuffer(50)
    buffer.add(["a dog sleeps in the park"] * 12, hypotheses, answers)
    surrogate = build_surrogate(buffer)
    first = surrogate.step()
    for _ in range(35):
        surrogate.step()
    found = surrogate.network.predict(buffer.premises, buffer.hypotheses)
    assert torch.equal(found.argmax(dim=1), answers.argmax(dim=1))
    last = -(answers * found.log()).sum(dim=1).mean()
    entropy = -(answers * answers.clamp_min(1e-9).log()).sum(dim=1).mean()
    assert last < entropy + 0.15 < first


def test_surrogate_is_frozen_and_without_dropout_before_and_after_a_step() -> None:
    buffer = AnswerBuffer(5)
    buffer.add(["a dog"], ["a cat"], one_hot([1]))
    surrogate = build_surrogate(buffer)
    for _ in range(2):
        assert not surrogate.network.training
        assert not any(parameter.requires_grad for parameter in surrogate.network.parameters())
        before = surrogate.network.embedding.weight.clone()
        surrogate.step()
        assert not torch.equal(surrogate.network.embedding.weight, before)
