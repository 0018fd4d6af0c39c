"""What the watches say of models and texts whose answer is known."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.arae_toys import build_run
from textsem.arae import ARAE
from textsem.text.batches import encode_sentences
from textsem.text.vocabulary import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary
from textsem.training.arae_watch import Watch, corpus_perplexity, fit_trigram, make_watch, reconstruction_shares

WORDS = ("a", "dog", "cat", "bird", "sleeps", "eats", "runs", "here", "there", ".")
VOCABULARY = Vocabulary(WORDS)


def toy_text(num_sentences: int, seed: int) -> Tensor:
    """Return sentences of a small grammar, ids [sentences, length]."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for noun, verb, place in torch.randint(3, (num_sentences, 3), generator=generator).tolist():
        where = [("here",), ("there",), ()][place]
        rows.append(["a", WORDS[1 + noun], WORDS[4 + verb], *where, "."])
    return encode_sentences(rows, vocabulary=VOCABULARY, max_length=6)


def shuffled(ids: Tensor) -> Tensor:
    """Return the same words, those of each sentence in another order."""
    generator, out = torch.Generator().manual_seed(0), ids.clone()
    for row in out:
        n = int((row > END_ID).sum())
        row[:n] = row[torch.randperm(n, generator=generator)]
    return out


def watch() -> Watch:
    return make_watch(
        toy_text(400, 0), toy_text(100, 1), vocabulary=VOCABULARY, num_watched=20, num_samples=150, seed=0
    )


def test_perplexity_of_a_corpus_is_over_words_and_end_symbols() -> None:
    text = toy_text(50, 0)
    judge = fit_trigram(text, VOCABULARY)
    nats, tokens = 0.0, 0
    for row in text:
        n = int((row > END_ID).sum())
        nats -= float(judge.log_probs(row[None, :n], torch.tensor([n])).sum())
        tokens += n + 1
    assert corpus_perplexity(judge, text) == pytest.approx(torch.tensor(nats / tokens).exp().item(), rel=1e-5)


def test_real_text_is_better_than_shuffled_words_both_ways() -> None:
    found, real = watch(), toy_text(150, 2)
    good, bad = found.perplexities(real), found.perplexities(shuffled(real))
    for name in ("forward_perplexity", "reverse_perplexity"):
        assert good[name] < 0.7 * bad[name], name


def test_one_sentence_over_and_over_is_well_formed_but_covers_nothing() -> None:
    """The collapse that reverse perplexity is there to see."""
    found, real = watch(), toy_text(150, 2)
    good, collapsed = found.perplexities(real), found.perplexities(real[:1].expand(150, -1))
    assert collapsed["forward_perplexity"] < 1.5 * good["forward_perplexity"]
    assert collapsed["reverse_perplexity"] > 2 * good["reverse_perplexity"]


def test_samples_without_a_word_are_as_good_as_a_uniform_choice() -> None:
    empty = torch.full((5, 7), PAD_ID)
    empty[:, 0] = END_ID
    assert watch().perplexities(empty)["reverse_perplexity"] == VOCABULARY.size - 2


def test_judge_has_not_seen_the_real_text_it_is_compared_with() -> None:
    text = encode_sentences([[word, word] for word in WORDS], vocabulary=VOCABULARY, max_length=6)
    found = make_watch(text, text[:3], vocabulary=VOCABULARY, num_watched=2, num_samples=4, seed=0)
    assert len(found.real) == 4
    assert len(found.watched) == 2
    seen = {int(key) % VOCABULARY.size for key in found.judge.tables.bigram_keys}
    unseen = set(found.real[:, 0].tolist())
    assert seen == {END_ID, *range(4, 14)} - unseen
    assert len(unseen) == 4
    everything = make_watch(text, text[:3], vocabulary=VOCABULARY, num_watched=20, num_samples=1000, seed=0)
    assert len(everything.real) == 5
    assert len(everything.watched) == 3


def test_choice_depends_on_the_seed_alone() -> None:
    first, again = watch(), watch()
    other = make_watch(
        toy_text(400, 0), toy_text(100, 1), vocabulary=VOCABULARY, num_watched=20, num_samples=150, seed=1
    )
    assert torch.equal(first.watched, again.watched)
    assert torch.equal(first.real, again.real)
    assert not torch.equal(first.watched, other.watched)


class Parrot:
    """An autoencoder whose code is the sentence; it misspells the words it is told to."""

    def __init__(self, free: dict[int, int], forced: dict[int, int]) -> None:
        self.free, self.forced = free, forced

    def encode(self, ids: Tensor) -> Tensor:
        return ids

    def decode_ids(self, codes: Tensor) -> Tensor:
        return torch.tensor([[self.free.get(i, i) for i in row] for row in codes.tolist()])

    def position_vectors(self, codes: Tensor, ids: Tensor) -> Tensor:
        words = torch.tensor([[self.forced.get(i, i) for i in row] for row in ids.tolist()])
        return torch.nn.functional.one_hot(words, VOCABULARY.size).float()

    def word_logits(self, vectors: Tensor) -> Tensor:
        return vectors


def test_shares_count_words_and_end_symbols_but_no_pads_and_no_unknown_word() -> None:
    ids = torch.tensor([[4, 5, 9, END_ID, PAD_ID], [4, 6, UNKNOWN_ID, END_ID, PAD_ID]])
    parrot = Parrot(free={5: 6, END_ID: 7, PAD_ID: 9}, forced={5: 6})
    shares = reconstruction_shares(parrot, ids)  # type: ignore[arg-type]
    assert shares["tokens_free"] == pytest.approx(4 / 8)
    assert shares["tokens_forced"] == pytest.approx(6 / 8)
    assert shares["sentences_exact"] == 0.0
    parrot = Parrot(free={PAD_ID: 9}, forced={})
    assert reconstruction_shares(parrot, ids)["sentences_exact"] == 0.5  # type: ignore[arg-type]


def test_measure_is_the_same_each_time_and_shows_samples(tmp_path: Path) -> None:
    run = build_run(tmp_path)
    before = torch.get_rng_state()
    first, again = run.watch.measure(run.model), run.watch.measure(run.model)
    assert first == again
    assert torch.equal(torch.get_rng_state(), before)
    assert len(first["samples"]) == 5
    assert 0 < first["distinct_samples"] <= 1
    assert isinstance(run.model, ARAE)
