"""Figures of a decoder: BLEU by hand, the draw of the reconstruction, parameters, relative times."""

import math
from collections.abc import Callable, Mapping

import pytest
from nltk.translate.bleu_score import SmoothingFunction

from tests.builders import TINY_SENTENCES
from tests.evaluation.decoder_fakes import MirrorAdversary
from textsem.attacks.manifold import ManifoldConfig
from textsem.evaluation import decoder_measures
from textsem.evaluation.decoder_measures import (
    bleu,
    measure_decoder,
    num_parameters,
    reconstructed_words,
    time_decoders,
)
from textsem.model import TextAdversary
from textsem.runs.timing import Timing
from textsem.text.tokenization import tokenize

OF_ONE_LENGTH = ["A man sleeps.", "The dog runs outside"]


def test_bleu_by_hand() -> None:
    five = tuple("abcde")
    assert bleu([five], [five]) == 1.0
    # 4 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 quadruples.
    assert bleu([five], [tuple("abcdx")]) == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    # All of four words are right, and one is missing: the brevity penalty alone.
    assert bleu([five], [five[:4]]) == pytest.approx(math.exp(1 - 5 / 4))
    # Counts of the corpus are summed before they are divided.
    assert bleu([five, five], [tuple("abcdx"), five]) == pytest.approx((9 / 10 * 7 / 8 * 5 / 6 * 3 / 4) ** 0.25)
    # No pair is right: each order without a match counts a tenth of one.
    assert SmoothingFunction().epsilon == 0.1
    assert bleu([five], [tuple("axcye")]) == pytest.approx((3 / 5 * 0.1 / 4 * 0.1 / 3 * 0.1 / 2) ** 0.25)
    assert bleu([five], [()]) == 0.0


def test_bleu_refuses_other_numbers_of_sentences() -> None:
    with pytest.raises(ValueError, match="as many originals as decoded sentences, got 1 and 0"):
        bleu([("a",)], [])


def test_perfect_decoder_has_every_figure_at_its_best() -> None:
    found = measure_decoder(MirrorAdversary(), OF_ONE_LENGTH, num_particles=2, seed=0)
    assert found["bleu"] == 1.0
    assert (found["reconstruction"]["share_of_tokens"], found["reconstruction"]["share_exact"]) == (1.0, 1.0)
    assert found["code_use"]["share_of_tokens"] == 1.0
    # Of five tokens the two sentences share the end alone.
    assert found["code_use"]["share_of_tokens_shuffled"] == 0.2


def test_words_are_those_that_reconstruction_counts(tiny_adversary: TextAdversary) -> None:
    found = measure_decoder(tiny_adversary, TINY_SENTENCES, num_particles=3, seed=4)
    decoded = reconstructed_words(tiny_adversary, TINY_SENTENCES, num_particles=3, seed=4)
    correct = total = 0
    for text, words in zip(TINY_SENTENCES, decoded, strict=True):
        rows = [(*row, "<end>") for row in (tokenize(text).words, words)]
        total += len(rows[0])
        correct += sum(a == b for a, b in zip(*rows, strict=False))
    assert found["reconstruction"]["share_of_tokens"] == pytest.approx(correct / total)


def test_unknown_word_is_never_right() -> None:
    assert reconstructed_words(MirrorAdversary(), ["The zebra runs"], num_particles=2, seed=0) == [
        ("the", "<unknown>", "runs")
    ]


def test_parameters_of_decoder_and_rest_add_up(tiny_adversary: TextAdversary) -> None:
    found = num_parameters(tiny_adversary)
    named = {name: p.numel() for name, p in tiny_adversary.named_parameters()}
    assert found["decoder"] == sum(count for name, count in named.items() if name.startswith("decoder."))
    assert found["all"] == sum(named.values()) > found["decoder"] > 0


def test_times_are_multiples_of_the_first(tiny_adversary: TextAdversary, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = []

    def time_calls(calls: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Timing]:
        answers.extend(call() for call in calls.values())
        return {name: Timing(9.0, 2.0 * (i + 1)) for i, name in enumerate(calls)}

    monkeypatch.setattr(decoder_measures, "time_calls", time_calls)
    models = {"one": tiny_adversary, "other": tiny_adversary}
    configs = dict.fromkeys(models, ManifoldConfig(num_particles=2))
    found = time_decoders(models, TINY_SENTENCES, [0] * 4, configs=configs, num_candidates=5)
    assert found == {"one": {"decode": 1.0, "candidates": 1.0}, "other": {"decode": 2.0, "candidates": 2.0}}
    assert len(answers) == 4
    assert all(answer is not None for answer in answers)
