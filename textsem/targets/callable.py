"""Any function from pairs to probabilities or labels as a target: a service, a rule, another library's model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.text.labels import LABEL_NAMES

__all__ = ["CallableTarget"]


class CallableTarget:
    """Wrap a function that classifies pairs.

    Args:
        function: Takes a list of ``(premise, hypothesis)`` and returns, row by row, either class probabilities
            [rows, classes] (a tensor, an array or nested lists) or labels: names, or integers into ``label_order``.
        label_order: The names of the function's classes, in its order.

    Raises:
        ValueError: If ``label_order`` is not a permutation of ``LABEL_NAMES``.

    Example:
        >>> target = CallableTarget(lambda pairs: ["neutral" for _ in pairs])
        >>> target.predict(["A man sleeps."], ["A person rests."]).tolist()
        [[0.0, 1.0, 0.0]]
    """

    def __init__(
        self, function: Callable[[list[tuple[str, str]]], Any], *, label_order: Sequence[str] = LABEL_NAMES
    ) -> None:
        if sorted(label_order) != sorted(LABEL_NAMES):
            raise ValueError(
                f"expected label_order to be a permutation of {list(LABEL_NAMES)}, got {list(label_order)}"
            )
        self.function = function
        self.label_names: tuple[str, ...] = LABEL_NAMES
        self._label_order = list(label_order)
        self._columns = [self._label_order.index(name) for name in LABEL_NAMES]

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes] (one-hot of labels), float32 on the CPU, ordered as ``label_names``.

        Raises:
            ValueError: If the function returns another number of rows or classes, or a label that is not known.
        """
        pairs = list(zip(premises, hypotheses, strict=True))
        if not pairs:
            return torch.empty(0, len(self.label_names))
        answer = self.function(pairs)
        values = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
        if values.shape[:1] != (len(pairs),) or values.shape[1:] not in ((), (len(self.label_names),)):
            expected = f"{len(pairs)} labels or probabilities [{len(pairs)}, {len(self.label_names)}]"
            raise ValueError(f"expected the function to return {expected}, got shape {list(values.shape)}")
        if values.ndim == 1:
            numbers = torch.tensor([self._number(label) for label in values.tolist()])
            return F.one_hot(numbers, len(self.label_names)).float()
        return torch.from_numpy(values[:, self._columns].astype(np.float32))

    def _number(self, label: object) -> int:
        """Return the place of a label in ``LABEL_NAMES``."""
        if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(self._label_order):
            return LABEL_NAMES.index(self._label_order[label])
        if isinstance(label, str) and label.lower() in LABEL_NAMES:
            return LABEL_NAMES.index(label.lower())
        raise ValueError(f"expected a label of {self._label_order} or its number, got {label!r}")
