"""What the ARAE decoder keeps beside the contract: teacher forcing is stepping, codes live on the sphere."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.decoders.arae import ARAEDecoder, ARAEDecoderConfig
from textsem.latent.initialisation import draw_layers
from textsem.protocols import GenerationConfig
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

LENGTH, EMBEDDING, LATENT, VOCAB = 6, 5, 4, 17
CONSTANT = ARAEDecoderConfig(LATENT, LENGTH, EMBEDDING, hidden_dim=LATENT, code_dim=LATENT, code_input="constant")
CONFIGS = {
    "constant": CONSTANT,
    "positional": replace(CONSTANT, code_input="positional", view_dim=3),
    "constant, other widths": replace(CONSTANT, hidden_dim=7, code_dim=3),
    "positional, other widths": replace(CONSTANT, hidden_dim=7, code_dim=3, code_input="positional", view_dim=2),
}
IDS = torch.tensor([[5, 9, 4, END_ID, PAD_ID, PAD_ID], [7, 16, 3, 4, 8, END_ID], [END_ID, 0, 0, 0, 0, 0]])


def build(name: str) -> ARAEDecoder:
    decoder = ARAEDecoder(CONFIGS[name])
    draw_layers(decoder, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(4)  # else so few weights write the same word everywhere
    return decoder.double()


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def table() -> Tensor:
    return F.normalize(random(VOCAB, EMBEDDING, seed=2), dim=-1)


@pytest.mark.parametrize("name", CONFIGS)
def test_teacher_forcing_equals_stepping_through_the_words(name: str) -> None:
    decoder, codes, words = build(name), random(3, LATENT), table()
    state, last, vectors = decoder.begin(codes), torch.full((3,), START_ID), []
    for t in range(LENGTH):
        step, state = decoder.advance(state, last, words)
        vectors.append(step)
        last = IDS[:, t]
    torch.testing.assert_close(decoder(codes, IDS, words), torch.stack(vectors, dim=1), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", CONFIGS)
def test_vector_sees_the_words_before_it_and_no_other(name: str) -> None:
    decoder, codes, words = build(name), random(3, LATENT), table()
    before = decoder(codes, IDS, words)
    for t in range(LENGTH):
        ids = IDS.clone()
        ids[:, t] = 11
        moved = (decoder(codes, ids, words) - before).norm(dim=-1) > 0
        assert not moved[:, : t + 1].any()
        assert moved[:, t + 1 :].all()


@pytest.mark.parametrize("name", ["constant", "positional"])
def test_length_of_a_code_says_nothing(name: str) -> None:
    decoder, codes = build(name), random(3, LATENT)
    torch.testing.assert_close(decoder(7 * codes, IDS, table()), decoder(codes, IDS, table()))


def test_codes_of_another_width_are_lifted_onto_the_sphere() -> None:
    decoder, codes = build("positional, other widths"), random(3, LATENT)
    assert decoder.lift is not None
    lifted = decoder.sphere(codes)
    assert lifted.shape == (3, 3)
    torch.testing.assert_close(lifted, F.normalize(decoder.lift(codes), dim=-1))
    torch.testing.assert_close(lifted.norm(dim=-1), torch.ones(3, dtype=torch.float64))
    assert build("positional").lift is None


def test_constant_input_is_the_code_at_every_position_and_at_first() -> None:
    decoder, codes = build("constant"), random(3, LATENT)
    views, hidden, cell, position = decoder.begin(codes)
    unit = F.normalize(codes, dim=-1)
    assert torch.equal(views, unit[:, None].expand(3, LENGTH, LATENT))
    assert torch.equal(hidden, unit)
    assert not cell.any()
    assert not position.any()
    assert decoder.lstm.input_size == EMBEDDING + LATENT


def test_positional_input_is_a_linear_view_for_each_position() -> None:
    decoder, codes = build("positional"), random(3, LATENT)
    assert decoder.view is not None
    views = decoder.begin(codes)[0]
    for t in range(LENGTH):
        rows = slice(3 * t, 3 * t + 3)
        expected = F.normalize(codes, dim=-1) @ decoder.view.weight[rows].T + decoder.view.bias[rows]
        torch.testing.assert_close(views[:, t], expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_words_are_the_likeliest_after_those_before(name: str) -> None:
    decoder, codes, words = build(name), random(8, LATENT), table()
    ids = decoder.generate(codes, words, scale=5.0, config=GenerationConfig())
    likeliest = END_ID + (decoder(codes, ids, words) @ words[END_ID:].T).argmax(dim=-1)
    assert torch.equal(torch.where(ids == PAD_ID, likeliest, ids), likeliest)
    assert len(torch.unique(ids, dim=0)) > 1


@pytest.mark.parametrize("lead", [(), (2, 3), (0,), (2, 0)])
def test_any_leading_axes_give_words(lead: tuple[int, ...]) -> None:
    decoder, codes = build("positional"), random(*lead, LATENT)
    assert decoder.generate(codes, table(), scale=5.0, config=GenerationConfig()).shape == (*lead, LENGTH)
    assert decoder(codes, IDS[1], table()).shape == (*lead, LENGTH, EMBEDDING)


def test_ids_are_spread_over_the_particles() -> None:
    decoder, codes = build("positional"), random(2, 3, LATENT)
    vectors = decoder(codes, IDS, table())
    torch.testing.assert_close(vectors[1], decoder(codes[1], IDS, table()))


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ValueError, match="expected code_input constant or positional, got 'none'"):
        replace(CONSTANT, code_input="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected sizes >= 1"):
        replace(CONSTANT, view_dim=0)
