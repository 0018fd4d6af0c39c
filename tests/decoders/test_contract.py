"""What every decoder keeps; a new one joins DECODERS."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.decoders.tiny_language_models import FAMILIES, build_tiny_decoder
from textsem.decoders.arae import ARAEDecoder, ARAEDecoderConfig
from textsem.decoders.language_model import LanguageModelDecoder, LanguageModelDecoderConfig
from textsem.decoders.transpose_cnn import TransposeCNNDecoder, TransposeCNNDecoderConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.protocols import Decoder, GenerationConfig
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID

LENGTH, EMBEDDING, LATENT, VOCAB = 7, 5, 6, 19
IDS = torch.tensor([5, 9, 4, 18, END_ID, PAD_ID, PAD_ID])
TABLE = nn.functional.normalize(torch.randn(VOCAB, EMBEDDING, generator=torch.Generator().manual_seed(3)), dim=-1)
STRATEGIES = [GenerationConfig(), GenerationConfig("sampling", temperature=0.7), GenerationConfig("beam", num_beams=3)]

Build = Callable[[int], nn.Module]


def drawn(make: Callable[[], nn.Module]) -> Build:
    """Build a decoder as an adversary does: on the meta device, then drawn from a seed."""

    def build(seed: int) -> nn.Module:
        with torch.device("meta"):
            decoder = make()
        materialise(decoder)
        draw_layers(decoder, torch.Generator().manual_seed(seed))
        return decoder.eval()

    return build


def pretrained(model_type: str) -> Build:
    sizes = {"latent_dim": LATENT, "length": LENGTH, "embedding_dim": EMBEDDING, "vocab_size": VOCAB}
    return lambda seed: build_tiny_decoder(model_type, **sizes, seed=seed)


DECODERS: dict[str, Build] = {
    "arae": drawn(
        lambda: ARAEDecoder(ARAEDecoderConfig(LATENT, LENGTH, EMBEDDING, hidden_dim=8, code_dim=LATENT, view_dim=4))
    ),
    "arae as published, codes of another width": drawn(
        lambda: ARAEDecoder(
            ARAEDecoderConfig(LATENT, LENGTH, EMBEDDING, hidden_dim=8, code_dim=4, code_input="constant")
        )
    ),
    "language model": drawn(
        lambda: LanguageModelDecoder(
            LanguageModelDecoderConfig(LATENT, LENGTH, EMBEDDING, hidden_dim=8, num_heads=2, feedforward_dim=10)
        )
    ),
    **{f"pretrained {model_type}": pretrained(model_type) for model_type in FAMILIES},
    "transpose cnn": drawn(
        lambda: TransposeCNNDecoder(TransposeCNNDecoderConfig(LATENT, LENGTH, EMBEDDING, channels=8))
    ),
    "transpose cnn of Table 10": drawn(
        lambda: TransposeCNNDecoder(
            TransposeCNNDecoderConfig(
                LATENT, LENGTH, EMBEDDING, channels=8, num_layers=3, kernel_size=5, has_norm=False
            )
        )
    ),
}


@pytest.fixture(params=DECODERS)
def decoder(request: pytest.FixtureRequest) -> nn.Module:
    return DECODERS[request.param](0)


def codes(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, LATENT, generator=torch.Generator().manual_seed(0))


def vectors_of(decoder: Decoder | nn.Module, z: torch.Tensor, ids: torch.Tensor = IDS) -> torch.Tensor:
    vectors: torch.Tensor = decoder(z, ids, TABLE.to(z.dtype))
    return vectors


def generate(decoder: Decoder, z: torch.Tensor, config: GenerationConfig, seed: int = 0) -> torch.Tensor:
    return decoder.generate(z, TABLE, scale=6.0, config=config, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("lead", [(), (4,), (2, 4), (3, 2, 4), (0,), (2, 0)])
def test_vectors_and_words_have_the_leading_shape_of_the_codes(decoder: nn.Module, lead: tuple[int, ...]) -> None:
    assert isinstance(decoder, Decoder)
    assert (decoder.latent_dim, decoder.length) == (LATENT, LENGTH)
    vectors = vectors_of(decoder, codes(*lead))
    assert vectors.shape == (*lead, LENGTH, EMBEDDING)
    assert vectors.dtype == torch.float32
    for config in STRATEGIES:
        ids = generate(decoder, codes(*lead), config)
        assert ids.shape == (*lead, LENGTH)
        assert ids.dtype == torch.int64


def test_vectors_have_unit_length(decoder: nn.Module) -> None:
    torch.testing.assert_close(vectors_of(decoder, codes(4)).norm(dim=-1), torch.ones(4, LENGTH))


def test_double_codes_give_the_same_in_double(decoder: nn.Module) -> None:
    double = vectors_of(copy.deepcopy(decoder).double(), codes(4).double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), vectors_of(decoder, codes(4)), atol=1e-5, rtol=1e-5)


def test_row_does_not_depend_on_its_batch(decoder: nn.Module) -> None:
    all_codes, double = codes(2, 4).double(), copy.deepcopy(decoder).double()
    alone = torch.stack([torch.stack([vectors_of(double, code) for code in row]) for row in all_codes])
    torch.testing.assert_close(vectors_of(double, all_codes), alone)


def test_words_of_a_row_do_not_depend_on_its_batch(decoder: Decoder) -> None:
    for config in (STRATEGIES[0], STRATEGIES[2]):
        alone = torch.stack([generate(decoder, code, config) for code in codes(5)])
        assert torch.equal(generate(decoder, codes(5), config), alone)


def test_each_row_of_words_belongs_to_its_code(decoder: nn.Module) -> None:
    several, double = torch.stack([IDS, IDS.roll(1), IDS.flip(0)]), copy.deepcopy(decoder).double()
    together = vectors_of(double, codes(2, 3).double(), several)
    for i, ids in enumerate(several):
        torch.testing.assert_close(together[:, i], vectors_of(double, codes(2, 3)[:, i].double(), ids))


def test_a_position_sees_only_words_before_it_and_sees_them_if_autoregressive(decoder: Decoder) -> None:
    assert isinstance(decoder, nn.Module)
    double = copy.deepcopy(decoder).double()
    for place in range(LENGTH):
        other = IDS.clone()
        other[place] = 12
        moved = vectors_of(double, codes(4).double(), other) - vectors_of(double, codes(4).double())
        moved = moved.norm(dim=-1).amax(dim=0)
        assert moved[: place + 1].max() < 1e-10
        if decoder.is_autoregressive and place + 1 < LENGTH:
            assert moved[place + 1] > 1e-5


def test_what_follows_the_end_is_not_read(decoder: Decoder) -> None:
    assert isinstance(decoder, nn.Module)
    before_pads = slice(None, int((IDS == END_ID).nonzero()) + 1)
    other = torch.where(IDS == PAD_ID, 11, IDS)
    double, several = copy.deepcopy(decoder).double(), codes(4).double()
    expected = vectors_of(double, several)[:, before_pads]
    torch.testing.assert_close(vectors_of(double, several, other)[:, before_pads], expected)


def test_greedy_words_are_the_likeliest_after_those_before_them(decoder: Decoder) -> None:
    words = generate(decoder, codes(9), GenerationConfig())
    cosines = vectors_of(decoder, codes(9), words) @ TABLE.T
    cosines[..., [PAD_ID, START_ID]] = -torch.inf
    is_written = words != PAD_ID
    assert torch.equal(cosines.argmax(dim=-1)[is_written], words[is_written])


def test_words_end_once_and_are_never_start(decoder: Decoder) -> None:
    for config in STRATEGIES:
        words = generate(decoder, codes(40), config)
        assert not (words == START_ID).any()
        after_end = (words == END_ID).cumsum(dim=1).roll(1, dims=1)
        after_end[:, 0] = 0
        assert torch.equal(words == PAD_ID, after_end > 0)


def test_sampling_is_determined_by_its_generator_alone(decoder: Decoder) -> None:
    sampling = GenerationConfig("sampling", temperature=2.0)
    before = torch.get_rng_state()
    first = generate(decoder, codes(20), sampling, seed=1)
    assert torch.equal(first, generate(decoder, codes(20), sampling, seed=1))
    assert not torch.equal(first, generate(decoder, codes(20), sampling, seed=2))
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="generator"):
        decoder.generate(codes(2), TABLE, scale=1.0, config=sampling)


def test_code_reaches_every_position(decoder: nn.Module) -> None:
    moved = vectors_of(decoder, codes(4) + 0.5 * codes(1)) - vectors_of(decoder, codes(4))
    assert moved.norm(dim=-1).amax(dim=0).min() > 1e-4


def test_positions_differ(decoder: nn.Module) -> None:
    vectors = vectors_of(decoder, codes(4))
    assert (vectors[:, 1:] - vectors[:, :-1]).norm(dim=-1).min() > 1e-5


def test_same_codes_give_the_same_vectors(decoder: nn.Module) -> None:
    before = torch.get_rng_state()
    assert torch.equal(vectors_of(decoder, codes(4)), vectors_of(decoder, codes(4)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", DECODERS)
def test_state_dict_carries_everything(name: str) -> None:
    first, second = DECODERS[name](0), DECODERS[name](1)
    assert not torch.equal(vectors_of(first, codes(4)), vectors_of(second, codes(4)))
    second.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(vectors_of(first, codes(4)), vectors_of(second, codes(4)))


def test_gradient_reaches_every_weight_and_the_codes(decoder: nn.Module) -> None:
    z = codes(4).requires_grad_()
    vectors = vectors_of(decoder, z)
    weights = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1))
    (vectors * weights).sum().backward()  # type: ignore[no-untyped-call]
    learning = [p for p in decoder.parameters() if p.requires_grad]
    assert learning
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learning)
    assert z.grad is not None
    assert z.grad.abs().sum(dim=-1).min() > 0
