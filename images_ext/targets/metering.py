"""The one place where queries are counted, access is limited, and answers are checked."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from images_ext.protocols import GradientImageTarget, ImageTarget
from images_ext.targets.answers import check_label_names, check_logits, check_pixels, check_probabilities
from textsem.outputs import QueryCounts
from textsem.protocols import Access

__all__ = ["MeteredImageTarget", "Phase"]

Phase = Literal["training", "check", "reconstruction", "attack"]


class MeteredImageTarget:
    """Pass on to a target what its access allows, count the rows, and check what comes back.

    Nothing is remembered: a row that is asked twice is sent twice, and counts once among the distinct ones.

    ``training`` is what an adversary's training asks; ``check`` the unchanged inputs, ``reconstruction`` the clean
    reconstructions and ``attack`` the candidates of an attack.

    Args:
        target: Any target.
        access: ``score`` passes probabilities on; ``label`` only the predicted class, as a one-hot row; ``gradient``
            probabilities, and logits that can be differentiated.

    Raises:
        ValueError: If ``access`` is unknown, or ``gradient`` for a target without ``logits``.
    """

    def __init__(self, target: ImageTarget, access: Access = "score") -> None:
        if access not in get_args(Access):
            raise ValueError(f"expected access to be one of {', '.join(get_args(Access))}, got {access!r}")
        if access == "gradient" and not isinstance(target, GradientImageTarget):
            raise ValueError(f"expected a target with logits for gradient access, got {type(target).__name__}")
        self.target = target
        self.access: Access = access
        self.label_names = check_label_names(target.label_names)
        self.phase: Phase = "attack"
        self.counts: dict[Phase, QueryCounts] = {phase: QueryCounts() for phase in get_args(Phase)}
        self._seen: dict[Phase, set[int]] = {phase: set() for phase in get_args(Phase)}

    @contextmanager
    def counting(self, phase: Phase) -> Iterator["MeteredImageTarget"]:
        """Count what is asked inside the ``with`` block to ``phase`` (outside: ``attack``)."""
        if phase not in self.counts:
            raise ValueError(f"expected phase to be one of {', '.join(self.counts)}, got {phase!r}")
        before, self.phase = self.phase, phase
        try:
            yield self
        finally:
            self.phase = before

    def restore_counts(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the counts of a run that is resumed, phase by phase; rows seen before count as new ones."""
        for phase in self.counts:
            self.counts[phase] = QueryCounts(**counts.get(phase, {}))

    def predict(self, pixels: Tensor) -> Tensor:
        """Return probabilities [batch, classes] (one-hot under label access), float32 on the CPU.

        Args:
            pixels: In [0, 1], [batch, channels, height, width].

        Raises:
            ValueError: If pixels are not such, or a row of the answer is no probabilities; names the row.
            TargetError: If the target answers with another number of rows or classes than it should.
        """
        check_pixels(pixels)
        if len(pixels) == 0:
            return torch.empty(0, len(self.label_names))
        self._count(len(pixels), self._distinct(pixels))
        answer = check_probabilities(
            self.target.predict(pixels.detach()), num_rows=len(pixels), label_names=self.label_names
        )
        if self.access == "label":
            answer = F.one_hot(answer.argmax(dim=-1), len(self.label_names)).float()
        return answer

    def logits(self, pixels: Tensor) -> Tensor:
        """Return logits [batch, classes] on the CPU, differentiable in ``pixels``; every row is sent and distinct.

        Args:
            pixels: In [0, 1], [batch, channels, height, width].

        Raises:
            ValueError: If access is not ``gradient``, or as for ``predict``.
            TargetError: As for ``predict``.
        """
        if self.access != "gradient" or not isinstance(self.target, GradientImageTarget):
            raise ValueError(
                f"expected gradient access to a target with logits, got {self.access} access to "
                f"{type(self.target).__name__}"
            )
        check_pixels(pixels)
        self._count(len(pixels), len(pixels))
        answer = check_logits(self.target.logits(pixels), num_rows=len(pixels), label_names=self.label_names)
        return answer.cpu()  # where labels are, wherever the target runs

    def _count(self, num_rows: int, num_distinct: int) -> None:
        counts = self.counts[self.phase]
        counts.rows_requested += num_rows
        counts.rows_sent += num_rows
        counts.distinct_rows += num_distinct

    def _distinct(self, pixels: Tensor) -> int:
        """Return how many rows were never asked before in this phase, by a 64-bit hash of their bytes."""
        seen = self._seen[self.phase]
        before = len(seen)
        rows = pixels.detach().float().cpu().contiguous().flatten(1).view(torch.uint8)
        seen.update(hash(bytes(row.numpy())) for row in rows)
        return len(seen) - before
