import pytest

from textsem.training.target_steps import Position


@pytest.mark.parametrize("num_steps", [1, 7, 938, 8585])
def test_share_done_is_that_of_all_steps_where_epochs_are_alike(num_steps: int) -> None:
    """To the bit: a plain training's learning rates stay what they were."""
    for epoch in range(5):
        for step in (0, num_steps // 3, num_steps - 1):
            assert Position(epoch, step, num_steps).done(5) == (epoch * num_steps + step) / (5 * num_steps)


def test_epochs_count_alike_whatever_their_length() -> None:
    assert [Position(epoch, 0, num_steps).done(4) for epoch, num_steps in enumerate((5, 9, 3, 7))] == [
        0,
        0.25,
        0.5,
        0.75,
    ]
    assert Position(2, 3, 6).done(4) == 2.5 / 4
