"""Word swaps: which words, how many, with what; and the factory of sources."""

from collections import Counter

import pytest
import torch

from tests.builders import TINY_SENTENCES, TINY_WORDS
from textsem.attacks.candidates import Candidate, CandidateSource
from textsem.attacks.controls import NeighbourSwapConfig, NeighbourSwapSource, make_source
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.latent.moves import DIRECTIONS
from textsem.model import TextAdversary

LABELS, SEEDS = [0, 1, 2, 0], [11, 12, 13, 14]
NAMES = sorted([*DIRECTIONS, "neighbours"])


def propose(
    model: TextAdversary, text: str, num_candidates: int = 400, seed: int = 5, **settings: int
) -> list[Candidate]:
    return NeighbourSwapSource(model, NeighbourSwapConfig(**settings)).propose([text], [0], [seed], num_candidates)[0]


def test_swapped_words_are_among_the_nearest_neighbours(tiny_adversary: TextAdversary) -> None:
    vocabulary, table = tiny_adversary.vocabulary, tiny_adversary.embedding_table()
    words = [w for w in TINY_WORDS if w not in {".", ","}]
    seen = Counter[str]()
    for candidate in propose(tiny_adversary, "A man sleeps.", num_neighbours=5):
        for old, new in zip(("a", "man", "sleeps", "."), candidate.words, strict=True):
            if old != new:
                cosine = {w: (table[vocabulary.ids[old]] @ table[vocabulary.ids[w]]).item() for w in words if w != old}
                assert new in sorted(words, key=lambda w: -cosine.get(w, -2.0))[:5]
                seen[old] += 1
    assert set(seen) == {"a", "man", "sleeps"}


def test_as_many_words_are_swapped_as_are_allowed_each_number_as_often(tiny_adversary: TextAdversary) -> None:
    source = NeighbourSwapSource(tiny_adversary, NeighbourSwapConfig(max_swaps=3))
    ids = torch.tensor([*tiny_adversary.vocabulary.encode(["a", "man", "sleeps", "in", "the", "park"]), 2])
    swapped = source._swap(ids, 6000, torch.Generator().manual_seed(0))
    changes = (swapped != ids).sum(dim=1)
    shares = torch.bincount(changes, minlength=7) / 6000
    expected = torch.tensor([0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0])
    torch.testing.assert_close(shares, expected, atol=0.03, rtol=0)  # five standard deviations
    places = (swapped != ids).float().mean(dim=0)
    torch.testing.assert_close(places, torch.tensor([1 / 3] * 6 + [0]), atol=0.03, rtol=0)
    assert all(len(torch.unique(swapped[:, place])) == 11 for place in range(6)), "all ten neighbours and the word"


def test_swaps_are_counted_in_the_fields_of_the_candidate(tiny_adversary: TextAdversary) -> None:
    for swaps in (1, 2):
        edits = {c.edits for c in propose(tiny_adversary, "A man sleeps in the park", max_swaps=swaps)}
        assert edits == set(range(1, swaps + 1))
    candidates = propose(tiny_adversary, "A man sleeps in the park", max_swaps=1)
    assert all(0 < c.distance <= 2 for c in candidates)
    assert len({c.words for c in candidates}) == len(candidates) <= 60
    assert len(candidates) > 50, "400 draws of 60 should find nearly all"


def test_punctuation_and_unknown_words_stay(tiny_adversary: TextAdversary) -> None:
    for candidate in propose(tiny_adversary, "The Zebra, runs."):
        assert candidate.words[1:3] == ("zebra", ",")
        assert candidate.words[4] == "."
        assert not {".", ","} & {candidate.words[0], candidate.words[3]}
        assert candidate.text[1 + len(candidate.words[0]) :].startswith("Zebra, ")
        assert candidate.text[0].isupper()


def test_sentence_without_a_word_to_swap_has_no_candidate(tiny_adversary: TextAdversary) -> None:
    assert propose(tiny_adversary, "Zebra, yawns.") == []


def test_pair_gets_the_same_whatever_its_batch(tiny_adversary: TextAdversary) -> None:
    source = NeighbourSwapSource(tiny_adversary, NeighbourSwapConfig())
    before = torch.get_rng_state()
    together = source.propose(TINY_SENTENCES, LABELS, SEEDS, 40)
    for i in range(4):
        assert source.propose(TINY_SENTENCES[i : i + 1], [2], SEEDS[i : i + 1], 40) == together[i : i + 1]
    assert torch.equal(before, torch.get_rng_state())
    assert source.propose(TINY_SENTENCES, LABELS, [1, 2, 3, 4], 40) != together


@pytest.mark.parametrize("name", NAMES)
def test_factory_makes_every_source_by_its_name(name: str, tiny_adversary: TextAdversary) -> None:
    source = make_source(name, tiny_adversary, ManifoldConfig(num_particles=2, num_neighbours=3))
    assert isinstance(source, CandidateSource)
    assert source.name == name
    if isinstance(source, ManifoldSource):
        assert source.config == ManifoldConfig(name, num_particles=2, num_neighbours=3)
    assert source.supports("A man sleeps.") is None
    assert source.supports("a a a a a a a") == "the hypothesis has 7 tokens, the model takes 6"
    assert source.propose(["A man sleeps."], [0], [1], 20)[0]


def test_factory_refuses_other_names(tiny_adversary: TextAdversary) -> None:
    expected = ", ".join(f"'{name}'" for name in NAMES)
    with pytest.raises(ValueError, match=rf"expected a source in \[{expected}\], got 'nowhere'"):
        make_source("nowhere", tiny_adversary, ManifoldConfig())


def test_settings_out_of_range_are_refused(tiny_adversary: TextAdversary) -> None:
    for name in ("max_swaps", "num_neighbours"):
        with pytest.raises(ValueError, match=f"expected {name} >= 1, got 0"):
            NeighbourSwapConfig(**{name: 0})
    with pytest.raises(ValueError, match="expected more than 38 words in the vocabulary, got 38"):
        NeighbourSwapSource(tiny_adversary, NeighbourSwapConfig(num_neighbours=38))
