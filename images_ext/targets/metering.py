"""The one place where queries are counted, access is limited, and answers are checked."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from images_ext.protocols import GradientImageTarget, ImageTarget
from images_ext.targets.answers import check_label_names, check_logits, check_pixels, check_probabilities
from textsem.outputs import QueryCounts
from textsem.protocols import Access
from textsem.runs.query_meter import QueryMeter

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
        self.meter: QueryMeter[Phase] = QueryMeter(get_args(Phase), "attack")

    @property
    def counts(self) -> dict[Phase, QueryCounts]:
        """What was asked so far, by phase."""
        return self.meter.counts

    def counting(self, phase: Phase) -> AbstractContextManager[None]:
        """Count what is asked inside the ``with`` block to ``phase`` (outside: ``attack``)."""
        return self.meter.during(phase)

    def restore_counts(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the counts of a run that is resumed, phase by phase; rows seen before count as new ones."""
        self.meter.restore(counts)

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
        counts = self.meter.current
        counts.rows_requested += len(pixels)
        counts.rows_sent += len(pixels)
        self.meter.add_distinct(map(hash, _row_bytes(pixels)))
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
        self.meter.add_differentiated(len(pixels))
        answer = check_logits(self.target.logits(pixels), num_rows=len(pixels), label_names=self.label_names)
        return answer.cpu()  # where labels are, wherever the target runs


def _row_bytes(pixels: Tensor) -> Iterator[bytes]:
    """Yield the bytes of each row: hashes of 64 bits tell which were asked before."""
    rows = pixels.detach().float().cpu().contiguous().flatten(1).view(torch.uint8)
    return (bytes(row.numpy()) for row in rows)
