"""Any function from pairs to probabilities or labels as a target: a service, a rule, another library's model."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from textsem.targets.answers import ClassOrder, read_rows

__all__ = ["CallableTarget"]


class CallableTarget:
    """Wrap a function that classifies pairs.

    Args:
        function: Takes a list of ``(premise, hypothesis)`` and returns, row by row, either class probabilities
            [rows, classes] (a tensor, an array, nested lists, or dicts from label to probability) or labels: names, or
            integers into ``label_order``.  What a text-classification pipeline of transformers returns is taken as it
            is, the label alone, or with ``top_k=None`` all scores.
        label_order: The names of the function's classes, in its order: the three of ``LABEL_NAMES``, which is what
            holds without it, or the two of ``TWO_CLASS_NAMES``.

    Raises:
        ValueError: If ``label_order`` is a permutation of neither.

    Example:
        >>> target = CallableTarget(lambda pairs: ["neutral" for _ in pairs])
        >>> target.predict(["A man sleeps."], ["A person rests."]).tolist()
        [[0.0, 1.0, 0.0]]
        >>> two = CallableTarget(lambda pairs: [[0.9, 0.1]], label_order=["not_entailment", "entailment"])
        >>> two.label_names[two.predict(["A man sleeps."], ["A dog runs."]).argmax()]
        'not_entailment'
    """

    def __init__(
        self, function: Callable[[list[tuple[str, str]]], Any], *, label_order: Sequence[str] | None = None
    ) -> None:
        self.function = function
        self._order = ClassOrder() if label_order is None else ClassOrder.of(label_order)
        self.label_names: tuple[str, ...] = self._order.label_names

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes] (one-hot of labels), float32 on the CPU, ordered as ``label_names``.

        What the function raises passes unchanged.

        Raises:
            TargetError: If the function returns another number of rows or classes, or something else.
            ValueError: If one row is at fault: a label that is not known, NaN, not summing to one.
        """
        pairs = list(zip(premises, hypotheses, strict=True))
        if not pairs:
            return torch.empty(0, len(self.label_names))
        return read_rows(self.function(pairs), self._order, num_rows=len(pairs))
