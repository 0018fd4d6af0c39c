"""Ask the target about ranked candidates, in rounds over many pairs, until success or budget.

A round takes the next few candidates of every pair that is still open and sends them to the target together, so that
the target sees full batches although each pair is asked a row or two at a time.  How many rows a pair sends in a round
is a function of what it has sent so far and of nothing else (`round_size`): its result and its number of queries do
not depend on the pairs beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from textsem.attacks.candidates import Candidate
from textsem.protocols import Target, TargetError
from textsem.text.labels import GOLD_NAMES, agreeing_classes

__all__ = ["Flip", "SearchOutcome", "predict_checked", "round_size", "search"]

# (rows sent so far below which it holds, rows of the next round).  The running sums pass 5, 20 and 100, where success
# is reported, and less than a fifth of a pair's queries can come after its first success.
ROUND_SIZES = ((8, 1), (20, 2), (40, 4), (100, 10))
LAST_ROUND_SIZE = 25


@dataclass(frozen=True)
class Flip:
    """A candidate that changed the target's mind.

    Args:
        candidate: What was asked.
        prediction: The class that the target gave it.
        probabilities: What the target said about it, one number a class.
        queries: Rows sent for the pair up to and with the round in which it was asked.
    """

    candidate: Candidate
    prediction: int
    probabilities: tuple[float, ...]
    queries: int


@dataclass(frozen=True)
class SearchOutcome:
    """What became of one pair's candidates.

    Args:
        flips: Those that changed the prediction, in the order in which they were asked; at most as many as were
            wanted.
        queries: Rows sent for this pair, every row of the last round included.
    """

    flips: tuple[Flip, ...] = ()
    queries: int = 0


def round_size(sent: int) -> int:
    """Return how many rows a pair sends next, given how many it has sent.

    Example:
        >>> [round_size(sent) for sent in (0, 7, 8, 20, 40, 100)]
        [1, 1, 2, 4, 10, 25]
    """
    return next((size for bound, size in ROUND_SIZES if sent < bound), LAST_ROUND_SIZE)


def predict_checked(target: Target, premises: Sequence[str], hypotheses: Sequence[str]) -> Tensor:
    """Return the target's probabilities, [batch, classes].

    Raises:
        TargetError: If they have another shape.
        ValueError: If one of them is no finite number.
    """
    probabilities = target.predict(premises, hypotheses)
    expected = (len(premises), len(target.label_names))
    if tuple(probabilities.shape) != expected:
        raise TargetError(f"expected probabilities of shape {list(expected)}, got {list(probabilities.shape)}")
    if not bool(torch.isfinite(probabilities).all()):
        raise ValueError("expected finite probabilities, got nan or inf")
    return probabilities


def search(
    target: Target,
    premises: Sequence[str],
    labels: Sequence[int],
    candidates: Sequence[Sequence[Candidate]],
    *,
    max_queries: int,
    num_flips: int = 1,
) -> list[SearchOutcome]:
    """Query each pair's candidates in the order given until the target leaves the label, or the budget is spent.

    Args:
        target: The classifier under attack; every pair given here must be one that it has right.
        premises: One a pair.
        labels: The gold label of each pair, as an index into ``GOLD_NAMES``.
        candidates: What may be asked, per pair, best first; see `select_candidates`.
        max_queries: Largest number of rows for any one pair.
        num_flips: How many flips are looked for.

    Returns:
        One outcome a pair.
    """
    if max_queries < 0:
        raise ValueError(f"expected max_queries >= 0, got {max_queries}")
    if num_flips < 1:
        raise ValueError(f"expected num_flips >= 1, got {num_flips}")
    if not len(premises) == len(labels) == len(candidates):
        raise ValueError(
            f"expected as many premises as labels as lists of candidates, "
            f"got {len(premises)}, {len(labels)}, {len(candidates)}"
        )
    right = [torch.tensor(agreeing_classes(GOLD_NAMES[label], target.label_names)) for label in labels]
    queues = [list(queue[:max_queries]) for queue in candidates]
    outcomes = [SearchOutcome() for _ in queues]
    active = [pair for pair, queue in enumerate(queues) if queue]
    while active:
        spans = {pair: _next_span(outcomes[pair].queries, len(queues[pair])) for pair in active}
        rows = [(pair, queues[pair][i].text) for pair in active for i in spans[pair]]
        answers = predict_checked(target, [premises[pair] for pair, _ in rows], [text for _, text in rows])
        answers_by_pair = torch.split(answers, [len(spans[pair]) for pair in active])
        for pair, probabilities in zip(active, answers_by_pair, strict=True):
            asked = [queues[pair][i] for i in spans[pair]]
            outcomes[pair] = _add_round(outcomes[pair], asked, probabilities, right[pair], num_flips)
        active = [p for p in active if len(outcomes[p].flips) < num_flips and outcomes[p].queries < len(queues[p])]
    return outcomes


def _next_span(sent: int, available: int) -> range:
    return range(sent, min(sent + round_size(sent), available))


def _add_round(
    before: SearchOutcome, asked: Sequence[Candidate], probabilities: Tensor, right: Tensor, num_flips: int
) -> SearchOutcome:
    """Take the first candidates of a round that changed the prediction; the round counts in full either way."""
    queries = before.queries + len(asked)
    predictions = probabilities.argmax(dim=1)
    flipped = (~torch.isin(predictions, right)).nonzero().flatten().tolist()
    new = (
        Flip(asked[row], int(predictions[row]), tuple(probabilities[row].tolist()), queries)
        for row in flipped[: num_flips - len(before.flips)]
    )
    return SearchOutcome((*before.flips, *new), queries)
