import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsem.text.constant_shapes import check_width, constant_shape_batches, num_rows_to_fill, padded_length


def test_lengths_are_rounded_up_to_multiples_of_eight() -> None:
    assert [padded_length(n) for n in (0, 1, 8, 9, 16, 17)] == [8, 8, 8, 16, 16, 24]


def test_known_groups() -> None:
    batches = list(constant_shape_batches([(3, 9), (8, 16), (9, 3), (1, 10)], 2))
    assert batches == [([0, 1], (8, 16)), ([3], (8, 16)), ([2], (16, 8))]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=50), st.integers(1, 9))
def test_every_row_comes_once_with_its_own_width(lengths: list[tuple[int, int]], batch_size: int) -> None:
    seen: list[int] = []
    for rows, widths in constant_shape_batches(lengths, batch_size):
        assert 1 <= len(rows) <= batch_size
        assert all(widths == tuple(map(padded_length, lengths[row])) for row in rows)
        seen += rows
    assert sorted(seen) == list(range(len(lengths)))


def test_short_groups_are_filled_on_a_gpu_to_the_whole_batch() -> None:
    assert [num_rows_to_fill(n, 64, "cuda") for n in (1, 63, 64)] == [63, 1, 0]
    assert [num_rows_to_fill(n, 64, "cpu") for n in (1, 8, 9)] == [7, 0, 7]


@pytest.mark.parametrize("width", [0, -4, 7, 150])
def test_width_that_is_no_multiple_of_four_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"hidden_dim to be a positive multiple of 4, got {width}"):
        check_width("hidden_dim", width)


def test_width_that_is_a_multiple_of_four_passes() -> None:
    check_width("hidden_dim", 192)
