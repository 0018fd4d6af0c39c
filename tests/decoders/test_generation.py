"""Words chosen by a decoder whose every probability is written down."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from textsem.decoders.generation import ROWS, State, choose_words, generate_stepwise
from textsem.protocols import GenerationConfig
from textsem.text.similarity import most_similar_words
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID

A, B = 4, 5
VOCAB = 6
SCALE = 50.0
TABLE = torch.eye(VOCAB, VOCAB + 1)
GREEDY, SAMPLING, BEAM = GenerationConfig(), GenerationConfig("sampling"), GenerationConfig("beam")


def vectors_of(logits: Tensor) -> Tensor:
    """Unit vectors whose product with SCALE and TABLE is ``logits`` [..., vocab]; one more axis takes up the rest."""
    cosines = logits / SCALE
    rest = (1 - cosines.square().sum(dim=-1, keepdim=True)).sqrt()
    assert bool(rest.isfinite().all())
    return torch.cat([cosines, rest], dim=-1)


class Chain:
    """The next word's logits are a table of the last two words; a code of one number says which table."""

    latent_dim = 1

    def __init__(self, logits: Tensor, length: int) -> None:
        self.logits = logits  # [tables, word before last, last word, word]
        self.length = length
        self.num_steps = 0

    def begin(self, codes: Tensor) -> State:
        return codes[:, 0].long(), torch.full((len(codes),), START_ID)

    def advance(self, state: State, words: Tensor, table: Tensor) -> tuple[Tensor, State]:
        self.num_steps += 1
        which, before = state
        return vectors_of(self.logits[which, before, words]), (which, words)


def chain_of(rows: dict[int, dict[int, float]], length: int) -> Chain:
    """A chain of the last word alone, given as {last word: {word: probability}}; what is not named is all but 0."""
    logits = torch.full((VOCAB, VOCAB), -15.0)
    for word, following in rows.items():
        for next_word, probability in following.items():
            logits[word, next_word] = torch.tensor(probability).log()
    return Chain(logits.expand(1, VOCAB, VOCAB, VOCAB), length)


def random_chain(num_tables: int, length: int, seed: int = 0, spread: float = 2.0) -> Chain:
    generator = torch.Generator().manual_seed(seed)
    return Chain(spread * torch.randn(num_tables, VOCAB, VOCAB, VOCAB, generator=generator), length)


def codes(*tables: int) -> Tensor:
    return torch.tensor(tables, dtype=torch.float32)[:, None]


def write(chain: Chain, codes: Tensor, config: GenerationConfig, seed: int | None = None) -> Tensor:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return generate_stepwise(chain, codes, TABLE, scale=SCALE, config=config, generator=generator)


def log_probability(chain: Chain, table: int, words: Sequence[int]) -> float:
    total, before, last = 0.0, START_ID, START_ID
    for word in words:
        total += float(chain.logits[table, before, last, END_ID:].log_softmax(dim=-1)[word - END_ID])
        before, last = last, word
    return total


def best_sentence(chain: Chain, table: int) -> list[int]:
    """The likeliest of all sentences that end, or are as long as can be; padded."""
    words = [word for word in range(END_ID, VOCAB) if word != END_ID]
    sentences = [
        [*body, END_ID] for length in range(chain.length) for body in itertools.product(words, repeat=length)
    ] + [list(body) for body in itertools.product(words, repeat=chain.length)]
    best = max(sentences, key=lambda sentence: log_probability(chain, table, sentence))
    return best + [PAD_ID] * (chain.length - len(best))


def naive_beam(chain: Chain, table: int, num_beams: int) -> list[int]:
    beams: list[list[int]] = [[]]
    for _ in range(chain.length):
        grown = []
        for beam in beams:
            grown += [beam] if END_ID in beam else [[*beam, word] for word in range(END_ID, VOCAB)]
        beams = sorted(grown, key=lambda sentence: -log_probability(chain, table, sentence))[:num_beams]
    return beams[0] + [PAD_ID] * (chain.length - len(beams[0]))


def test_greedy_follows_the_chain() -> None:
    chain = chain_of(
        {START_ID: {A: 0.6, B: 0.4}, A: {B: 0.5, A: 0.3, END_ID: 0.2}, B: {UNKNOWN_ID: 1}, UNKNOWN_ID: {END_ID: 1}}, 6
    )
    assert write(chain, codes(0), GREEDY).tolist() == [[A, B, UNKNOWN_ID, END_ID, PAD_ID, PAD_ID]]


def test_sentence_without_an_end_fills_the_length() -> None:
    chain = chain_of({START_ID: {A: 1}, A: {B: 1}, B: {A: 1}}, 5)
    for config in (GREEDY, SAMPLING, BEAM):
        assert write(chain, codes(0), config, seed=0).tolist() == [[A, B, A, B, A]]


def test_state_goes_with_its_row() -> None:
    # The chain of the code, and the word before last: the same last word is followed by another one.
    logits = torch.full((2, VOCAB, VOCAB, VOCAB), -10.0)
    logits[0, START_ID, START_ID, A] = logits[1, START_ID, START_ID, B] = 5.0
    logits[0, START_ID, A, UNKNOWN_ID] = logits[1, START_ID, B, UNKNOWN_ID] = 5.0
    logits[:, A, UNKNOWN_ID, B] = logits[:, B, UNKNOWN_ID, A] = 5.0
    for config in (GREEDY, SAMPLING, BEAM):
        found = write(Chain(logits, 3), codes(1, 0, 1), config, seed=0)
        assert found.tolist() == [[B, UNKNOWN_ID, A], [A, UNKNOWN_ID, B], [B, UNKNOWN_ID, A]]


def is_as_likely(share: Tensor, probability: Tensor, num_draws: int) -> bool:
    """Within 4 standard errors; all of the 56 shares that are compared here, for 99.6% of seeds."""
    return bool(((share - probability).abs() <= 4 * (probability * (1 - probability) / num_draws).sqrt()).all())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sampled_words_are_as_frequent_as_the_softmax_says(temperature: float) -> None:
    chain = random_chain(1, length=2, spread=0.5)
    config = GenerationConfig("sampling", temperature=temperature)
    drawn = write(chain, torch.zeros(8_000, 1), config, seed=1)
    first = (chain.logits[0, START_ID, START_ID, END_ID:] / temperature).softmax(dim=-1)
    counts = drawn[:, 0].bincount(minlength=VOCAB)[END_ID:]
    assert is_as_likely(counts / len(drawn), first, len(drawn))
    for word in (UNKNOWN_ID, A, B):
        behind = drawn[drawn[:, 0] == word, 1]
        assert len(behind) > 50
        second = (chain.logits[0, START_ID, word, END_ID:] / temperature).softmax(dim=-1)
        counts = behind.bincount(minlength=VOCAB)[END_ID:]
        assert is_as_likely(counts / len(behind), second, len(behind))


def test_cold_sampling_is_greedy() -> None:
    chain = random_chain(4, length=5)
    cold = GenerationConfig("sampling", temperature=1e-4)
    assert torch.equal(write(chain, codes(0, 1, 2, 3), cold, seed=0), write(chain, codes(0, 1, 2, 3), GREEDY))


def test_seed_decides_what_is_sampled_and_the_global_generator_is_left_alone() -> None:
    chain, rows = random_chain(4, length=5), codes(0, 1, 2, 3).repeat(5, 1)
    before = torch.get_rng_state()
    assert torch.equal(write(chain, rows, SAMPLING, seed=3), write(chain, rows, SAMPLING, seed=3))
    assert not torch.equal(write(chain, rows, SAMPLING, seed=3), write(chain, rows, SAMPLING, seed=4))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", range(3))
def test_beam_as_wide_as_all_sentences_finds_the_best_of_all(seed: int) -> None:
    chain = random_chain(8, length=3, seed=seed)
    found = write(chain, codes(*range(8)), GenerationConfig("beam", num_beams=4**3))
    assert found.tolist() == [best_sentence(chain, table) for table in range(8)]
    # The claim would be empty were the greedy sentence always the best.
    assert not torch.equal(found, write(chain, codes(*range(8)), GREEDY))


@pytest.mark.parametrize("num_beams", [1, 2, 3, 5])
def test_beam_is_the_naive_beam(num_beams: int) -> None:
    chain = random_chain(20, length=5)
    found = write(chain, codes(*range(20)), GenerationConfig("beam", num_beams=num_beams))
    assert found.tolist() == [naive_beam(chain, table, num_beams) for table in range(20)]


def test_beam_of_one_is_greedy() -> None:
    chain = random_chain(20, length=5)
    one = GenerationConfig("beam", num_beams=1)
    assert torch.equal(write(chain, codes(*range(20)), one), write(chain, codes(*range(20)), GREEDY))


def test_finished_beam_stays_while_others_go_on() -> None:
    # "B" alone has 0.4; "A" is likelier at first, but what follows it is spread over four sentences of 0.15 at most.
    chain = chain_of({START_ID: {A: 0.6, B: 0.4}, B: {END_ID: 1}, A: {A: 0.5, UNKNOWN_ID: 0.5}, UNKNOWN_ID: {B: 1}}, 4)
    assert write(chain, codes(0), GenerationConfig("beam", num_beams=3)).tolist() == [[B, END_ID, PAD_ID, PAD_ID]]
    assert write(chain, codes(0), GREEDY)[0, 0] == A


def test_long_sentence_is_not_favoured() -> None:
    # By the mean over words instead of the sum, "A A A A" with 0.4 would beat the empty sentence with 0.6.
    chain = chain_of({START_ID: {A: 0.4, END_ID: 0.6}, A: {A: 1}}, 4)
    assert write(chain, codes(0), BEAM).tolist() == [[END_ID, PAD_ID, PAD_ID, PAD_ID]]


@pytest.mark.parametrize("config", [GREEDY, SAMPLING, BEAM])
def test_pad_and_start_are_never_chosen_and_only_pads_follow_the_end(config: GenerationConfig) -> None:
    chain = random_chain(10, length=6)
    chain.logits[..., [PAD_ID, START_ID]] = 20.0
    found = write(chain, codes(*range(10)).repeat(6, 1), config, seed=0)
    is_after_end = (found == END_ID).cumsum(dim=1).roll(1, dims=1).bool()
    is_after_end[:, 0] = False
    assert bool(is_after_end.any())
    assert bool((found[is_after_end] == PAD_ID).all())
    assert bool((found[~is_after_end] >= END_ID).all())


@pytest.mark.parametrize("config", [GREEDY, BEAM])
def test_row_does_not_depend_on_others(config: GenerationConfig) -> None:
    chain = random_chain(7, length=5)
    rows = codes(*(i % 7 for i in range(ROWS + 5)))  # more than are written at a time
    alone = torch.cat([write(chain, codes(table), config) for table in range(7)])
    assert torch.equal(write(chain, rows, config), alone[rows[:, 0].long()])


@pytest.mark.parametrize("config", [GREEDY, SAMPLING, BEAM])
def test_leading_axes_are_those_of_the_codes(config: GenerationConfig) -> None:
    chain = random_chain(6, length=4)
    flat = write(chain, codes(*range(6)), config, seed=0)
    assert torch.equal(write(chain, codes(*range(6)).reshape(2, 3, 1), config, seed=0), flat.reshape(2, 3, 4))
    assert torch.equal(write(chain, codes(0)[0], config, seed=0), write(chain, codes(0), config, seed=0)[0])
    for lead in ((0,), (2, 0)):
        found = write(chain, torch.zeros(*lead, 1), config, seed=0)
        assert (found.shape, found.dtype) == ((*lead, 4), torch.int64)


@pytest.mark.parametrize("config", [GREEDY, SAMPLING, BEAM])
def test_no_step_is_taken_once_all_sentences_have_ended(config: GenerationConfig) -> None:
    chain = chain_of({START_ID: {A: 1}, A: {END_ID: 1}, B: {END_ID: 1}, UNKNOWN_ID: {END_ID: 1}}, 50)
    assert write(chain, codes(0, 0), config, seed=0).ne(PAD_ID).sum(dim=1).tolist() == [2, 2]
    assert chain.num_steps <= 3


def test_sampling_without_a_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a generator for the strategy sampling, got None"):
        write(random_chain(1, length=2), codes(0), SAMPLING)
    with pytest.raises(ValueError, match="expected a generator for the strategy sampling, got None"):
        choose_words(vectors_of(torch.zeros(1, 2, VOCAB)), TABLE, scale=SCALE, config=SAMPLING)


def test_positions_by_themselves_take_their_likeliest_word_greedily_and_by_beam() -> None:
    logits = torch.tensor([[[9, 9, 0, 1, 2, 0], [9, 9, 0, 3, 2, 0], [9, 9, 4, 3, 2, 0], [9, 9, 0, 0, 2, 3.0]]])
    for config in (GREEDY, BEAM):
        found = choose_words(vectors_of(logits), TABLE, scale=SCALE, config=config)
        assert found.tolist() == [[A, UNKNOWN_ID, END_ID, PAD_ID]]
        assert torch.equal(found, most_similar_words(TABLE, vectors_of(logits)))


def test_positions_by_themselves_are_sampled_each_by_its_softmax() -> None:
    logits = torch.tensor([[9, 9, -1, 0, 1, 2], [9, 9, -1, 2, 1, 0.0]])
    vectors = vectors_of(logits).expand(8_000, -1, -1)
    config = GenerationConfig("sampling", temperature=2.0)
    drawn = choose_words(vectors, TABLE, scale=SCALE, config=config, generator=torch.Generator().manual_seed(0))
    probabilities = (logits[:, END_ID:] / 2.0).softmax(dim=-1)
    is_open = drawn[:, 0] != END_ID
    assert is_as_likely(drawn[:, 0].bincount(minlength=VOCAB)[END_ID:] / len(drawn), probabilities[0], len(drawn))
    counts = drawn[is_open, 1].bincount(minlength=VOCAB)[END_ID:]
    assert is_as_likely(counts / int(is_open.sum()), probabilities[1], int(is_open.sum()))
    assert bool((drawn[~is_open, 1] == PAD_ID).all())
