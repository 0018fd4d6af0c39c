"""Products in bfloat16's 8 bits: the same numbers by both routes."""

import pytest
import torch

from textsem.text import half_products
from textsem.text.half_products import half_product, tell_if_slow, to_halves

BFLOAT16_STEP = 2.0**-8  # half the distance of neighbouring numbers, relative


@pytest.fixture(params=[True, False], ids=["bfloat16", "float32"])
def has_fast_bfloat16(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    has: bool = request.param
    monkeypatch.setattr(half_products, "_has_fast_bfloat16", lambda: has)
    return has


def test_factors_have_the_type_that_is_fast(has_fast_bfloat16: bool) -> None:
    assert to_halves(torch.ones(2)).dtype == (torch.bfloat16 if has_fast_bfloat16 else torch.float32)


@pytest.mark.usefixtures("has_fast_bfloat16")
def test_factors_are_rounded_to_eight_bits() -> None:
    assert to_halves(torch.tensor([1.0 + 2.0**-9, 1.0 + 2.0**-7])).tolist() == [1.0, 1.0 + 2.0**-7]


@pytest.mark.usefixtures("has_fast_bfloat16")
def test_product_of_small_whole_numbers_is_rounded_once() -> None:
    # 257 needs nine bits: to even it is 256.  No sum of these loses anything before.
    a, b = torch.tensor([[16.0, 1.0], [3.0, -2.0]]), torch.tensor([[16.0, 2.0], [1.0, 5.0]])
    assert half_product(to_halves(a), to_halves(b)).tolist() == [[256.0, 37.0], [46.0, -4.0]]


@pytest.mark.usefixtures("has_fast_bfloat16")
def test_product_is_the_exact_one_of_the_rounded_factors_within_one_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(8, 300, generator=generator), torch.rand(300, 40, generator=generator)
    product = half_product(to_halves(a), to_halves(b))
    assert product.dtype == torch.float32
    exact = a.bfloat16().double() @ b.bfloat16().double()  # positive: no cancellation, so the error is relative
    torch.testing.assert_close(product.double(), exact, rtol=1.01 * BFLOAT16_STEP, atol=0.0)


def test_slow_precision_is_told_of_once_and_only_where_it_is_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    half_products._tell_once.cache_clear()
    monkeypatch.setattr(half_products, "_has_fast_bfloat16", lambda: True)
    tell_if_slow("bfloat16", "cpu")
    monkeypatch.setattr(half_products, "_has_fast_bfloat16", lambda: False)
    tell_if_slow("float32", "cpu")
    tell_if_slow("bfloat16", "cuda")
    assert not caplog.records
    for _ in range(2):
        tell_if_slow("bfloat16", torch.device("cpu"))
    assert [record.getMessage() for record in caplog.records] == [
        "this processor has no bfloat16 of its own, which is many times slower here than float32"
    ]
