"""What a part must be able to do to be plugged in.  Floor 0: knows nothing of the package.

Every part is an object with the right methods (structural typing); nothing inherits from these classes.
Shapes are written with axis names: particles, batch, length, embedding, latent, classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Access", "CandidateRows", "Constraint", "Decoder", "Encoder", "GradientTarget", "Ranker", "Target"]

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


@dataclass(frozen=True)
class CandidateRows:
    """Perturbed hypotheses of many pairs, one a row, beside what they stand for.

    Args:
        premises: One a row; never changed.
        originals: The unchanged hypothesis of each row.
        candidates: The perturbed hypothesis of each row.
        labels: Gold label of each row's pair, as an index into the target's ``label_names``.
    """

    premises: Sequence[str]
    originals: Sequence[str]
    candidates: Sequence[str]
    labels: Sequence[int]

    def __post_init__(self) -> None:
        """Check that all have a value for each row."""
        sizes = [len(column) for column in (self.premises, self.originals, self.candidates, self.labels)]
        if len(set(sizes)) != 1:
            raise ValueError(f"expected as many premises as originals, candidates and labels, got {sizes}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.candidates)

    def select(self, rows: Sequence[int]) -> "CandidateRows":
        """Return some of the rows, in the order given."""
        return CandidateRows(
            [self.premises[i] for i in rows],
            [self.originals[i] for i in rows],
            [self.candidates[i] for i in rows],
            [self.labels[i] for i in rows],
        )


@runtime_checkable
class Constraint(Protocol):
    """A condition that a candidate must meet before it may cost a query."""

    name: str

    def accepts(self, rows: CandidateRows) -> Sequence[bool]:
        """Return one answer a row: may the candidate stand for the original?  A row's answer is its own alone."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """What decides which of a pair's candidates are asked first."""

    name: str

    def scores(self, rows: CandidateRows) -> Sequence[float]:
        """Return one finite number a row; within a pair the highest is asked first."""
        ...
