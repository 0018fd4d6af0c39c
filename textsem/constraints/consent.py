"""A label is kept only where a second classifier gives it too, and by how much it must."""

from textsem.constraints.conjunction import Composable
from textsem.constraints.margin import MarginConstraint
from textsem.protocols import CandidateRows, Target

__all__ = ["ConsentConstraint"]


class ConsentConstraint(Composable):
    """Accept a new hypothesis whose label a filter model is sure enough of; implements ``Constraint``.

        accept when  log P(y | premise, x') - max over y' != y of log P(y' | premise, x') >= min_margin

    What is trained on needs the right label, and not, as what is asked of a target does, a filter that is in two minds
    (``MarginConstraint``).  The filter must be neither the target nor a judge that scores the outcome.

    Args:
        model: Classifier of pairs.
        min_margin: Nats by which it must put the label ahead; 0 asks no more than that it gives the label.
        memory_size: Most pairs whose answers are remembered.

    Raises:
        ValueError: If the model has not NLI's labels, three or two, in their order.
    """

    name = "consent"

    def __init__(self, model: Target, *, min_margin: float = 0.0, memory_size: int = 0) -> None:
        self.min_margin = min_margin
        self._margin = MarginConstraint(model, memory_size=memory_size)

    def accepts(self, rows: CandidateRows) -> list[bool]:
        """Return one answer a row: is the filter sure enough of the label?"""
        return [margin >= self.min_margin for margin in self._margin.margins(rows)]
