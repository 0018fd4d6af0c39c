"""What a part must be able to do to be plugged in.  Floor 0: knows nothing of the package.

Every part is an object with the right methods (structural typing); nothing inherits from these classes.
Shapes are written with axis names: particles, batch, length, embedding, latent, classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = [
    "Access",
    "CandidateRows",
    "Constraint",
    "Decoder",
    "Encoder",
    "GenerationConfig",
    "GradientTarget",
    "Ranker",
    "Target",
    "TargetError",
]

Access = Literal["score", "label", "gradient"]


@runtime_checkable
class Encoder(Protocol):
    """Maps embedded sentences to features that the particles read."""

    feature_dim: int

    def __call__(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Return features [batch, feature] of ``embedded`` [batch, length, embedding]; ``mask`` is True on words."""
        ...


@dataclass(frozen=True)
class GenerationConfig:
    """How words are chosen where a decoder runs free.

    Args:
        strategy: ``greedy``: the most likely word at each position; ``sampling``: a draw from the softmax; ``beam``:
            the sentence of highest summed log probability that a beam search finds.
        temperature: Of ``sampling``; logits are divided by it.
        num_beams: Of ``beam``: sentences that are kept at each position.
    """

    strategy: Literal["greedy", "sampling", "beam"] = "greedy"
    temperature: float = 1.0
    num_beams: int = 4

    def __post_init__(self) -> None:
        """Check the choice and the ranges."""
        if self.strategy not in ("greedy", "sampling", "beam"):
            raise ValueError(f"expected strategy greedy, sampling or beam, got {self.strategy!r}")
        if not self.temperature > 0:
            raise ValueError(f"expected temperature > 0, got {self.temperature}")
        if self.num_beams < 1:
            raise ValueError(f"expected num_beams >= 1, got {self.num_beams}")


@runtime_checkable
class Decoder(Protocol):
    """Maps codes back to one embedding-space vector a position, and to words.

    The logit of a word is ``scale`` times the cosine of the position's vector with the word's row of ``table``.
    ``is_autoregressive`` says whether a word depends on those before it.
    """

    latent_dim: int
    length: int
    is_autoregressive: bool

    def __call__(self, codes: Tensor, ids: Tensor, table: Tensor) -> Tensor:
        """Return unit-length position vectors [..., length, embedding] for ``codes`` [..., latent].

        The vector of position t sees the code and the words of ``ids`` before t (teacher forcing); a decoder that
        writes all positions at once reads neither ids nor table.

        Args:
            codes: [..., latent].
            ids: Words, end symbol, pads, [..., length]; its leading axes are those of the codes, or broadcast to them.
            table: Unit-length word vectors, [vocab, embedding].
        """
        ...

    def generate(
        self,
        codes: Tensor,
        table: Tensor,
        *,
        scale: float,
        config: GenerationConfig,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return words up to the end symbol, then pads, ids [..., length], of ``codes`` [..., latent]; free running.

        Pad and start symbol are never chosen.

        Args:
            codes: [..., latent].
            table: Unit-length word vectors, [vocab, embedding].
            scale: Of the logits; greedy words do not depend on it.
            config: How words are chosen.
            generator: Of ``sampling``, which needs one.
        """
        ...


class TargetError(RuntimeError):
    """A target that will not answer whichever pair it is asked: a run ends here, with the lines it has written.

    An endpoint that stays away, another number of classes than it said.  What may be the fault of one pair is a
    ``ValueError``, and costs only that pair.
    """


@runtime_checkable
class Target(Protocol):
    """A black-box classifier g of premise-hypothesis pairs: forward only.

    ``label_names`` is `textsem.text.labels.LABEL_NAMES`, or ``TWO_CLASS_NAMES`` of one that knows entailment or not.
    """

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
        labels: Gold label of each row's pair, as an index into `textsem.text.labels.GOLD_NAMES`.
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
