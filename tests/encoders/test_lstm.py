"""The LSTM encoder against a loop of the LSTM's own equations, and the projection."""

import pytest
import torch
from torch import Tensor

from textsem.encoders.lstm import LSTMEncoder, LSTMEncoderConfig
from textsem.latent.initialisation import draw_layers
from textsem.protocols import Encoder

LENGTH, EMBEDDING, HIDDEN = 5, 3, 4
LENGTHS = torch.tensor([5, 3, 1])


def build(num_layers: int = 1, feature_dim: int = HIDDEN) -> LSTMEncoder:
    encoder = LSTMEncoder(LSTMEncoderConfig(LENGTH, EMBEDDING, HIDDEN, num_layers, feature_dim))
    draw_layers(encoder, torch.Generator().manual_seed(0))
    return encoder.double()


def batch() -> tuple[Tensor, Tensor]:
    embedded = torch.randn(3, LENGTH, EMBEDDING, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return embedded, torch.arange(LENGTH) < LENGTHS[:, None]


def states_by_hand(encoder: LSTMEncoder, words: Tensor) -> Tensor:
    """Return h after the last of words [words, embedding], by Hochreiter & Schmidhuber's gates."""
    weights = dict(encoder.lstm.named_parameters())
    hidden = cell = torch.zeros(HIDDEN, dtype=torch.float64)
    for word in words:
        gates = weights["weight_ih_l0"] @ word + weights["bias_ih_l0"]
        gates = gates + weights["weight_hh_l0"] @ hidden + weights["bias_hh_l0"]
        admit, forget, candidate, emit = gates.split(HIDDEN)
        cell = forget.sigmoid() * cell + admit.sigmoid() * candidate.tanh()
        hidden = emit.sigmoid() * cell.tanh()
    return hidden


def test_features_are_the_state_after_the_last_word() -> None:
    encoder, (embedded, mask) = build(), batch()
    expected = torch.stack([states_by_hand(encoder, row[:n]) for row, n in zip(embedded, LENGTHS, strict=True)])
    torch.testing.assert_close(encoder(embedded, mask), expected)


def test_pads_are_never_read() -> None:
    encoder, (embedded, mask) = build(), batch()
    spoilt = torch.where(mask[..., None], embedded, torch.nan)
    assert torch.equal(encoder(spoilt, mask), encoder(embedded, mask))
    nothing = torch.zeros_like(mask)
    assert torch.equal(encoder(spoilt, nothing), encoder(torch.zeros_like(embedded), nothing))


def test_longer_rows_in_the_batch_change_nothing() -> None:
    encoder, (embedded, mask) = build(num_layers=2), batch()
    alone = torch.cat([encoder(embedded[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(LENGTHS.tolist())])
    torch.testing.assert_close(encoder(embedded, mask), alone)


def test_projection_stands_only_where_widths_differ() -> None:
    plain, projected = build(), build(feature_dim=6)
    assert plain.project is None
    assert projected.project is not None
    embedded, mask = batch()
    torch.testing.assert_close(projected(embedded, mask), projected.project(plain(embedded, mask)))
    assert projected.feature_dim == 6


@pytest.mark.parametrize("feature_dim", [HIDDEN, 6])
def test_empty_batch_has_no_features(feature_dim: int) -> None:
    embedded, mask = batch()
    encoder = build(feature_dim=feature_dim)
    assert isinstance(encoder, Encoder)
    assert encoder(embedded[:0], mask[:0]).shape == (0, feature_dim)


def test_default_sizes_are_those_of_zhao_et_al() -> None:
    shapes = {name: tuple(value.shape) for name, value in LSTMEncoder(LSTMEncoderConfig(17)).named_parameters()}
    assert shapes["lstm.weight_ih_l0"] == (4 * 300, 100)
    assert shapes["lstm.weight_hh_l0"] == (4 * 300, 300)
    assert len(shapes) == 4
