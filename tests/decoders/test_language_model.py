import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textsem.decoders.generation import StepwiseDecoder
from textsem.decoders.language_model import LanguageModelDecoder, LanguageModelDecoderConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.protocols import GenerationConfig
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

LATENT, LENGTH, EMBEDDING, HIDDEN, VOCAB = 6, 7, 5, 8, 12
ORDINARY = 4  # the first word that is no special symbol


def decoder(**options: int) -> LanguageModelDecoder:
    config = LanguageModelDecoderConfig(
        LATENT, LENGTH, EMBEDDING, **{"hidden_dim": HIDDEN, "feedforward_dim": 16, **options}
    )
    made = LanguageModelDecoder(config).double()
    draw_layers(made, torch.Generator().manual_seed(0))
    return made


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def table() -> Tensor:
    return F.normalize(normal(VOCAB, EMBEDDING, seed=1), dim=-1)


def words(*shape: int, seed: int = 2) -> Tensor:
    return torch.randint(ORDINARY, VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def step_by_step(model: StepwiseDecoder, codes: Tensor, ids: Tensor, rows: Tensor) -> Tensor:
    state, word, vectors = model.begin(codes), torch.full((len(codes),), START_ID), []
    for t in range(model.length):
        vector, state = model.advance(state, word, rows)
        vectors.append(vector)
        word = ids[:, t]
    return torch.stack(vectors, dim=1)


@pytest.mark.parametrize("options", [{"num_layers": 1}, {"num_layers": 2, "num_heads": 1}, {"num_layers": 3}])
def test_all_positions_at_once_are_what_the_steps_give(options: dict[str, int]) -> None:
    model, codes, ids = decoder(**options), normal(4, LATENT), words(4, LENGTH)
    torch.testing.assert_close(model(codes, ids, table()), step_by_step(model, codes, ids, table()))


def test_step_leaves_its_state_as_it_was() -> None:
    model = decoder()
    state = model.begin(normal(3, LATENT))
    _, state = model.advance(state, words(3), table())
    before = [part.clone() for part in state]
    first, _ = model.advance(state, words(3, seed=3), table())
    other, _ = model.advance(state, words(3, seed=4), table())
    again, _ = model.advance(state, words(3, seed=3), table())
    assert all(torch.equal(part, kept) for part, kept in zip(state, before, strict=True))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("position", range(LENGTH))
def test_word_is_seen_by_all_later_positions_and_by_no_other(position: int) -> None:
    model, codes, ids = decoder(), normal(4, LATENT), words(4, LENGTH)
    other = ids.clone()
    other[:, position] = ORDINARY + (ids[:, position] - ORDINARY + 1) % (VOCAB - ORDINARY)
    moved = (model(codes, ids, table()) - model(codes, other, table())).norm(dim=-1)
    assert not moved[:, : position + 1].any()
    if position + 1 < LENGTH:
        assert moved[:, position + 1 :].min() > 1e-6


def test_first_position_reads_the_start_symbol() -> None:
    model, codes, ids = decoder(), normal(4, LATENT), words(4, LENGTH)
    rows = table()
    rows[START_ID] = -rows[START_ID]
    moved = (model(codes, ids, table()) - model(codes, ids, rows)).norm(dim=-1)
    assert moved[:, 0].min() > 1e-4


def test_code_reaches_every_position_directly_and_through_those_before() -> None:
    model, codes, ids = decoder(), normal(4, LATENT), words(4, LENGTH)
    moved = (model(codes, ids, table()) - model(codes + 0.5, ids, table())).norm(dim=-1)
    assert moved.min() > 1e-4
    # What the code says to one position alone changes that position and those behind it.
    told = decoder()
    with torch.no_grad():
        told.spread.weight[3 * HIDDEN : 4 * HIDDEN] *= -1
    moved = (model(codes, ids, table()) - told(codes, ids, table())).norm(dim=-1)
    assert not moved[:, :3].any()
    assert moved[:, 3:].min() > 1e-6


def test_positions_of_the_same_words_and_a_zero_code_differ() -> None:
    vectors = decoder()(torch.zeros(LATENT).double(), torch.full((LENGTH,), START_ID), table())
    assert torch.cdist(vectors, vectors).fill_diagonal_(1).min() > 1e-4


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_layers_are_the_transformer_of_torch(num_heads: int) -> None:
    model, codes, ids = decoder(num_heads=num_heads), normal(4, LATENT), words(4, LENGTH)
    previous = torch.cat([torch.full((4, 1), START_ID), ids[:, :-1]], dim=1)
    hidden = model.spread(codes).reshape(4, LENGTH, HIDDEN) + model.read(EMBEDDING**0.5 * table()[previous])
    for layer in model.layers:
        oracle = nn.TransformerEncoderLayer(
            HIDDEN, num_heads, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        ).double()
        names = {
            "self_attn.in_proj_": "attention_in.",
            "self_attn.out_proj.": "attention_out.",
            "linear1.": "feedforward_in.",
            "linear2.": "feedforward_out.",
            "norm1.": "attention_norm.",
            "norm2.": "feedforward_norm.",
        }
        state = layer.state_dict()
        oracle.load_state_dict({a + kind: state[b + kind] for a, b in names.items() for kind in ("weight", "bias")})
        hidden = oracle(hidden, src_mask=torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1))
    expected = F.normalize(model.out(model.norm(hidden)), dim=-1)
    torch.testing.assert_close(model(codes, ids, table()), expected)


def test_ids_are_broadcast_over_the_particles() -> None:
    model, codes, ids = decoder(), normal(3, 4, LATENT), words(4, LENGTH)
    apart = torch.stack([model(particle, ids, table()) for particle in codes])
    torch.testing.assert_close(model(codes, ids, table()), apart)
    one = model(codes, ids[0], table())
    torch.testing.assert_close(one[:, 1], model(codes[:, 1], ids[0], table()))


@pytest.mark.parametrize("codes_lead", [(), (0,), (3, 0), (3, 4)])
def test_vectors_have_the_leading_axes_of_the_codes(codes_lead: tuple[int, ...]) -> None:
    vectors = decoder()(normal(*codes_lead, LATENT), words(*codes_lead[-1:], LENGTH), table())
    assert vectors.shape == (*codes_lead, LENGTH, EMBEDDING)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(*codes_lead, LENGTH).double())


@pytest.mark.parametrize("scale", [1e-2, 1e2])
def test_codes_of_any_length_give_finite_vectors_that_differ(scale: float) -> None:
    vectors = decoder()(scale * normal(4, LATENT), words(LENGTH), table())
    assert bool(vectors.isfinite().all())
    assert (vectors[1:] - vectors[:-1]).norm(dim=-1).min() > 1e-5


def test_mixed_precision_gives_nearly_the_same_unit_vectors_in_float32() -> None:
    model = decoder(hidden_dim=32).float()
    codes, ids, rows = normal(4, LATENT).float(), words(4, LENGTH), table().float()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(codes, ids, rows)
        stepped = step_by_step(model, codes, ids, rows)
    assert mixed.dtype == stepped.dtype == torch.float32
    torch.testing.assert_close(mixed.norm(dim=-1), torch.ones(4, LENGTH))
    # Some ten roundings of bfloat16, 2^-9 each, of numbers around 1.
    torch.testing.assert_close(mixed, model(codes, ids, rows), atol=0.03, rtol=0)
    torch.testing.assert_close(mixed, stepped, atol=0.03, rtol=0)


def test_greedy_words_are_the_likeliest_under_teacher_forcing_with_them() -> None:
    model, codes = decoder(), normal(50, LATENT)
    ids = model.generate(codes, table(), scale=20.0, config=GenerationConfig())
    is_word = ids != PAD_ID
    assert bool((~is_word).any())
    assert len(torch.unique(ids)) > 4
    likeliest = END_ID + (model(codes, ids, table()) @ table()[END_ID:].T).argmax(dim=-1)
    assert torch.equal(likeliest[is_word], ids[is_word])


def test_widest_beam_is_at_least_as_likely_as_greedy_under_teacher_forcing() -> None:
    model, codes = decoder(), 3.0 * normal(30, LATENT)

    def log_probability(ids: Tensor) -> Tensor:
        logits = 20.0 * model(codes, ids, table()) @ table()[END_ID:].T
        chosen = logits.log_softmax(dim=-1).gather(-1, (ids - END_ID).clamp(min=0)[..., None])[..., 0]
        return torch.where(ids == PAD_ID, 0.0, chosen).sum(dim=-1)

    greedy = log_probability(model.generate(codes, table(), scale=20.0, config=GenerationConfig()))
    beam = log_probability(model.generate(codes, table(), scale=20.0, config=GenerationConfig("beam", num_beams=200)))
    assert bool((beam >= greedy - 1e-9).all())
    assert bool((beam > greedy + 1e-3).any())


def test_gradient_reaches_every_weight_the_codes_and_the_table() -> None:
    model, codes, rows = decoder(), normal(4, LATENT).requires_grad_(), table().requires_grad_()
    (model(codes, words(4, LENGTH), rows) * normal(4, LENGTH, EMBEDDING, seed=5)).sum().backward()
    for tensor in (codes, *model.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0
    assert rows.grad is not None
    assert bool(rows.grad[START_ID].any())


def test_weights_drawn_on_zeros_are_all_there_is() -> None:
    config = decoder().config
    with torch.device("meta"):
        empty = LanguageModelDecoder(config)
    drawn = materialise(empty)
    draw_layers(drawn, torch.Generator().manual_seed(0))
    codes, ids, rows = normal(4, LATENT).float(), words(4, LENGTH), table().float()
    constructed = LanguageModelDecoder(config)
    assert not torch.equal(constructed(codes, ids, rows), drawn(codes, ids, rows))
    constructed.load_state_dict(drawn.state_dict(), strict=True)
    assert torch.equal(constructed(codes, ids, rows), drawn(codes, ids, rows))
    assert all(bool(value.any()) for name, value in drawn.state_dict().items() if "norm" not in name)


def test_sentences_are_learned_and_told_by_their_codes() -> None:
    model, rows = decoder(hidden_dim=16).float(), table().float()
    ids = words(6, LENGTH)
    for row, length in enumerate((0, 1, 3, 4, 5, 6)):
        ids[row, length:] = torch.tensor([END_ID] + [PAD_ID] * (LENGTH - length - 1))
    codes = math.sqrt(LATENT) * F.normalize(normal(6, LATENT), dim=-1).float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        logits = 12.0 * model(codes, ids, rows) @ rows.T
        optimizer.zero_grad()
        nn.CrossEntropyLoss(ignore_index=PAD_ID)(logits.flatten(0, 1), ids.flatten()).backward()
        optimizer.step()
    for config in (GenerationConfig(), GenerationConfig("beam", num_beams=3)):
        assert torch.equal(model.generate(codes, rows, scale=12.0, config=config), ids)
        # The words follow the code, not the order in which they were learned.
        swapped = model.generate(codes.flip(0), rows, scale=12.0, config=config)
        assert torch.equal(swapped, ids.flip(0))


def test_copy_in_double_is_the_same_function() -> None:
    model = decoder().float()
    codes, ids = normal(4, LATENT), words(4, LENGTH)
    double = copy.deepcopy(model).double()(codes, ids, table())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), model(codes.float(), ids, table().float()), atol=1e-5, rtol=1e-5)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected num_layers >= 1, got 0"):
        LanguageModelDecoderConfig(LATENT, LENGTH, num_layers=0)
    for num_heads in (3, 0):
        with pytest.raises(ValueError, match=f"expected num_heads that divide hidden_dim, 8, got {num_heads}"):
            LanguageModelDecoderConfig(LATENT, LENGTH, hidden_dim=8, num_heads=num_heads)
