"""What Algorithm 2 asks of text or images: everything between an input and a loss, the two encoders apart."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from torch import Tensor, nn

__all__ = ["Phase", "Problem"]

Batch = TypeVar("Batch", contravariant=True)
Outputs = TypeVar("Outputs")

Phase = Literal["reconstruction", "clean", "perturbed", "adversarial"]


class Problem(Protocol[Batch, Outputs]):
    """The hooks that text and images implement; ``Batch`` and ``Outputs`` are their own types."""

    def features(self, batch: Batch) -> Tensor:
        """Return features [batch, features] of the clean inputs, differentiable in the extractor."""
        ...

    def decode(self, codes: Tensor) -> Outputs:
        """Return outputs of ``codes`` [..., batch, latent], differentiable."""
        ...

    def reencode(self, outputs: Outputs) -> Tensor:
        """Return features [..., batch, features] of decoded outputs (Algorithm 1); called without gradient."""
        ...

    def reconstruction(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the training loss |x - x~| of every example, [..., batch]."""
        ...

    def distance(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the distance that the gate compares with epsilon, [..., batch]; called without gradient."""
        ...

    def adversarial(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the second term of Eq. 6, lower = more fooled, [..., batch]; from target, surrogate or estimate."""
        ...

    def condition(self, inputs: Tensor, batch: Batch) -> Tensor:
        """Return what E' reads, [..., batch, in]: ``inputs`` as they are, or with what else it may know of x."""
        ...

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return trainable parameters under "extractor", "decoder", "condition"; a missing or empty group is frozen."""
        ...
