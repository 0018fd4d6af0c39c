"""Traded codes, by decoders that listen to the code, to the words before, or to nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.evaluation.code_use import CodeUse, measure_code_use, trade_partners
from textsem.evaluation.reconstruction import measure_reconstruction
from textsem.model import TextAdversary
from textsem.text.vocabulary import END_ID, PAD_ID, Vocabulary

VOCABULARY = Vocabulary(["a", "man", "dog", "sleeps", "runs", "."])
# Two of 4 words and marks that differ in the second, and one that is alone with 3: 10 tokens with the ends.
SENTENCES = ["A man sleeps.", "A dog sleeps.", "A dog runs"]

LOST = 100 * (1.0 - 0.8)  # the second words of the two

Writer = Callable[[Tensor], Tensor]
Reader = Callable[[Tensor, Tensor], Tensor]


def listen(codes: Tensor) -> Tensor:
    return codes.long()


def ignore(codes: Tensor) -> Tensor:
    return torch.tensor([*VOCABULARY.encode(["a", "dog", "sleeps", "."]), END_ID, PAD_ID, PAD_ID]).expand_as(codes)


def listen_to_code(codes: Tensor, ids: Tensor) -> Tensor:
    return codes.long()


def listen_to_code_at_word_two(codes: Tensor, ids: Tensor) -> Tensor:
    words = ids.clone()
    words[:, 1] = codes[:, 1].long()
    return words


def repeat_the_word_before(codes: Tensor, ids: Tensor) -> Tensor:
    return torch.cat([torch.full_like(ids[:, :1], END_ID), ids[:, :-1]], dim=1)


@dataclass
class Fake:
    """The code of a sentence is its row of ids; what decoders make of it is given."""

    write: Writer = listen
    read: Reader = listen_to_code

    config = SimpleNamespace(max_length=6)
    vocabulary = VOCABULARY

    def embedding_table(self) -> Tensor:
        return torch.eye(VOCABULARY.size)

    def draw_particles(self, num_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.zeros(num_particles, 1), torch.zeros(num_particles, 1)

    def features(self, ids: Tensor) -> Tensor:
        return ids.float()

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        return features.repeat(len(theta), 1, 1)

    def decode_ids(self, codes: Tensor) -> Tensor:
        return self.write(codes)

    def position_vectors(self, codes: Tensor, ids: Tensor) -> Tensor:
        # Pad and start are the most similar everywhere, and must not be taken.
        vectors = F.one_hot(self.read(codes, ids), VOCABULARY.size).float()
        vectors[..., :END_ID] = 2.0
        return vectors


def measure(model: Fake, sentences: list[str] = SENTENCES, **options: Any) -> CodeUse:
    return measure_code_use(cast(TextAdversary, model), sentences, **{"num_particles": 2, "seed": 0, **options})


def test_decoder_that_writes_what_the_code_says_keeps_what_sentences_share() -> None:
    found = measure(Fake())
    assert (found.share_of_tokens, found.share_of_tokens_shuffled, found.points_lost) == (1.0, 0.8, LOST)
    assert found.share_in_common == 0.8
    assert (found.num_sentences, found.num_tokens, found.num_lone) == (2, 10, 1)


def test_decoder_that_ignores_the_code_loses_nothing() -> None:
    found = measure(Fake(write=ignore))
    assert (found.share_of_tokens, found.share_of_tokens_shuffled, found.points_lost) == (0.9, 0.9, 0.0)


def test_free_run_and_teacher_forcing_are_told_apart() -> None:
    found = measure(Fake(write=ignore, read=listen_to_code))
    assert (found.points_lost, found.teacher_forced_points_lost) == (0.0, LOST)
    found = measure(Fake(write=listen, read=repeat_the_word_before))
    assert (found.points_lost, found.teacher_forced_points_lost) == (LOST, 0.0)


def test_teacher_forced_decoder_reads_the_true_words_and_the_traded_code() -> None:
    found = measure(Fake(write=ignore, read=listen_to_code_at_word_two))
    assert (found.teacher_forced_share, found.teacher_forced_share_shuffled) == (1.0, 0.8)
    found = measure(Fake(write=ignore, read=repeat_the_word_before), ["a a dog", "a dog dog"])
    assert (found.teacher_forced_share, found.teacher_forced_share_shuffled) == (2 / 8, 2 / 8)


def test_sentence_that_stands_twice_is_measured_once() -> None:
    # Else its own code could come back to it, and nothing would be lost.
    assert measure(Fake(), [*SENTENCES, *SENTENCES, "a DOG runs"]) == measure(Fake())


def test_codes_never_go_to_a_sentence_of_another_length() -> None:
    sentences = ["a", "dog", "a man", "a dog", "man runs", "a dog runs .", "a man sleeps ."]
    assert measure(Fake(), sentences).num_lone == 0
    # All ends are in common: a decoder that writes what the code says never misses one.
    ends = measure(Fake(write=lambda codes: torch.where(codes == END_ID, END_ID, 3)), sentences)
    assert ends.share_of_tokens == ends.share_of_tokens_shuffled == 7 / ends.num_tokens


def test_unknown_word_is_never_correct() -> None:
    found = measure(Fake(), ["a platypus sleeps", "a dog sleeps"])
    assert (found.share_of_tokens, found.teacher_forced_share) == (7 / 8, 7 / 8)
    assert (found.share_of_tokens_shuffled, found.share_in_common) == (6 / 8, 6 / 8)


def test_own_codes_give_the_share_of_the_reconstruction() -> None:
    class Noisy(Fake):
        def codes(self, features: Tensor, theta: Tensor) -> Tensor:
            codes = features.repeat(len(theta), 1, 1)
            codes[1, :, 1] = END_ID  # one particle of two forgets the second word
            return codes

    sentences = ["a man runs", "a man sleeps", "dog runs .", "a dog sleeps", "a dog", "man runs", "runs"]
    for seed in range(5):
        known = measure_reconstruction(cast(TextAdversary, Noisy()), sentences[:6], num_particles=2, seed=seed)
        assert known.share_of_tokens != 1.0
        # A lone sentence or a second copy at the end takes no other's particle.
        for given in (sentences[:6], sentences, [*sentences[:6], "a man runs"]):
            found = measure(Noisy(), given, seed=seed)
            assert (found.share_of_tokens, found.num_tokens) == (known.share_of_tokens, known.num_tokens)


def test_longer_sentences_can_be_left_out() -> None:
    assert measure(Fake(), [*SENTENCES, "a man runs"], max_words=3).num_sentences == 2
    with pytest.raises(ValueError, match="expected max_words >= 1, got 0"):
        measure(Fake(), max_words=0)


@pytest.mark.parametrize("sentences", [[], ["a dog"], ["a dog", "a dog runs", ""]])
def test_nobody_to_trade_with_gives_none(sentences: list[str]) -> None:
    found = measure(Fake(), sentences)
    assert found.share_of_tokens is found.points_lost is found.teacher_forced_points_lost is found.share_in_common
    assert found.share_in_common is None
    assert (found.num_sentences, found.num_tokens, found.num_lone) == (0, 0, len([s for s in sentences if s]))


def test_batches_of_teacher_forcing_are_put_together() -> None:
    words = VOCABULARY.words[4:]
    sentences = [f"{a} {b} {c}" for a in words for b in words for c in words]  # 216: more than are compared at a time
    found = measure(Fake(), sentences)
    assert (found.teacher_forced_share, found.num_sentences) == (1.0, 216)
    assert found.teacher_forced_share_shuffled == found.share_in_common


def rows(*lengths: int) -> Tensor:
    ids = torch.full((len(lengths), 9), PAD_ID)
    for row, length in enumerate(lengths):
        ids[row, :length] = 4
        ids[row, length] = END_ID
    return ids


def test_partners_are_others_of_the_same_length_each_taken_once() -> None:
    lengths = torch.randint(1, 5, (200,), generator=torch.Generator().manual_seed(0))
    partners = trade_partners(rows(*lengths.tolist()), torch.Generator().manual_seed(1))
    assert torch.equal(partners.sort().values, torch.arange(200))
    assert not bool((partners == torch.arange(200)).any())
    assert torch.equal(lengths[partners], lengths)


def test_row_that_is_alone_of_its_length_gets_itself() -> None:
    assert trade_partners(rows(3, 5, 3), torch.Generator().manual_seed(0)).tolist() == [2, 1, 0]
    assert trade_partners(rows(), torch.Generator().manual_seed(0)).tolist() == []


def test_seed_decides_who_trades_and_every_ring_comes_up() -> None:
    drawn = [tuple(trade_partners(rows(3, 3, 3), torch.Generator().manual_seed(s)).tolist()) for s in range(200)]
    again = [tuple(trade_partners(rows(3, 3, 3), torch.Generator().manual_seed(s)).tolist()) for s in range(200)]
    assert drawn == again
    # Three rows have two derangements; a fair coin shows each 65 to 135 times of 200 but once in a million.
    assert set(drawn) == {(1, 2, 0), (2, 0, 1)}
    assert 65 <= drawn.count((1, 2, 0)) <= 135
