import pytest

from textsem.outputs import QueryCounts
from textsem.runs.query_meter import QueryMeter


def meter() -> QueryMeter[str]:
    return QueryMeter(("training", "attack"), "attack")


def test_phases_nest_and_end_with_their_block_even_by_an_error() -> None:
    found = meter()

    def ask() -> None:
        with found.during("training"):
            found.current.rows_sent += 1
            with found.during("attack"):
                found.current.rows_sent += 10
            found.current.rows_sent += 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask()
    assert found.phase == "attack"
    assert {phase: counts.rows_sent for phase, counts in found.counts.items()} == {"training": 2, "attack": 10}


def test_a_row_is_distinct_once_in_every_phase() -> None:
    found = meter()
    found.add_distinct([1, 2, 2])
    found.add_distinct([2, 3])
    with found.during("training"):
        found.add_distinct([3])
    assert [counts.distinct_rows for counts in found.counts.values()] == [1, 3]


def test_every_row_that_is_differentiated_counts_in_full() -> None:
    found = meter()
    found.add_differentiated(2)
    found.add_differentiated(2)
    assert found.current == QueryCounts(rows_requested=4, rows_sent=4, distinct_rows=4)


def test_counts_of_a_resumed_run_go_on_and_a_phase_it_did_not_have_begins_at_nought() -> None:
    first, second = meter(), meter()
    first.add_differentiated(3)
    second.current.rows_sent = 50
    second.restore({"attack": first.current.to_dict()})
    second.add_differentiated(1)
    assert second.counts == {"training": QueryCounts(), "attack": QueryCounts(4, 4, 4)}


def test_an_unknown_phase_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="expected phase to be one of training, attack, got 'test'"),
        meter().during("test"),
    ):
        pass
