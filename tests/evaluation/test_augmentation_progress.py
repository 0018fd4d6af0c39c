import io

from textsem.evaluation.augmentation_progress import AugmentationProgress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_tells_pairs_rows_speed_and_time_left_without_what_was_done_before() -> None:
    stream, clock = io.StringIO(), Clock()
    with AugmentationProgress(200, num_before=100, stream=stream, clock=clock) as progress:
        clock.now = 10.0
        progress.update(20, 50)
        assert stream.getvalue() == ""  # not yet half a minute
        clock.now = 40.0
        progress.update(20, 30)
    assert stream.getvalue() == "140/200 pairs (70%) [00:40, 01:00 left, 80 new rows, 1.0 pairs/s]\n"


def test_terminal_has_a_bar_that_refreshes() -> None:
    stream = Terminal()
    with AugmentationProgress(10, stream=stream) as progress:
        progress.update(10, 4)
    assert "10/10 pairs" in stream.getvalue()
    assert "4 new rows" in stream.getvalue()


def test_nothing_is_shown_where_nothing_is_asked() -> None:
    stream, clock = io.StringIO(), Clock()
    with AugmentationProgress(10, is_shown=False, stream=stream, clock=clock) as progress:
        clock.now = 100.0
        progress.update(10, 4)
    assert stream.getvalue() == ""
