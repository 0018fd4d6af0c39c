"""Answers of a slow function, remembered so that the filter, the ranker and the report do not pay for one twice."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

__all__ = ["BoundedMemory"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedMemory(Generic[Key, Value]):
    """Remember the answers used last.

    Args:
        size: Most answers kept, the least recently used forgotten first; 0 for none.

    Raises:
        ValueError: If the size is negative.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"expected a memory of 0 or more answers, got {size}")
        self.size = size
        self._answers: OrderedDict[Key, Value] = OrderedDict()

    def recall(self, keys: Sequence[Key], ask: Callable[[list[Key]], Sequence[Value]]) -> list[Value]:
        """Return the answer to each key; what is not remembered is asked for in one call, each distinct key once.

        Raises:
            ValueError: If ``ask`` does not answer once a key.
        """
        distinct = list(dict.fromkeys(keys))
        known = {key: self._answers[key] for key in distinct if key in self._answers}
        missing = [key for key in distinct if key not in known]
        if missing:
            answers = ask(missing)
            if len(answers) != len(missing):
                raise ValueError(f"expected {len(missing)} answers, got {len(answers)}")
            known.update(zip(missing, answers, strict=True))
        for key, value in known.items():
            self._answers[key] = value
            self._answers.move_to_end(key)
        while len(self._answers) > self.size:
            self._answers.popitem(last=False)
        return [known[key] for key in keys]
