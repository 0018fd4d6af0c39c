"""Free text: what a decoder that makes no mistake gives, and moves of equal length."""

import math

import pytest
import torch
from torch import Tensor

from tests.evaluation.decoder_fakes import OTHER, EqualityEncoder, MirrorAdversary, small_trigram
from textsem.evaluation import decoder_free_text
from textsem.evaluation.decoder_free_text import (
    FREE_SOURCES,
    FreeText,
    equal_noise,
    free_words,
    judge_free_text,
    summarise_free_text,
)
from textsem.model import TextAdversary

SENTENCES = ["A man sleeps.", "The zebra runs", "Two dogs, near a house"]
LABELS = [0, 1, 2]


def judge(model: TextAdversary) -> dict[str, list[FreeText]]:
    words = free_words(model, SENTENCES, LABELS, num_particles=3, seed=0)
    trigram = small_trigram()
    return {
        source: judge_free_text(SENTENCES, words[source], language_model=trigram, encoder=EqualityEncoder())
        for source in FREE_SOURCES
    }


def test_perfect_decoder_and_unmoved_codes_give_the_original_to_the_letter() -> None:
    found = judge(MirrorAdversary())
    for source in FREE_SOURCES:
        assert found[source] == [FreeText(text, 1.0, 1.0, 0) for text in SENTENCES]
        summary = summarise_free_text(found[source], unmoved=found["reconstruction"])
        assert (summary["median_ratio"], summary["median_similarity"], summary["share_good"]) == (1.0, 1.0, 1.0)
        assert (summary["median_changed_words"], summary["share_moved"], summary["changed"]) == (0, 0.0, None)


def test_word_that_the_move_brings_is_measured_against_the_original() -> None:
    found = judge(MirrorAdversary(at_1="dog"))
    assert [one.text for one in found["reconstruction"]] == SENTENCES
    assert [one.text for one in found["adversarial"]] == ["A dog sleeps.", "The dog runs", "Two dog, near a house"]
    old, new = small_trigram().perplexity([("a", "man", "sleeps", "."), ("a", "dog", "sleeps", ".")])
    assert found["adversarial"][0] == FreeText("A dog sleeps.", new / old, OTHER, 1)
    summary = summarise_free_text(found["adversarial"], unmoved=found["reconstruction"])
    assert (summary["n"], summary["share_moved"], summary["median_similarity"]) == (3, 1.0, OTHER)


def test_isotropic_text_is_that_of_noise_as_long_as_the_move(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MirrorAdversary(at_1="dog")

    def known_noise(z: Tensor, z_adv: Tensor, noise: Tensor, *, is_spherical: bool) -> Tensor:
        assert ((z_adv - z)[:, [0, *range(2, z.shape[1])]] == 0).all()
        assert (z_adv[:, 1] == model.vocabulary.ids["dog"]).all()
        assert noise.shape == z.shape
        assert not is_spherical
        return torch.cat([torch.full_like(z[:, :1], model.vocabulary.ids["dog"]), z[:, 1:]], dim=1)

    monkeypatch.setattr(decoder_free_text, "equal_noise", known_noise)
    words = free_words(model, SENTENCES[:1], [0], num_particles=3, seed=0)
    assert words == {
        "reconstruction": [("a", "man", "sleeps", ".")],
        "adversarial": [("a", "dog", "sleeps", ".")],
        "isotropic": [("dog", "man", "sleeps", ".")],
    }


class Told(MirrorAdversary):
    """E writes its particle's number in the first place; E' writes its own and the label in the second."""

    def codes(self, features: Tensor, theta: Tensor) -> Tensor:
        codes = features.repeat(len(theta), 1, 1)
        codes[..., 0] = 4 + torch.arange(len(theta))[:, None]
        return codes

    def perturb(self, codes: Tensor, features: Tensor, theta_adv: Tensor, labels: Tensor | None = None) -> Tensor:
        assert labels is not None
        moved = codes.clone()
        moved[..., 1] = 7 + 3 * torch.arange(len(codes))[:, None] + labels
        return moved


def test_one_particle_of_both_encoders_serves_a_sentence_and_its_label() -> None:
    model = Told()
    texts, labels = ["a man sleeps"] * 12, [0, 1, 2] * 4
    words = free_words(model, texts, labels, num_particles=3, seed=0)
    ids = model.vocabulary.ids
    particles = [ids[row[0]] - 4 for row in words["reconstruction"]]
    assert set(particles) == {0, 1, 2}
    for row, particle, label in zip(words["adversarial"], particles, labels, strict=True):
        assert ids[row[1]] == 7 + 3 * particle + label
        assert ids[row[0]] == 4 + particle


def test_unknown_symbol_is_the_original_word_where_there_is_one() -> None:
    words = free_words(MirrorAdversary(at_0="<unknown>"), ["The zebra runs"], [0], num_particles=2, seed=0)
    assert words["reconstruction"] == [("the", "zebra", "runs")]
    assert words["adversarial"] == [("zebra", "<unknown>", "runs")]


def test_seed_alone_draws(tiny_adversary: TextAdversary) -> None:
    def draw(seed: int) -> dict[str, list[tuple[str, ...]]]:
        return free_words(tiny_adversary, SENTENCES * 4, LABELS * 4, num_particles=3, seed=seed)

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


def test_summary_of_known_ratios() -> None:
    ratios = [4.0, 0.5, 2.0, 1.0]
    found = [FreeText(str(i), ratio, 0.1 * i, i) for i, ratio in enumerate(ratios)]
    unmoved = [FreeText("0", 1.0, 1.0, 0)] * 4
    summary = summarise_free_text(found, unmoved=unmoved)
    assert summary == {
        "n": 4,
        "median_ratio": 1.5,
        "median_ratio_interval": None,
        "share_good": 0.75,
        "median_similarity": pytest.approx(0.15),
        "median_changed_words": 1.5,
        "share_moved": 0.75,
        # The first one has no word changed.
        "changed": {
            "n": 3,
            "median_ratio": 1.0,
            "median_ratio_interval": None,
            "share_good": 1.0,
            "median_similarity": pytest.approx(0.2),
            "median_changed_words": 2,
        },
    }
    assert summarise_free_text(found * 2, unmoved=unmoved * 2)["median_ratio_interval"] == (0.5, 4.0)


@pytest.mark.parametrize("is_spherical", [True, False])
def test_noise_moves_as_far_as_the_move(is_spherical: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    z, z_adv, noise = torch.randn(3, 50, 12, generator=generator, dtype=torch.float64)
    if is_spherical:
        z, z_adv = (math.sqrt(12) * rows / rows.norm(dim=1, keepdim=True) for rows in (z, z_adv))
    moved = equal_noise(z, z_adv, noise, is_spherical=is_spherical)
    torch.testing.assert_close((moved - z).norm(dim=1), (z_adv - z).norm(dim=1))
    if is_spherical:
        torch.testing.assert_close(moved.norm(dim=1), z.norm(dim=1))
    assert (moved - z_adv).norm(dim=1).min() > 0.1
