"""A language model behind codes: what it reads, what it keeps, and what is refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from tests.decoders.tiny_language_models import (
    EMBEDDING,
    LATENT,
    LENGTH,
    WORDS,
    build_tiny_decoder,
    load,
)
from textsem.decoders.pretrained import PretrainedDecoder, PretrainedDecoderConfig
from textsem.latent.initialisation import draw_layers, materialise
from textsem.protocols import GenerationConfig
from textsem.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID

VOCAB = len(WORDS)
TABLE = F.normalize(torch.randn(VOCAB, EMBEDDING, generator=torch.Generator().manual_seed(3)), dim=-1)
IDS = torch.tensor(
    [
        [WORDS.index(word) for word in ("the", "zebra", "is", "sleeping", "outside", ".")] + [END_ID],
        [WORDS.index("a"), WORDS.index("man"), END_ID, PAD_ID, PAD_ID, PAD_ID, PAD_ID],
        [WORDS.index("dogs"), WORDS.index("aren't"), UNKNOWN_ID, WORDS.index("."), END_ID, PAD_ID, PAD_ID],
    ]
)


def codes(*shape: int) -> Tensor:
    return torch.randn(*shape, LATENT, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def naive_vector(folder: Path, decoder: PretrainedDecoder, code: Tensor, words: list[int]) -> Tensor:
    """Run transformers on one row without padding, as its own files say; the vector behind the last of ``words``."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    tokens = torch.tensor([[p for word in (START_ID, *words) for p in decoder.pieces[word].tolist() if p >= 0]])
    prefix = (decoder.prefix.weight @ code + decoder.prefix.bias).reshape(1, decoder.config.num_prefix, -1)
    if model.config.is_encoder_decoder:
        hidden = model(inputs_embeds=prefix, decoder_input_ids=tokens).last_hidden_state
    else:
        embedded = model.get_input_embeddings()(tokens)
        hidden = model(inputs_embeds=torch.cat([prefix, embedded], dim=1)).last_hidden_state
    unit: Tensor = F.normalize(decoder.out(decoder.norm(hidden[0, -1])), dim=0)
    return unit


def test_each_position_is_what_the_model_says_after_prefix_start_and_words(
    folders: dict[str, Path], decoder: PretrainedDecoder, name: str
) -> None:
    z = codes(3)
    vectors = decoder(z, IDS, TABLE)
    assert vectors.shape == (3, LENGTH, EMBEDDING)
    for row, t in ((0, 0), (0, 3), (0, 6), (1, 1), (2, 4)):
        expected = naive_vector(folders[name], decoder, z[row], IDS[row, :t].tolist())
        torch.testing.assert_close(vectors[row, t], expected, atol=1e-5, rtol=1e-5)


def test_steps_give_the_vectors_of_teacher_forcing(decoder: PretrainedDecoder) -> None:
    state, words = decoder.begin(codes(3)), torch.full((3,), START_ID)
    steps = []
    for t in range(LENGTH):
        vectors, state = decoder.advance(state, words, TABLE)
        steps.append(vectors)
        words = IDS[:, t]
    torch.testing.assert_close(torch.stack(steps, dim=1), decoder(codes(3), IDS, TABLE), atol=1e-5, rtol=1e-5)


def test_later_words_change_nothing_and_earlier_ones_do(decoder: PretrainedDecoder) -> None:
    for place in range(LENGTH - 1):
        other = IDS[:1].clone()
        other[:, place] = WORDS.index("woman")
        moved = (decoder(codes(4), other, TABLE) - decoder(codes(4), IDS[:1], TABLE)).norm(dim=-1).amax(dim=0)
        assert moved[: place + 1].max() < 1e-5
        assert moved[place + 1] > 1e-4


def test_row_depends_neither_on_its_batch_nor_on_its_fill(decoder: PretrainedDecoder) -> None:
    together = decoder(codes(2, 3), IDS, TABLE)
    alone = torch.stack(
        [torch.stack([decoder(z, ids, TABLE) for z, ids in zip(row, IDS, strict=True)]) for row in codes(2, 3)]
    )
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_code_reaches_every_position(decoder: PretrainedDecoder) -> None:
    moved = decoder(codes(4) + 0.5 * codes(1), IDS[:1], TABLE) - decoder(codes(4), IDS[:1], TABLE)
    assert moved.norm(dim=-1).amax(dim=0).min() > 1e-4


@pytest.mark.parametrize("strategy", ["greedy", "sampling", "beam"])
def test_free_run_writes_words_up_to_the_end(decoder: PretrainedDecoder, strategy: Any) -> None:
    ids = decoder.generate(
        codes(2, 3), TABLE, scale=5.0, config=GenerationConfig(strategy), generator=torch.Generator().manual_seed(0)
    )
    assert ids.shape == (2, 3, LENGTH)
    is_behind_end = (ids == END_ID).cumsum(dim=-1) - (ids == END_ID).long() > 0
    assert torch.equal(ids == PAD_ID, is_behind_end)


# Weights: kept, saved, loaded, trained


def test_weights_of_the_model_stay_and_new_ones_come_from_the_generator(folders: dict[str, Path], name: str) -> None:
    from transformers import AutoModel

    before = torch.get_rng_state()
    first, second, same = load(folders[name]), load(folders[name], seed=1), load(folders[name])
    assert torch.equal(before, torch.get_rng_state())
    own = AutoModel.from_pretrained(folders[name]).state_dict()
    for decoder in (first, second):
        for key, value in decoder.language_model.state_dict().items():
            assert torch.equal(value, own[key])
    drawn = [torch.cat([p.detach().flatten() for p in d.new_parameters()]) for d in (first, second, same)]
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_prefix_is_as_large_as_the_inputs_of_the_model(decoder: PretrainedDecoder) -> None:
    part = decoder.language_model
    part = part.get_encoder() if decoder.config.family == "seq2seq" else part
    size = part.get_input_embeddings()(decoder.pieces[decoder.pieces >= 0]).std()
    assert 0.5 < decoder.prefix(codes(200)).std() / size < 2.0


def test_new_and_pretrained_parameters_are_all(decoder: PretrainedDecoder) -> None:
    new, old = list(decoder.new_parameters()), list(decoder.pretrained_parameters())
    assert {id(p) for p in new} | {id(p) for p in old} == {id(p) for p in decoder.parameters()}
    assert len(new) + len(old) == len(list(decoder.parameters()))
    assert sum(p.numel() for p in old) == decoder.language_model.num_parameters()


def test_config_and_weights_alone_give_the_same_vectors(
    decoder: PretrainedDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer, PreTrainedModel

    save_file(decoder.state_dict(), tmp_path / "model.safetensors")  # refuses shared tensors
    config = json.dumps(asdict(decoder.config))
    assert str(tmp_path.parent) not in config

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("expected no file to be read")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", refuse)
    monkeypatch.setattr(PreTrainedModel, "from_pretrained", refuse)
    before = torch.get_rng_state()
    with torch.device("meta"):
        empty = PretrainedDecoder(PretrainedDecoderConfig(**json.loads(config)))
    loaded = materialise(empty)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(p.any() for p in loaded.parameters())
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    assert loaded.config == decoder.config
    assert torch.equal(loaded.pieces, decoder.pieces)
    assert torch.equal(loaded.eval()(codes(3), IDS, TABLE), decoder(codes(3), IDS, TABLE))


def test_shared_embeddings_stay_shared() -> None:
    with torch.device("meta"):
        built = build("bart")
    decoder = materialise(built)
    model = decoder.language_model
    assert model.shared.weight is model.decoder.embed_tokens.weight
    assert model.shared.weight is model.encoder.embed_tokens.weight
    wrapped = nn.ModuleDict({"decoder": decoder})  # a decoder is saved as part of an adversary
    names = [key for key in wrapped.state_dict() if "embed_tokens" in key or "shared" in key]
    assert names == ["decoder.language_model.shared.weight"]
    wrapped.load_state_dict(wrapped.state_dict(), strict=True)
    lacking = {key: value for key, value in wrapped.state_dict().items() if key not in names}
    with pytest.raises(RuntimeError, match=r"Missing key.*shared\.weight"):
        wrapped.load_state_dict(lacking, strict=True)


def test_materialised_buffers_keep_what_only_the_constructor_computes() -> None:
    class Rotary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 3)
            with torch.device("cpu"):
                self.inner = nn.Linear(3, 3)
                self.inner.register_buffer("frequencies", torch.tensor([1.0, 0.1]), persistent=False)

    with torch.device("meta"):
        module = Rotary()
        module.linear.register_buffer("count", torch.ones(2))
    materialise(module)
    assert module.inner.get_buffer("frequencies").tolist() == [1.0, pytest.approx(0.1)]
    assert module.linear.get_buffer("count").tolist() == [0.0, 0.0]
    assert not any(p.is_meta or p.any() for p in module.parameters())


def test_norms_without_bias_are_drawn() -> None:
    norm = nn.LayerNorm(3, bias=False)
    nn.init.zeros_(norm.weight)
    draw_layers(nn.Sequential(norm, nn.GroupNorm(1, 3, affine=False)), torch.Generator())
    assert norm.weight.tolist() == [1.0, 1.0, 1.0]


def build(name: str) -> PretrainedDecoder:
    return build_tiny_decoder(name, latent_dim=LATENT, length=LENGTH, embedding_dim=EMBEDDING, vocab_size=VOCAB)


def test_dropout_never_acts(name: str) -> None:
    decoder = build(name).train()
    assert decoder.training
    assert decoder.prefix.training
    before = torch.get_rng_state()
    assert torch.equal(decoder(codes(3), IDS, TABLE), decoder(codes(3), IDS, TABLE))
    assert torch.equal(before, torch.get_rng_state())


def test_gradient_reaches_codes_and_prefix_past_a_frozen_model(name: str) -> None:
    decoder = build(name)
    for parameter in decoder.pretrained_parameters():
        parameter.requires_grad_(False)
    z = codes(3).requires_grad_()
    weights = torch.randn(3, LENGTH, EMBEDDING, generator=torch.Generator().manual_seed(1))
    (decoder(z, IDS, TABLE) * weights).sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum(dim=-1).min() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.new_parameters())
    assert all(p.grad is None for p in decoder.pretrained_parameters())


@pytest.mark.parametrize("is_frozen", [True, False])
def test_some_steps_of_adam_lower_the_loss(name: str, is_frozen: bool) -> None:
    decoder = build(name).train()
    ids = torch.randint(UNKNOWN_ID + 1, VOCAB, (20, LENGTH), generator=torch.Generator().manual_seed(2))
    ids[:, -1] = END_ID
    z = nn.Parameter(codes(20))
    parameters = decoder.new_parameters() if is_frozen else decoder.parameters()
    optimiser = torch.optim.Adam([z, *parameters], lr=0.02)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy((5.0 * decoder(z, ids, TABLE) @ TABLE.T).flatten(0, 1), ids.flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.85 * losses[0]


def test_bfloat16_is_close_and_comes_out_in_float32(decoder: PretrainedDecoder) -> None:
    expected = decoder(codes(3), IDS, TABLE)
    with torch.autocast("cpu", torch.bfloat16):
        vectors = decoder(codes(3), IDS, TABLE)
    assert vectors.dtype == torch.float32
    assert not torch.equal(vectors, expected)
    assert F.cosine_similarity(vectors, expected, dim=-1).min() > 0.9
