import pytest

from textsem.constraints.memory import BoundedMemory


class Doubler:
    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, keys: list[int]) -> list[int]:
        self.asked.append(keys)
        return [2 * key for key in keys]


def test_each_distinct_key_is_asked_once() -> None:
    memory, double = BoundedMemory[int, int](10), Doubler()
    assert memory.recall([3, 1, 3], double) == [6, 2, 6]
    assert memory.recall([1, 4, 3], double) == [2, 8, 6]
    assert memory.recall([4], double) == [8]
    assert double.asked == [[3, 1], [4]]


def test_least_recently_used_is_forgotten_first() -> None:
    memory, double = BoundedMemory[int, int](2), Doubler()
    for keys in ([1], [2], [1], [3], [1], [2]):  # 3 pushes 2 out, for 1 was used since
        memory.recall(keys, double)
    assert double.asked == [[1], [2], [3], [2]]


def test_call_larger_than_the_memory_is_answered_in_full() -> None:
    memory, double = BoundedMemory[int, int](1), Doubler()
    assert memory.recall([1, 2, 3, 1], double) == [2, 4, 6, 2]
    assert memory.recall([3, 2], double) == [6, 4]
    assert double.asked == [[1, 2, 3], [2]]


def test_memory_of_nothing_asks_each_time() -> None:
    memory, double = BoundedMemory[int, int](0), Doubler()
    assert memory.recall([1, 1], double) + memory.recall([1], double) == [2, 2, 2]
    assert double.asked == [[1], [1]]


def test_no_key_asks_nobody() -> None:
    double = Doubler()
    assert BoundedMemory[int, int](5).recall([], double) == []
    assert double.asked == []


def test_missing_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 answers, got 1"):
        BoundedMemory[int, int](5).recall([1, 2], lambda keys: keys[:1])


def test_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a memory of 0 or more answers, got -1"):
        BoundedMemory[int, int](-1)
