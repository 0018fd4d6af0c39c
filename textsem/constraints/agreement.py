"""Agreement of a second classifier: a model that the label has to survive before the target is asked."""

from collections.abc import Sequence

from textsem.constraints.conjunction import Composable
from textsem.constraints.memory import BoundedMemory
from textsem.protocols import CandidateRows, Target
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, TWO_CLASS_NAMES, agreeing_classes

__all__ = ["AgreementConstraint"]


class AgreementConstraint(Composable):
    """Refuse a candidate that a filter model labels otherwise; implements ``Constraint`` and ``Ranker``.

        accept when  P(y | premise, x') >= min_probability

    P(y) is that of all classes that agree with y: of three classes, neutral and contradiction with not_entailment.

    The filter must be neither the judge that scores the run nor the target: a judge that has chosen the candidates
    finds its own choice right, and a target that is asked here answers queries that nobody counts.  A filter of one's
    own is trained on the training pairs alone.

    Args:
        model: Classifier of pairs.
        min_probability: Smallest probability of the row's label, above 0 and at most 1; above 0.5 no other class wins.
        memory_size: Most pairs whose answers are remembered.

    Raises:
        ValueError: If the probability is out of range, or the model has not NLI's labels, three or two, in their order.
    """

    name = "agreement"

    def __init__(self, model: Target, *, min_probability: float = 0.5, memory_size: int = 100_000) -> None:
        if not 0.0 < min_probability <= 1.0:
            raise ValueError(f"expected min_probability above 0 and at most 1, got {min_probability}")
        names = tuple(model.label_names)
        if names not in (LABEL_NAMES, TWO_CLASS_NAMES):
            raise ValueError(
                f"expected a model with labels {list(LABEL_NAMES)} or {list(TWO_CLASS_NAMES)}, got {list(names)}"
            )
        self.model = model
        self.min_probability = min_probability
        self._own = [agreeing_classes(label, names) for label in GOLD_NAMES]
        self._memory: BoundedMemory[tuple[str, str], list[float]] = BoundedMemory(memory_size)

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: does the model still give the row's label?"""
        return [score >= self.min_probability for score in self.scores(rows)]

    def scores(self, rows: CandidateRows) -> list[float]:
        """Return the probability of the row's label given premise and candidate, one a row."""
        pairs = list(zip(rows.premises, rows.candidates, strict=True))
        answers = self._memory.recall(pairs, self._ask)
        return [sum(answer[k] for k in self._own[label]) for answer, label in zip(answers, rows.labels, strict=True)]

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        answers: list[list[float]] = self.model.predict([a for a, _ in pairs], [b for _, b in pairs]).tolist()
        return answers
