"""What a part must be able to do to be plugged in.  Floor 0: knows nothing of the package.

Every part is an object with the right methods (structural typing); nothing inherits from these classes.
Shapes are written with axis names: particles, batch, length, embedding, latent, classes.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Access", "Decoder", "Encoder", "GradientTarget", "Target"]

Access = Literal["score", "label", "gradient"]


@runtime_checkable
class Encoder(Protocol):
    """Maps embedded sentences to features that the particles read."""

    feature_dim: int

    def __call__(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Return features [batch, feature] of ``embedded`` [batch, length, embedding]; ``mask`` is True on words."""
        ...


@runtime_checkable
class Decoder(Protocol):
    """Maps codes back to one embedding-space vector a position, and to word logits."""

    latent_dim: int
    length: int

    def __call__(self, codes: Tensor) -> Tensor:
        """Return position vectors [..., length, embedding] for ``codes`` [..., latent]."""
        ...


@runtime_checkable
class Target(Protocol):
    """A black-box classifier g of premise-hypothesis pairs: forward only."""

    label_names: tuple[str, ...]

    def predict(self, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
        """Return class probabilities [batch, classes], float32 on the CPU, in the order of ``label_names``."""
        ...


@runtime_checkable
class GradientTarget(Target, Protocol):
    """A target in the same process that reads word vectors, so that Eq. 6 can be differentiated through it."""

    def logits_from_soft_words(
        self, premises: Sequence[str], word_ids: Tensor, weights: Tensor, mask: Tensor, words: Sequence[str]
    ) -> Tensor:
        """Return logits [batch, classes] of hypotheses given as mixtures of words, differentiable in ``weights``.

        Args:
            premises: One premise a row.
            word_ids: Indices into ``words``, [batch, length, choices].
            weights: Probability of each choice, [batch, length, choices]; rows need not sum to one.
            mask: True where a word stands, [batch, length].
            words: The surface word behind each index (lower case).
        """
        ...
