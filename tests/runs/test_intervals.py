"""A rate tells what it is made of."""

from textsem.runs.intervals import proportion, wilson_interval


def test_rate_of_nothing_is_none() -> None:
    assert proportion(0, 0) == {"count": 0, "of": 0, "rate": None, "interval": [0.0, 1.0]}


def test_interval_is_wilsons_at_the_given_confidence() -> None:
    found = proportion(3, 4, 0.5)
    assert (found["count"], found["of"], found["rate"]) == (3, 4, 0.75)
    assert found["interval"] == list(wilson_interval(3, 4, 0.5))
