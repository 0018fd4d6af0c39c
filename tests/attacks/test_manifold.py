"""Candidates from moved codes: what each one says about itself, and that nothing else has a say in it."""

from typing import Literal

import pytest
import torch

from tests.builders import LATENT, MAX_LENGTH, TINY_SENTENCES, build_tiny_adversary
from textsem.attacks.candidates import Candidate, CandidateSource
from textsem.attacks.manifold import ManifoldConfig, ManifoldSource
from textsem.attacks.proposals import candidates_from_ids
from textsem.attacks.word_edits import EditConfig, EditProposer
from textsem.latent.moves import DIRECTIONS
from textsem.model import TextAdversary
from textsem.text.batches import encode_sentences
from textsem.text.meaning import MeaningTable
from textsem.text.similarity import embedding_distance, mean_vector_similarity
from textsem.text.tokenization import render, tokenize, word_edits
from textsem.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, UNKNOWN_ID

LABELS, SEEDS = [0, 1, 2, 0], [11, 12, 13, 14]


def propose(model: TextAdversary, direction: str = "adversarial", seed: int = 0) -> list[list[Candidate]]:
    config = ManifoldConfig(direction, num_particles=3, num_neighbours=4, seed=seed)
    return ManifoldSource(model, config).propose(TINY_SENTENCES, LABELS, SEEDS, 40)


@pytest.mark.parametrize("direction", sorted(DIRECTIONS))
def test_every_direction_is_a_source_by_its_name(direction: str, tiny_adversary: TextAdversary) -> None:
    source = ManifoldSource(tiny_adversary, ManifoldConfig(direction))
    assert isinstance(source, CandidateSource)
    assert source.name == direction
    proposals = propose(tiny_adversary, direction)
    assert len(proposals) == 4
    assert all(0 < len(candidates) <= 40 for candidates in proposals)


def test_candidate_tells_the_truth_about_itself(tiny_adversary: TextAdversary) -> None:
    vocabulary, table = tiny_adversary.vocabulary, tiny_adversary.embedding_table()
    for text, candidates in zip(TINY_SENTENCES, propose(tiny_adversary), strict=True):
        original = tokenize(text)
        ids = encode_sentences([original.words], vocabulary=vocabulary, max_length=MAX_LENGTH)[0]
        for candidate in candidates:
            assert candidate.text == render(original, candidate.words)
            assert candidate.edits == word_edits(original.words, candidate.words)
            # A sentence that never ends has one word more than fits beside an end symbol.
            row = [*vocabulary.encode(candidate.words), END_ID, *[PAD_ID] * MAX_LENGTH][: MAX_LENGTH + 1]
            new = torch.tensor([row])
            assert candidate.distance == pytest.approx(embedding_distance(table, ids, new).item(), abs=1e-5)
            assert candidate.similarity == pytest.approx(mean_vector_similarity(table, ids, new).item(), abs=1e-5)


def test_candidates_differ_from_each_other_and_from_the_original(tiny_adversary: TextAdversary) -> None:
    for text, candidates in zip(TINY_SENTENCES, propose(tiny_adversary), strict=True):
        words = [candidate.words for candidate in candidates]
        assert len(words) == len(set(words)) > 1
        assert tokenize(text).words not in words
        assert not any(set(SPECIAL_WORDS) & set(row) for row in words)


def test_pair_gets_the_same_whatever_its_batch(tiny_adversary: TextAdversary) -> None:
    source = ManifoldSource(tiny_adversary, ManifoldConfig(num_particles=3, num_neighbours=4))
    together = source.propose(TINY_SENTENCES, LABELS, SEEDS, 40)
    assert source.propose(TINY_SENTENCES[::-1], LABELS, SEEDS[::-1], 40) == together[::-1]
    for i in range(4):
        assert source.propose(TINY_SENTENCES[i : i + 1], [2], SEEDS[i : i + 1], 40) == together[i : i + 1]
    assert source.propose([], [], [], 40) == []


def test_adversary_that_is_told_the_label_proposes_by_it() -> None:
    model = build_tiny_adversary().tell_labels()

    def proposals(label: int) -> list[list[Candidate]]:
        source = ManifoldSource(model, ManifoldConfig(num_particles=3, num_neighbours=4, noise_weights=(0.0,)))
        return source.propose(TINY_SENTENCES, [label] * 4, SEEDS, 40)

    assert proposals(0) == proposals(1)
    with torch.no_grad():
        model.label_shift[1].copy_(3 * torch.randn(LATENT, generator=torch.Generator().manual_seed(0)))
    assert proposals(0) == proposals(2)
    assert proposals(0) != proposals(1)


def test_seeds_decide_alone(tiny_adversary: TextAdversary) -> None:
    first = propose(tiny_adversary)
    before = torch.get_rng_state()
    assert propose(tiny_adversary) == first
    assert torch.equal(before, torch.get_rng_state())
    assert propose(tiny_adversary, seed=1) != first
    other = ManifoldSource(tiny_adversary, ManifoldConfig(num_particles=3, num_neighbours=4))
    assert other.propose(TINY_SENTENCES[:1], [0], [99], 40) != first[:1]


def test_nothing_of_the_model_changes() -> None:
    model = build_tiny_adversary()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    propose(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_longer_moves_lead_further(tiny_adversary: TextAdversary) -> None:
    def mean_distance(scale: float) -> float:
        config = ManifoldConfig("isotropic", num_particles=1, min_scale=scale, max_scale=scale, num_scales=1)
        still = ManifoldConfig("reconstruction", num_particles=1, num_scales=1)
        ids = encode_sentences(
            [tokenize(t).words for t in TINY_SENTENCES], vocabulary=tiny_adversary.vocabulary, max_length=MAX_LENGTH
        )
        codes = [
            ManifoldSource(tiny_adversary, c).moved_codes(ids, torch.zeros(len(ids), dtype=torch.int64), SEEDS, 50)
            for c in (config, still)
        ]
        return (tiny_adversary.decode_ids(codes[0]) != tiny_adversary.decode_ids(codes[1])).float().mean().item()

    with torch.no_grad():
        assert mean_distance(1e-6) <= mean_distance(0.2) < mean_distance(1.0)
        assert mean_distance(1e-6) == 0


@pytest.mark.parametrize("num_particles", [1, 2, 15])
def test_any_number_of_particles_works(num_particles: int, tiny_adversary: TextAdversary) -> None:
    for direction in DIRECTIONS:
        source = ManifoldSource(tiny_adversary, ManifoldConfig(direction, num_particles=num_particles))
        assert source.propose(["A man sleeps."], [0], [1], 7)[0]


@pytest.mark.parametrize(
    ("hypothesis", "reason"),
    [
        ("A man sleeps in the park", None),
        ("A man sleeps in the park.", "the hypothesis has 7 tokens, the model takes 6"),
        (" \n", "the hypothesis has no word"),
    ],
)
def test_hypotheses_that_fit_are_supported(hypothesis: str, reason: str | None, tiny_adversary: TextAdversary) -> None:
    assert ManifoldSource(tiny_adversary, ManifoldConfig()).supports(hypothesis) == reason


@pytest.mark.parametrize("direction", ["adversarial", "reconstruction"])
@pytest.mark.parametrize("decoding", ["mixture", "single"])
def test_codes_become_candidates_together_or_one_by_one(
    decoding: Literal["mixture", "single"], direction: str, tiny_adversary: TextAdversary
) -> None:
    model, text = tiny_adversary, TINY_SENTENCES[0]
    edits = EditConfig(num_codes=9, min_similarity=-1.0)
    source = ManifoldSource(model, ManifoldConfig(direction, num_particles=3, decoding=decoding, edits=edits))
    original = tokenize(text)
    ids = encode_sentences([original.words], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    is_mixture = decoding == "mixture" and direction == "adversarial"
    with torch.no_grad():
        num_codes = {"adversarial": 9 if is_mixture else 12, "reconstruction": 12}[direction]
        codes = source.moved_codes(ids, torch.tensor(LABELS[:1]), SEEDS[:1], num_codes)[0]
        table = model.embedding_table()
        if is_mixture:
            is_word = torch.tensor([i >= 4 and w not in ".," for i, w in enumerate(model.vocabulary.words)])
            proposer = EditProposer(table, is_word, edits, meaning=MeaningTable(table), language_model=None)
            decoded = proposer.propose(model.position_vectors(codes, ids), ids[0], 12)
        else:
            decoded = source.decode(codes, ids[0])
    expected = candidates_from_ids(original, ids[0], decoded, vocabulary=model.vocabulary, table=table)
    assert source.propose([text], LABELS[:1], SEEDS[:1], 12)[0] == expected
    assert expected


def test_meaning_table_of_the_model_has_its_say() -> None:
    model = build_tiny_adversary()
    config = ManifoldConfig(num_particles=3, edits=EditConfig(min_similarity=0.9))
    vectors = torch.zeros(model.vocabulary.size, 2)
    vectors[:, 0], vectors[model.vocabulary.ids["man"]] = 0.01, torch.tensor([0.0, 1.0])
    model.meaning = MeaningTable(vectors)
    found = ManifoldSource(model, config).propose(["A man sleeps."], [0], [1], 40)[0]
    assert found
    assert all("man" in candidate.words for candidate in found)
    model.meaning = None
    others = ManifoldSource(model, ManifoldConfig(num_particles=3)).propose(["A man sleeps."], [0], [1], 40)[0]
    assert any("man" not in candidate.words for candidate in others)


def rows_to_candidates(model: TextAdversary, text: str, rows: list[list[str]]) -> list[Candidate]:
    original = tokenize(text)
    ids = encode_sentences([original.words, *rows], vocabulary=model.vocabulary, max_length=MAX_LENGTH)
    return candidates_from_ids(
        original, ids[0], ids[1:], vocabulary=model.vocabulary, table=model.embedding_table().detach()
    )


def test_unknown_words_are_the_originals_own_in_order(tiny_adversary: TextAdversary) -> None:
    rows = [["a", "<?>", "sleeps"], ["a", "<?>", "<?>"], ["<?>", "<?>", "<?>"]]
    found = rows_to_candidates(tiny_adversary, "A Zebra yawns", rows)
    assert [(c.text, c.edits) for c in found] == [("A Zebra sleeps", 1)]  # the second is the original itself
    assert UNKNOWN_ID in tiny_adversary.vocabulary.encode(found[0].words)


def test_repetitions_the_original_and_empty_sentences_are_left_out(tiny_adversary: TextAdversary) -> None:
    rows = [["a", "dog"], [], ["a", "man"], ["a", "dog"], ["two", "dogs"]]
    found = rows_to_candidates(tiny_adversary, "A man", rows)
    assert [c.text for c in found] == ["A dog", "Two dogs"]
    assert [c.distance for c in found] == sorted(c.distance for c in found)
    assert rows_to_candidates(tiny_adversary, "A man", [["a", "man"]]) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("direction", "nowhere", "expected direction in .*'adversarial', 'basis'.*, got 'nowhere'"),
        ("num_particles", 0, "expected num_particles >= 1, got 0"),
        ("num_scales", 0, "expected num_scales >= 1, got 0"),
        ("max_edits", 0, "expected max_edits >= 1, got 0"),
        ("num_neighbours", 0, "expected num_neighbours >= 1, got 0"),
        ("min_scale", 0.0, "expected 0 < min_scale <= max_scale, got 0.0 and 1.4"),
        ("min_scale", 2.0, "expected 0 < min_scale <= max_scale, got 2.0 and 1.4"),
        ("decoding", "beam", "expected decoding mixture, single or free, got 'beam'"),
        ("noise_weights", (1.0, -1.0), "expected noise_weights >= 0, at least one, got"),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ManifoldConfig(**{name: value})  # type: ignore[arg-type]
