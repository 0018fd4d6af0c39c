"""Candidates of which a second classifier is not sure: where one model still keeps the label and another may not."""

from collections.abc import Sequence

import torch

from textsem.constraints.conjunction import Composable
from textsem.constraints.memory import BoundedMemory
from textsem.protocols import CandidateRows, Ranker, Target
from textsem.text.labels import GOLD_NAMES, LABEL_NAMES, TWO_CLASS_NAMES, agree

__all__ = ["MarginConstraint", "WeightedRanker"]

MIN_PROBABILITY = 1e-4  # keeps the log finite: a margin beyond 9 nats says no more than one of 9


class MarginConstraint(Composable):
    """Keep candidates on which a filter model barely gives the label; implements ``Constraint`` and ``Ranker``.

        m = log P(y | premise, x') - max over y' != y of log P(y' | premise, x')
        accept when  |m - centre| <= width;   score = -|m - centre|

    P(not_entailment) of a model with three classes is P(neutral) + P(contradiction); a model with two classes gives
    neutral and contradiction its P(not_entailment).

    Where the filter is sure of the label, another classifier hardly ever changes its mind, and a query is lost; where
    it is sure of another label, the meaning has changed with it.  Between the two lie the candidates on which good
    models differ.  The filter must be neither the judge that scores the run nor the target.

    Args:
        model: Classifier of pairs.
        centre: Margin that is looked for first, nats.
        width: Largest distance from it, nats; infinity to rank alone.
        memory_size: Most pairs whose answers are remembered.

    Raises:
        ValueError: If the width is not positive, or the model has not NLI's labels, three or two, in their order.
    """

    name = "margin"

    def __init__(self, model: Target, *, centre: float = 0.25, width: float = 1.25, memory_size: int = 100_000) -> None:
        if not width > 0.0:
            raise ValueError(f"expected width above 0, got {width}")
        names = tuple(model.label_names)
        if names not in (LABEL_NAMES, TWO_CLASS_NAMES):
            raise ValueError(
                f"expected a model with labels {list(LABEL_NAMES)} or {list(TWO_CLASS_NAMES)}, got {list(names)}"
            )
        self.model, self.centre, self.width = model, centre, width
        self._is_own = torch.tensor([[agree(label, name) for name in names] for label in GOLD_NAMES])
        self._memory: BoundedMemory[tuple[str, str], list[float]] = BoundedMemory(memory_size)

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: is the margin within the width of the centre?"""
        return [-score <= self.width for score in self.scores(rows)]

    def scores(self, rows: CandidateRows) -> list[float]:
        """Return minus the distance of each row's margin from the centre, nats."""
        return [-abs(margin - self.centre) for margin in self.margins(rows)]

    def margins(self, rows: CandidateRows) -> list[float]:
        """Return how far each row's label is ahead of the best other one, nats; below 0 where it is behind."""
        if not len(rows):
            return []
        pairs = list(zip(rows.premises, rows.candidates, strict=True))
        logs = torch.tensor(self._memory.recall(pairs, self._ask)).clamp(min=MIN_PROBABILITY).log()
        is_own = self._is_own[torch.tensor(list(rows.labels))]
        own = logs.masked_fill(~is_own, -torch.inf).logsumexp(dim=1)  # of one class: its very log
        margins: list[float] = (own - logs.masked_fill(is_own, -torch.inf).amax(dim=1)).tolist()
        return margins

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        answers: list[list[float]] = self.model.predict([a for a, _ in pairs], [b for _, b in pairs]).tolist()
        return answers


class WeightedRanker:
    """Rank by a weighted sum of other rankers' scores; implements ``Ranker``.

    Args:
        parts: Rankers and their weights.
    """

    def __init__(self, *parts: tuple[Ranker, float]) -> None:
        self.parts = parts
        self.name = " + ".join(f"{weight:g} {ranker.name}" for ranker, weight in parts)

    def scores(self, rows: CandidateRows) -> list[float]:
        """Return the sum, one a row."""
        columns = [[weight * score for score in ranker.scores(rows)] for ranker, weight in self.parts]
        return [sum(scores) for scores in zip(*columns, strict=True)]
