"""The one place where queries are counted, access is limited, and answers are checked."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from textsem.outputs import QueryCounts
from textsem.protocols import Access, GradientTarget, Target
from textsem.runs.query_meter import QueryMeter
from textsem.targets.answers import check_probabilities

__all__ = ["MeteredTarget", "Phase", "RepeatingTarget"]

Phase = Literal["training", "attack"]


@runtime_checkable
class RepeatingTarget(Protocol):
    """A target that may send a row more than once for one answer: ``rows_retried`` counts what it sent beyond."""

    rows_retried: int


class MeteredTarget:
    """Pass on to a target what its access allows, count the rows, and check what comes back.

    Args:
        target: Any target.
        access: ``score`` passes probabilities on; ``label`` only the predicted class, as a one-hot row; ``gradient``
            probabilities, and logits that can be differentiated.
        cache_size: Most pairs whose answers are remembered, the least recently used forgotten first; 0 for none.

    Raises:
        ValueError: If ``access`` is unknown, or ``gradient`` for a target that is not word-level in this process.
    """

    def __init__(self, target: Target, *, access: Access = "score", cache_size: int = 100_000) -> None:
        if access not in get_args(Access):
            raise ValueError(f"expected access to be one of {', '.join(get_args(Access))}, got {access!r}")
        if access == "gradient" and not _has_gradient(target):
            kind = type(target).__name__
            raise ValueError(f"expected a word-level target in the same process for gradient access, got {kind}")
        self.target = target
        self.access: Access = access
        self.cache_size = cache_size
        self.label_names = tuple(target.label_names)
        self.meter: QueryMeter[Phase] = QueryMeter(get_args(Phase), "attack")
        self._cache: OrderedDict[tuple[str, str], Tensor] = OrderedDict()

    @property
    def counts(self) -> dict[Phase, QueryCounts]:
        """What was asked so far, by phase."""
        return self.meter.counts

    def counting(self, phase: Phase) -> AbstractContextManager[None]:
        """Count what is asked inside the ``with`` block to ``phase`` (outside: ``attack``)."""
        return self.meter.during(phase)

    def restore_counts(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the counts of a run that is resumed, phase by phase; what was asked before is not remembered."""
        self.meter.restore(counts)

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return probabilities [batch, classes] (one-hot under label access), float32 on the CPU.

        Raises:
            TargetError: If the target answers with another number of rows or of classes than it should.
            ValueError: If the numbers of premises and hypotheses differ, or a row of the answer is no probabilities.
        """
        pairs = list(zip(premises, hypotheses, strict=True))
        counts = self.meter.current
        counts.rows_requested += len(pairs)
        known = {pair: self._cache[pair] for pair in pairs if pair in self._cache}
        unknown = list(dict.fromkeys(pair for pair in pairs if pair not in known)) if self.cache_size else pairs
        counts.cache_hits += len(pairs) - len(unknown)
        if unknown:
            answer = self._ask(unknown)
            if not self.cache_size:
                return answer
            known.update(zip(unknown, answer, strict=True))
        self._remember(known)
        if not pairs:
            return torch.empty(0, len(self.label_names))
        return torch.stack([known[pair] for pair in pairs])

    def logits_from_soft_words(
        self, premises: Sequence[str], word_ids: Tensor, weights: Tensor, mask: Tensor, words: Sequence[str]
    ) -> Tensor:
        """Return the target's logits of soft hypotheses; see ``GradientTarget``.  Every row counts as sent.

        Raises:
            ValueError: If access is not ``gradient``.
        """
        if self.access != "gradient" or not isinstance(self.target, GradientTarget):
            raise ValueError(
                "expected gradient access, which is for word-level targets in the same process, "
                f"got {self.access} access to {type(self.target).__name__}"
            )
        self.meter.add_differentiated(len(premises))
        return self.target.logits_from_soft_words(premises, word_ids, weights, mask, words)

    def _ask(self, pairs: list[tuple[str, str]]) -> Tensor:
        counts = self.meter.current
        counts.rows_sent += len(pairs)
        self.meter.add_distinct(map(hash, pairs))
        repeated_before = _rows_retried(self.target)
        try:
            answer = self.target.predict([premise for premise, _ in pairs], [hypothesis for _, hypothesis in pairs])
        finally:
            counts.rows_sent += _rows_retried(self.target) - repeated_before
        answer = check_probabilities(answer, num_rows=len(pairs), num_classes=len(self.label_names))
        if self.access == "label":
            answer = F.one_hot(answer.argmax(dim=-1), len(self.label_names)).float()
        return answer

    def _remember(self, answers: dict[tuple[str, str], Tensor]) -> None:
        for pair, answer in answers.items():
            self._cache[pair] = answer
            self._cache.move_to_end(pair)
        while len(self._cache) > self.cache_size:
            self._cache.popitem(last=False)


def _has_gradient(target: Target) -> bool:
    """Tell whether soft words reach the target; another meter passes on only what its own access allows."""
    if isinstance(target, MeteredTarget):
        return target.access == "gradient"
    return isinstance(target, GradientTarget)


def _rows_retried(target: Target) -> int:
    return target.rows_retried if isinstance(target, RepeatingTarget) else 0
